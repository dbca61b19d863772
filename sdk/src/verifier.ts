import { type AuthInfo, authInfoOf } from './auth-info.ts'
import { type ConnectedServer, connectServer } from './authorization-server.ts'
import { audienceDenial, type Needs, scopeDenial, signInDenial } from './checks.ts'
import { type Denial, deny } from './denials.ts'
import { introspection } from './introspection.ts'
import { recheckByAsking, validateByAsking } from './live-token.ts'
import { readSettings, type Settings, type VerifierOptions } from './settings.ts'
import { invalid, type Validated, type ValidToken, validateJwt } from './token.ts'

export type Verdict =
  | { readonly outcome: 'allowed'; readonly authInfo: AuthInfo }
  | { readonly outcome: 'denied'; readonly denial: Denial }

/** More than any server issues, and less than is any work to refuse. */
const longestToken = 16 * 1024

export type Verifier = {
  /**
   * Checks a token. Of several things that are wrong with it, this is the order in which one is told: validity,
   * audience, scopes, revocation, sign-in.
   */
  verify(token: string, needs?: Needs): Promise<Verdict>
}

/** Decides about tokens for one MCP server. Throws a ConfigurationError with every mistake of its options. */
export function verifier(options: VerifierOptions): Verifier {
  const settings = readSettings(options)
  const servers = settings.servers.map((server) => connectServer(server, settings.outside))
  return verifierOf(settings, servers)
}

export function verifierOf(settings: Settings, servers: readonly ConnectedServer[]): Verifier {
  const { validate, recheck } = waysOf(settings, servers)
  return {
    async verify(token, needs = {}) {
      const validated = token.length > longestToken ? invalid('malformed') : await validate(token)
      if (validated.outcome !== 'valid') return denied(denialOf(validated))
      const { claims } = validated
      const refused = audienceDenial(claims, settings) ?? scopeDenial(claims, needs, settings)
      if (refused) return denied(refused)
      const live = await recheck(token, validated)
      if (live.outcome !== 'valid') return denied(denialOf(live))
      // Scopes may have been taken away since the token was signed.
      const late = scopeDenial(live.claims, needs, settings) ?? signInDenial(live.claims, needs, settings)
      if (late) return denied(late)
      return { outcome: 'allowed', authInfo: authInfoOf(token, live, settings.resource) }
    },
  }
}

type Ways = {
  /** Is it a token of ours at all? */
  validate(token: string): Promise<Validated>
  /** Is a valid one still good? */
  recheck(token: string, valid: ValidToken): Promise<Validated>
}

function waysOf(settings: Settings, servers: readonly ConnectedServer[]): Ways {
  const { validation, credential, introspectionLifetime, outside } = settings
  const byJwt = (token: string) => validateJwt(token, settings, servers)
  const asBefore = async (_token: string, valid: ValidToken) => valid
  if (validation === 'jwt' || !credential) return { validate: byJwt, recheck: asBefore }
  const introspect = introspection(credential, introspectionLifetime, outside)
  return validation === 'introspection'
    ? { validate: (token) => validateByAsking(token, settings, servers, introspect), recheck: asBefore }
    : { validate: byJwt, recheck: (token, valid) => recheckByAsking(token, valid, servers, introspect) }
}

function denialOf(found: Exclude<Validated, ValidToken>): Denial {
  switch (found.outcome) {
    case 'invalid':
      return deny('invalid_token', {
        reason: found.reason,
        ...(found.reason === 'token_expired' ? { message: 'The access token has expired' } : {}),
      })
    case 'revoked':
      return deny('token_revoked')
    case 'unavailable':
      // Failing closed: nobody gets in because nobody could be asked.
      return deny('policy_unavailable', { reason: found.reason, retryAfter: 5 })
  }
}

const denied = (denial: Denial): Verdict => ({ outcome: 'denied', denial })
