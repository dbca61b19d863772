import { CompactSign, decodeJwt, decodeProtectedHeader, exportJWK } from 'jose'
import { type Context, Provider } from 'oidc-provider'
import { type Adapters, ahead } from './adapter.ts'
import type { OidcState } from './state.ts'

/** Holds the id of the provider's own session. */
export const sessionCookie = 'standin_oidc'

const ownToken = async (_: Context, client: { clientId: string }, token: { clientId: string }) =>
  client.clientId === token.clientId

const refreshable = (state: OidcState, scopes: Set<string>) => {
  if (state.switches.refreshTokens === 'offline_access') return scopes.has('offline_access')
  return state.switches.refreshTokens === 'always'
}

export async function createProvider(state: OidcState, adapters: Adapters): Promise<Provider> {
  const { kid, pair } = state.keys.current()
  const provider = new Provider(state.issuer, {
    adapter: adapters.forModel,
    jwks: { keys: [{ ...(await exportJWK(pair.privateKey)), kid, use: 'sig', alg: 'RS256' }] },
    cookies: {
      keys: [state.core.ids.text(32)],
      names: { session: sessionCookie, interaction: 'standin_oidc_step', resume: 'standin_oidc_resume' },
    },
    features: {
      devInteractions: { enabled: false },
      revocation: { enabled: true, allowedPolicy: ownToken },
      introspection: { enabled: true, allowedPolicy: ownToken },
    },
    interactions: { url: (_: Context, { uid }: { uid: string }) => `/interaction/${uid}` },
    pkce: { required: () => true },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'groups'] },
    clockTolerance: 0,
    acrValues: ['mfa', 'hardware'],
    conformIdTokenClaims: state.claims === 'userinfo',
    ttl: {
      AccessToken: () => state.switches.accessLifetime,
      RefreshToken: () => state.switches.refreshLifetime,
      AuthorizationCode: 60,
      IdToken: 3600,
      Interaction: 3600,
      Session: 1_209_600,
      Grant: 31_536_000,
    },
    issueRefreshToken: async (_: Context, __: unknown, code: { scopes: Set<string> }) =>
      refreshable(state, code.scopes),
    rotateRefreshToken: () => state.switches.rotates,
    findAccount: (_: Context, sub: string) => account(state, sub),
    renderError: (context: Context, out: unknown) => {
      context.body = out
    },
  })
  provider.use(async (context, next) => {
    await next()
    if (context.req.url === '/token') context.body = await movedIdToken(state, context.body)
  })
  return provider
}

function account(state: OidcState, sub: string) {
  const user = state.users.find(sub)
  if (!user) return undefined
  return {
    accountId: sub,
    claims: () => ({
      sub,
      name: user.name,
      email: user.email,
      email_verified: user.emailVerified,
      ...(user.groups && { groups: user.groups }),
    }),
  }
}

/** The library dates ID tokens by the system's clock: sign them again, dated by the stand-in's. */
async function movedIdToken(state: OidcState, body: unknown): Promise<unknown> {
  if (body === null || typeof body !== 'object' || !('id_token' in body)) return body
  const idToken = String(body.id_token)
  const claims: Record<string, unknown> = decodeJwt(idToken)
  const { alg = 'RS256', kid = '' } = decodeProtectedHeader(idToken)
  const moved = ['iat', 'exp', 'auth_time']
    .filter((name) => typeof claims[name] === 'number')
    .map((name) => [name, Number(claims[name]) + ahead(state.core)])
  const payload = Buffer.from(JSON.stringify({ ...claims, ...Object.fromEntries(moved) }))
  const value = await new CompactSign(payload)
    .setProtectedHeader({ alg, kid, typ: 'JWT' })
    .sign(state.keys.current().pair.privateKey)
  state.core.issued.add('id_token', value, { user: String(claims.sub), clientId: String(claims.aud) })
  return { ...body, id_token: value }
}
