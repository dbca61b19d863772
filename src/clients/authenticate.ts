import { parseBasic } from '../lib/basic-credentials.ts'
import { equalSecrets, newSecret, sha256 } from '../lib/secret.ts'
import type { ClientMetadata } from '../storage/documents.ts'
import { type AssertionKeys, assertionType, claimedSubject, type VerifyAssertion } from './assertion.ts'

export type AuthMethod = ClientMetadata['token_endpoint_auth_method']

/** What must be known of a client to authenticate it. */
export type AuthenticatedBy = {
  readonly authMethod: AuthMethod
  readonly secretHash: string | null
  readonly enabled: boolean
  /** What it signs assertions with, where that is its method. */
  readonly assertionKeys?: AssertionKeys | undefined
}

/** What a request brought: its `Authorization` header, and the parameters of its form. */
export type PresentedCredentials = {
  readonly authorization?: string | undefined
  readonly clientId?: string | undefined
  readonly clientSecret?: string | undefined
  /** A signed assertion and what it is said to be (RFC 7523 section 2.2). */
  readonly assertion?: string | undefined
  readonly assertionType?: string | undefined
}

export type Authentication<Known> =
  | { readonly outcome: 'authenticated'; readonly clientId: string; readonly client: Known }
  | {
      readonly outcome: 'refused'
      /** The challenge the 401 must carry: the scheme the client tried (RFC 6749 section 5.2). */
      readonly challenge: 'Basic' | undefined
      readonly reason: RefusalReason
    }

export type RefusalReason =
  | 'no_credentials'
  | 'malformed_header'
  | 'two_methods'
  | 'two_client_ids'
  | 'malformed_assertion'
  /** Unknown, disabled, another method than registered, or a wrong secret: one answer for all. */
  | 'invalid_credentials'

type Attempt = { readonly method: AuthMethod; readonly id: string; readonly secret: string }

/** Of a secret that nobody has: what is compared with where there is no hash. */
const nobodysHash = sha256(newSecret('nobody_'))

/**
 * Who calls (RFC 6749 section 2.3). One method in a request, and that the registered one; a public client
 * (`none`) sends its id and no secret. Whether a client is unknown, disabled or wrong about its secret makes no
 * difference to the answer, nor to the work done.
 */
export async function authenticateClient<Known extends AuthenticatedBy>(
  presented: PresentedCredentials,
  find: (clientId: string) => Promise<Known | undefined>,
  verifyAssertion: VerifyAssertion,
): Promise<Authentication<Known>> {
  const { authorization, clientId, clientSecret, assertion, assertionType } = presented
  const challenge = authorization === undefined ? undefined : 'Basic'
  const refuse = (reason: RefusalReason) => ({ outcome: 'refused', challenge, reason }) as const

  const methods = [authorization, clientSecret, assertion ?? assertionType]
  if (methods.filter((method) => method !== undefined).length > 1) return refuse('two_methods')
  if (assertion !== undefined || assertionType !== undefined) {
    return (await tryAssertion(presented, find, verifyAssertion)) ?? refuse('malformed_assertion')
  }
  const attempts = readAttempts(presented)
  if (!attempts) return refuse(authorization === undefined ? 'no_credentials' : 'malformed_header')
  const fitting = attempts.filter(({ id }) => clientId === undefined || id === clientId)
  if (fitting.length === 0) return refuse('two_client_ids')
  // Both readings of a header are tried in full, so that the first one's success tells nothing by its time.
  const results = await Promise.all(fitting.map((attempt) => tryAttempt(attempt, find)))
  return results.find((result) => result !== undefined) ?? refuse('invalid_credentials')
}

function readAttempts(presented: PresentedCredentials): readonly Attempt[] | undefined {
  const { authorization, clientId, clientSecret } = presented
  if (authorization !== undefined) {
    return parseBasic(authorization)?.map((reading) => ({ method: 'client_secret_basic', ...reading }))
  }
  if (clientId === undefined) return undefined
  return clientSecret === undefined
    ? [{ method: 'none', id: clientId, secret: '' }]
    : [{ method: 'client_secret_post', id: clientId, secret: clientSecret }]
}

async function tryAttempt<Known extends AuthenticatedBy>(
  { method, id, secret }: Attempt,
  find: (clientId: string) => Promise<Known | undefined>,
): Promise<Authentication<Known> | undefined> {
  const client = await find(id)
  const secretFits = equalSecrets(sha256(secret), client?.secretHash ?? nobodysHash)
  if (!client?.enabled || client.authMethod !== method) return undefined
  const proven = method === 'none' || secretFits
  return proven ? { outcome: 'authenticated', clientId: id, client } : undefined
}

async function tryAssertion<Known extends AuthenticatedBy>(
  { assertion = '', assertionType: type, clientId }: PresentedCredentials,
  find: (clientId: string) => Promise<Known | undefined>,
  verifyAssertion: VerifyAssertion,
): Promise<Authentication<Known> | undefined> {
  const refuse = (reason: RefusalReason) => ({ outcome: 'refused', challenge: undefined, reason }) as const
  const id = type === assertionType ? claimedSubject(assertion) : undefined
  if (id === undefined) return undefined
  if (clientId !== undefined && clientId !== id) return refuse('two_client_ids')
  const client = await find(id)
  const isProven =
    client?.enabled === true &&
    client.authMethod === 'private_key_jwt' &&
    client.assertionKeys !== undefined &&
    (await verifyAssertion(assertion, id, client.assertionKeys))
  return isProven ? { outcome: 'authenticated', clientId: id, client } : refuse('invalid_credentials')
}
