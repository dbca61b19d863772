import type { Parameters } from '../lib/parameters.ts'
import { parseScope } from '../tokens/scope.ts'
import type { RetrievalRequest } from './retrieval.ts'

export type RetrievalWish = Pick<RetrievalRequest, 'scopes' | 'minTtl' | 'account' | 'rejected'>

export const wishParameters = ['scope', 'min_ttl', 'account', 'rejected']

/** What a resource wishes of the token, as both faces take it; `undefined` where a value has not its form. */
export function readWish({ values }: Parameters): RetrievalWish | undefined {
  const scopes = parseScope(values.get('scope') ?? '')
  const minTtl = values.get('min_ttl') ?? '0'
  const account = values.get('account')
  const rejected = values.get('rejected')
  const isReadable =
    scopes !== undefined &&
    /^\d{1,7}$/.test(minTtl) &&
    (account === undefined || /^acct_[\w-]{22}$/.test(account)) &&
    // SHA-256, base64url without padding.
    (rejected === undefined || /^[\w-]{43}$/.test(rejected))
  return isReadable ? { scopes, minTtl: Number(minTtl), account, rejected } : undefined
}
