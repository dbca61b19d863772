import type { ConnectedServer } from './authorization-server.ts'
import type { Introspect } from './introspection.ts'
import type { Settings } from './settings.ts'
import { acceptClaims, invalid, type Validated, type ValidToken } from './token.ts'

/** Validates a token of any form by asking every trusted server in turn whether it is theirs. */
export async function validateByAsking(
  token: string,
  { clockTolerance, outside }: Settings,
  servers: readonly ConnectedServer[],
  introspect: Introspect,
): Promise<Validated> {
  let silence: Validated | undefined
  for (const server of servers) {
    const answer = await introspect(server, token)
    if (answer.outcome === 'unavailable') silence = answer
    if (answer.outcome !== 'active') continue
    const { exp, token_type = 'Bearer' } = answer.claims
    // Some servers answer for refresh tokens, too, which no client should send here.
    if (!/^(?:bearer|access_token)$/i.test(String(token_type))) return invalid('wrong_type')
    if (typeof exp !== 'number') return invalid('missing_claim')
    if (exp + clockTolerance <= outside.clock()) return invalid('token_expired')
    return acceptClaims({ ...answer.claims, exp }, server.issuer)
  }
  // The one that did not answer may be the one that knows it.
  return silence ?? invalid('inactive')
}

/** Asks the server that signed a token whether it still stands by it, and by which scopes. */
export async function recheckByAsking(
  token: string,
  valid: ValidToken,
  servers: readonly ConnectedServer[],
  introspect: Introspect,
): Promise<Validated> {
  const server = servers.find(({ issuer }) => issuer === valid.issuer)
  if (!server) return invalid('untrusted_issuer')
  const answer = await introspect(server, token)
  switch (answer.outcome) {
    case 'unavailable':
      return answer
    case 'inactive':
      return { outcome: 'revoked' }
    case 'active': {
      const { scope = valid.claims.scope } = answer.claims
      return { ...valid, claims: { ...valid.claims, ...(scope === undefined ? {} : { scope }) } }
    }
  }
}
