import { createHash, randomBytes } from 'node:crypto'

/** What there is in a server before it is measured, and where it answers; the same for every kind of server. */
export type Seed = {
  port: number
  paths: {
    token: string
    introspection: string
    registration: string
    authorization: string
    jwks: string
    metadata: string
    sessions: string
  }
  clientId: string
  redirectUri: string
  resource: string
  scope: string
  provider: string
  /** Of the MCP server that retrieves and introspects. */
  credential: { id: string; secret: string }
  pkce: typeof pkce
  /** Sessions with an upstream token that has long to live. */
  sessions: { tsid: string; accessToken: string; upstreamToken: string }[]
  /** Access tokens the credential's holder may introspect. */
  introspected: string[]
  refreshTokens: string[]
  codes: string[]
  /** How `/authorize` is answered: where it sends the browser. */
  leadsOn: { status: number; header: string }
}

/** How much of each is made. */
export type Amounts = { sessions: number; refreshTokens: number; codes: number }

/** One for all codes: what is measured is that it is checked. */
export const pkce = withChallenge(randomBytes(32).toString('base64url'))

export const clientRedirect = 'http://127.0.0.1:7777/callback'
export const resourceUri = 'https://notes.test/mcp'
export const resourceScope = 'notes.read'
export const providerId = 'github'
export const toolName = 'read_note'

/** As long as the JWTs some providers hand out. */
export const newUpstreamToken = (): string => randomBytes(1500).toString('base64url')

export const sha256 = (value: string): string => createHash('sha256').update(value).digest('base64url')

export const newSecret = (prefix = ''): string => prefix + randomBytes(32).toString('base64url')

function withChallenge(verifier: string) {
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') }
}
