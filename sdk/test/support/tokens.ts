import type { Needs, Verifier, VerifierOptions } from '../../src/index.ts'
import { verifier } from '../../src/index.ts'
import type { Issuer } from './issuer.ts'

export const resource = 'https://notes.example/mcp'
export const now = 1_800_000_000

/** The claims of a token that is as it should be; `iss` comes from the issuer. */
export const claims = {
  sub: 'ada',
  client_id: 'a-client',
  aud: resource,
  scope: 'notes.read',
  iat: now - 300,
  exp: now + 3300,
  jti: '1',
}

export function verifierFor(
  issuer: Pick<Issuer, 'issuer'>,
  options: Partial<VerifierOptions> = {},
): Verifier {
  const trusted = options.authorizationServers ? {} : { issuer: issuer.issuer }
  return verifier({ resource, ...trusted, clock: () => now, ...options })
}

/** What a verdict comes to, in two words at most. */
export async function said(verifier: Verifier, token: string, needs?: Needs): Promise<string> {
  const verdict = await verifier.verify(token, needs)
  if (verdict.outcome === 'allowed') return 'allowed'
  const { code, details } = verdict.denial
  return details.reason === undefined ? code : `${code} ${details.reason}`
}
