import { createHash, randomBytes } from 'node:crypto'
import { type Browser, callbackOf, createBrowser, type Press, type Stop } from './browser.ts'
import {
  createTestClock,
  startTestGateway,
  type TestClock,
  type TestGateway,
  type TestGatewayOptions,
} from './gateway.ts'
import { startUpstream, type TestUpstream, type UpstreamKind } from './upstreams.ts'

export const resourceUri = 'https://notes.test/mcp'
export const redirectUri = 'http://127.0.0.1:7777/callback'

export type ResourceCredential = { id: string; secret: string }

/** A gateway with one upstream, one MCP server that needs it, and a client that registered itself. */
export type World = {
  gateway: TestGateway
  upstream: TestUpstream
  provider: string
  clock: TestClock
  credential: ResourceCredential
  clientId: string
  stop(): Promise<void>
}

export type Tokens = { access_token: string; refresh_token: string; expires_in: number; scope: string }

export async function startWorld(
  kind: UpstreamKind = 'github',
  options: Omit<TestGatewayOptions, 'clock'> = {},
): Promise<World> {
  return await furnish(await startTestGateway({ ...options, clock: createTestClock() }), kind)
}

/** The world around a gateway that runs already; whose end is the gateway's, too. */
export async function furnish(gateway: TestGateway, kind: UpstreamKind = 'github'): Promise<World> {
  const { clock } = gateway
  const upstream = await startUpstream(kind, { issuer: gateway.issuer, clock: clock.now })
  upstream.approveAs('ada')
  await gateway.admin('PUT', `/providers/${kind}`, upstream.definition)
  await gateway.admin('PUT', '/resources/notes', {
    resource: resourceUri,
    name: 'Notes',
    scopes: { 'notes.read': 'Read your notes', 'notes.write': 'Change your notes' },
    default_scopes: ['notes.read'],
    providers: [{ provider: kind, scopes: [upstream.scope] }],
  })
  const credential = await createCredential(gateway, 'notes')
  const clientId = await registerClient(gateway)
  return {
    gateway,
    upstream,
    provider: kind,
    clock,
    credential,
    clientId,
    async stop() {
      await gateway.stop()
      await upstream.stop()
    },
  }
}

export async function createCredential(gateway: TestGateway, resource: string): Promise<ResourceCredential> {
  const made = await gateway.admin<{ client_id: string; client_secret: string }>(
    'POST',
    `/resources/${resource}/credentials`,
    {},
  )
  return { id: made.client_id, secret: made.client_secret }
}

export async function registerClient(
  gateway: TestGateway,
  metadata: Record<string, unknown> = {},
): Promise<string> {
  const response = await fetch(`${gateway.url}/oauth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'A test client',
      redirect_uris: ['http://127.0.0.1/callback'],
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      ...metadata,
    }),
  })
  if (response.status !== 201) throw new Error(`registration answered ${response.status}`)
  return ((await response.json()) as { client_id: string }).client_id
}

export function newPkce() {
  const verifier = randomBytes(32).toString('base64url')
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') }
}

export function authorizeUrl(
  world: Pick<World, 'gateway' | 'clientId'>,
  challenge: string,
  parameters: Record<string, string> = {},
): string {
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: world.clientId,
    redirect_uri: redirectUri,
    state: 'state-of-the-client',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    resource: resourceUri,
    ...parameters,
  })
  return `${world.gateway.issuer}/oauth/authorize?${query}`
}

export const newBrowser = (): Browser => createBrowser({ redirectUris: [redirectUri] })

export type Authorized = {
  code: string
  verifier: string
  callback: Record<string, string>
  browser: Browser
}

/** The whole way to a code: opens the authorization URL and says yes to whatever is asked. */
export async function authorize(
  world: Pick<World, 'gateway' | 'clientId' | 'clock'>,
  {
    browser = newBrowser(),
    parameters = {},
    presses = ['allow'],
  }: {
    browser?: Browser
    parameters?: Record<string, string>
    presses?: readonly (string | Press)[]
  } = {},
): Promise<Authorized> {
  const { verifier, challenge } = newPkce()
  const stop = await browser.walk(authorizeUrl(world, challenge, parameters), presses)
  const callback = callbackOf(stop)
  if (callback.code === undefined) throw new Error(`no code but ${JSON.stringify(callback)}`)
  return { code: callback.code, verifier, callback, browser }
}

export async function postToken(
  world: Pick<World, 'gateway'>,
  form: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Response> {
  return await fetch(`${world.gateway.url}/oauth/token`, {
    method: 'POST',
    headers,
    body: new URLSearchParams(form),
  })
}

export async function redeem(
  world: Pick<World, 'gateway' | 'clientId'>,
  { code, verifier }: Pick<Authorized, 'code' | 'verifier'>,
  redirectTo = redirectUri,
): Promise<Response> {
  return await postToken(world, {
    grant_type: 'authorization_code',
    client_id: world.clientId,
    code,
    code_verifier: verifier,
    redirect_uri: redirectTo,
  })
}

export async function refresh(
  world: Pick<World, 'gateway' | 'clientId'>,
  refreshToken: string,
  more: Record<string, string> = {},
): Promise<Response> {
  return await postToken(world, {
    grant_type: 'refresh_token',
    client_id: world.clientId,
    refresh_token: refreshToken,
    ...more,
  })
}

/** A signed-in session: tokens of a fresh authorization, and the browser it was made in. */
export async function signIn(
  world: Pick<World, 'gateway' | 'clientId' | 'clock'>,
  options: Parameters<typeof authorize>[1] = {},
): Promise<{ tokens: Tokens; tsid: string; browser: Browser; authorized: Authorized }> {
  const authorized = await authorize(world, options)
  const response = await redeem(world, authorized)
  if (!response.ok) throw new Error(`the code was answered ${response.status} ${await response.text()}`)
  const tokens = (await response.json()) as Tokens
  return { tokens, tsid: tsidOf(tokens), browser: authorized.browser, authorized }
}

export const claimsOf = (jwt: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString())

export const tsidOf = ({ access_token: token }: Pick<Tokens, 'access_token'>) => String(claimsOf(token).tsid)

/** Of the key that signed the access token. */
export const kidOf = ({ access_token: token }: Pick<Tokens, 'access_token'>): string =>
  JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid

export const basic = ({ id, secret }: ResourceCredential) =>
  `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`

/** `GET /v1/token-sessions/{tsid}/tokens/{provider}` with the world's credential. */
export async function retrieve(
  world: Pick<World, 'gateway' | 'credential' | 'provider'>,
  tsid: string,
  {
    query = {},
    headers = {},
    provider = world.provider,
  }: {
    query?: Record<string, string>
    headers?: Record<string, string>
    provider?: string
  } = {},
): Promise<{ status: number; body: Record<string, unknown>; headers: Headers }> {
  const url = `${world.gateway.url}/v1/token-sessions/${tsid}/tokens/${provider}?${new URLSearchParams(query)}`
  const response = await fetch(url, { headers: { authorization: basic(world.credential), ...headers } })
  return {
    status: response.status,
    body: (await response.json()) as Record<string, unknown>,
    headers: response.headers,
  }
}

export async function introspect(
  world: Pick<World, 'gateway' | 'credential'>,
  token: string,
): Promise<Record<string, unknown>> {
  const response = await fetch(`${world.gateway.url}/oauth/introspect`, {
    method: 'POST',
    headers: { authorization: basic(world.credential) },
    body: new URLSearchParams({ token }),
  })
  return (await response.json()) as Record<string, unknown>
}

export type { Stop }
