import type { Gateway } from '../../gateway.ts'
import type { Caller } from '../../http/callers.ts'
import type { Parameters } from '../../lib/parameters.ts'

/** A successful answer of the token endpoint (RFC 6749 section 5.1). No member is null: clients refuse that. */
export type TokenAnswer = {
  access_token: string
  token_type: string
  expires_in?: number
  refresh_token?: string
  scope: string
  [extension: string]: unknown
}

/**
 * One grant type: who may use it, the parameters it reads, and what it answers. Whoever comes to `answer` was
 * authenticated, is of the kind named, and sent none of the parameters twice.
 */
export type TokenGrant<Kind extends Caller['kind'] = Caller['kind']> = {
  caller: Kind
  parameters: readonly string[]
  answer(gateway: Gateway, caller: Extract<Caller, { kind: Kind }>, form: Parameters): Promise<TokenAnswer>
}
