import { createServer } from 'node:http'
import { join } from 'node:path'
import { exportJWK, generateKeyPair } from 'jose'
import { Provider } from 'oidc-provider'
import { systemClock } from '../../src/lib/clock.ts'
import {
  type Amounts,
  clientRedirect,
  newSecret,
  pkce,
  resourceScope,
  resourceUri,
  type Seed,
} from '../seed.ts'
import { type Commits, sqliteAdapter } from './oidc-provider-adapter.ts'
import { freePort } from './port.ts'
import { fillWhenTold } from './server.ts'

/** oidc-provider as somebody would run it for MCP clients: PKCE, registration, rotation, ES256 JWTs for one resource. */

const [folder = '.', commits = 'joined'] = process.argv.slice(2)
const port = await freePort()
const issuer = `http://127.0.0.1:${port}`
/** Its JWTs cannot be introspected, so introspection is measured with opaque tokens. */
const opaqueResource = 'https://opaque.test/mcp'
const publicClient = 'measured-client'
const credential = { id: 'measured-resource', secret: newSecret() }

const { privateKey } = await generateKeyPair('ES256', { extractable: true })
const resourceServer = (format: 'jwt' | 'opaque') => ({
  scope: resourceScope,
  audience: resourceUri,
  accessTokenTTL: 3600,
  accessTokenFormat: format,
  ...(format === 'jwt' && { jwt: { sign: { alg: 'ES256' } } }),
})
const provider = new Provider(issuer, {
  adapter: sqliteAdapter(join(folder, 'op.db'), commits as Commits),
  jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: 'one', use: 'sig', alg: 'ES256' }] },
  cookies: { keys: [newSecret()] },
  clients: [
    {
      client_id: publicClient,
      redirect_uris: [clientRedirect],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      id_token_signed_response_alg: 'ES256',
    },
    {
      client_id: credential.id,
      client_secret: credential.secret,
      redirect_uris: [],
      grant_types: [],
      response_types: [],
    },
  ],
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_: unknown, resource: string) =>
        resourceServer(resource === opaqueResource ? 'opaque' : 'jwt'),
      useGrantedResource: () => true,
    },
  },
  interactions: { url: (_: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
  pkce: { required: () => true },
  scopes: ['openid', 'offline_access'],
  ttl: {
    AccessToken: 3600,
    AuthorizationCode: 600,
    Grant: 2_592_000,
    IdToken: 3600,
    Interaction: 600,
    RefreshToken: 2_592_000,
    Session: 86_400,
  },
  expiresWithSession: () => false,
  issueRefreshToken: () => true,
  rotateRefreshToken: () => true,
  findAccount: (_: unknown, id: string) => ({ accountId: id, claims: () => ({ sub: id }) }),
})

/** Of the library's own models, which ships no types, what seeds are made with. */
type Model = new (
  payload: Record<string, unknown>,
) => { save(): Promise<string>; addResourceScope(resource: string, scope: string): void }
const models = provider as unknown as Record<
  'Grant' | 'AccessToken' | 'RefreshToken' | 'AuthorizationCode',
  Model
> & { Client: { find(id: string): Promise<unknown> } }

const server = createServer({ keepAliveTimeout: 72_000 }, provider.callback())
await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
fillWhenTold(fill)

async function fill({ sessions, refreshTokens, codes }: Amounts): Promise<Seed> {
  const client = await models.Client.find(publicClient)
  const granted = async (resource: string) => {
    const accountId = newSecret()
    const grant = new models.Grant({ accountId, clientId: publicClient })
    grant.addResourceScope(resource, resourceScope)
    const about = { accountId, client, grantId: await grant.save(), scope: resourceScope, resource }
    return { ...about, gty: 'authorization_code', authTime: systemClock() }
  }
  const many = async (count: number, make: () => Promise<string>) => {
    const made: string[] = []
    while (made.length < count) {
      // Together, so that they share commits where it can.
      made.push(...(await Promise.all(Array.from({ length: Math.min(100, count - made.length) }, make))))
    }
    return made
  }
  return {
    port,
    paths: {
      token: '/token',
      introspection: '/token/introspection',
      registration: '/reg',
      authorization: '/auth',
      jwks: '/jwks',
      metadata: '/.well-known/openid-configuration',
      sessions: '',
    },
    clientId: publicClient,
    redirectUri: clientRedirect,
    resource: resourceUri,
    scope: resourceScope,
    provider: '',
    credential,
    pkce,
    sessions: [],
    introspected: await many(sessions, async () =>
      new models.AccessToken({
        ...(await granted(opaqueResource)),
        resourceServer: resourceServer('opaque'),
      }).save(),
    ),
    refreshTokens: await many(refreshTokens, async () =>
      new models.RefreshToken(await granted(resourceUri)).save(),
    ),
    codes: await many(codes, async () =>
      new models.AuthorizationCode({
        ...(await granted(resourceUri)),
        redirectUri: clientRedirect,
        codeChallenge: pkce.challenge,
        codeChallengeMethod: 'S256',
      }).save(),
    ),
    leadsOn: { status: 303, header: '/interaction/' },
  }
}
