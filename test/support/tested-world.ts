import { decodeJwt } from 'jose'
import { FetchError } from '../../src/lib/fetch-error.ts'
import type { GuardedFetch } from '../../src/lib/guarded-fetch.ts'
import { checkUpstreamUrl } from '../../src/lib/upstream-url.ts'
import { createAsk } from '../../src/tester/heard.ts'
import { type TestOptions, type TestReport, testUrl } from '../../src/tester/test-url.ts'

/** What somebody answers; text is sent as it is, everything else as JSON. */
export type Answer = { status?: number; headers?: Record<string, string>; body?: unknown }
export type Said = Answer | 'nothing'

export type Asked = { url: URL; headers: Record<string, string>; body: string }

/** Every server there is: what it answers by method and URL, without the query; `*` is for every other path. */
export type World = Record<string, Said | ((asked: Asked) => Said)>

export const issuer = 'https://auth.example/tenant'
export const mcpServer = 'https://notes.example/mcp'

const origin = 'https://auth.example'
const inserted = `${origin}/.well-known/oauth-authorization-server/tenant`
export const openIdInserted = `${origin}/.well-known/openid-configuration/tenant`
export const openIdAppended = `${issuer}/.well-known/openid-configuration`
export const oauthAppended = `${issuer}/.well-known/oauth-authorization-server`

export const places = { inserted, openIdInserted, openIdAppended, oauthAppended }

const shared = { 'access-control-allow-origin': '*' }
const kept = { ...shared, 'cache-control': 'public, max-age=300' }
const unkept = { ...shared, 'cache-control': 'no-store' }
export const preflighted: Answer = {
  status: 204,
  headers: { ...shared, 'access-control-allow-headers': 'authorization, content-type, mcp-protocol-version' },
}

export const soundMetadata = {
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
  registration_endpoint: `${issuer}/register`,
  jwks_uri: `${issuer}/jwks`,
  response_types_supported: ['code'],
  grant_types_supported: ['authorization_code', 'refresh_token'],
  code_challenge_methods_supported: ['S256'],
  token_endpoint_auth_methods_supported: ['none'],
  authorization_response_iss_parameter_supported: true,
  client_id_metadata_document_supported: true,
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: ['ES256'],
}

export const key = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y', kid: 'one', alg: 'ES256', use: 'sig' }

export const refusal = (status: number, error: string): Said => ({ status, headers: unkept, body: { error } })

export const page: Answer = {
  status: 400,
  headers: { 'content-type': 'text/html', 'content-security-policy': "frame-ancestors 'none'" },
  body: '<h1>No</h1>',
}

/** An authorization server that does everything right, and knows one client. */
export function soundServer(metadata: unknown = soundMetadata): World {
  const client = 'client_1'
  return {
    [`GET ${inserted}`]: { headers: kept, body: metadata },
    [`GET ${openIdInserted}`]: { headers: kept, body: metadata },
    [`GET ${openIdAppended}`]: { headers: kept, body: metadata },
    [`OPTIONS ${inserted}`]: preflighted,
    [`OPTIONS ${openIdInserted}`]: preflighted,
    [`GET ${issuer}/jwks`]: { headers: kept, body: { keys: [key] } },
    [`GET ${issuer}/authorize`]({ url: { searchParams } }) {
      if (searchParams.get('client_id') !== client) return page
      const redirectUri = searchParams.get('redirect_uri') ?? ''
      if (!redirectUri.startsWith('http://127.0.0.1:')) return page
      const error = searchParams.has('code_challenge') ? 'invalid_target' : 'invalid_request'
      return sendBack(redirectUri, { error, state: String(searchParams.get('state')), iss: issuer })
    },
    [`POST ${issuer}/token`]: ({ body }) =>
      new URLSearchParams(body).get('client_id') === client
        ? refusal(400, 'invalid_grant')
        : refusal(401, 'invalid_client'),
    [`OPTIONS ${issuer}/token`]: preflighted,
    [`POST ${issuer}/register`]({ body }) {
      const wanted = JSON.parse(body)
      if (Array.isArray(wanted)) return refusal(400, 'invalid_client_metadata')
      return { status: 201, headers: unkept, body: registered(wanted) }
    },
    [`OPTIONS ${issuer}/register`]: preflighted,
    [`DELETE ${issuer}/register/1`]: { status: 204 },
  }
}

/** What a registration answers. */
export const registered = (wanted: Record<string, unknown>) => ({
  ...wanted,
  client_id: 'client_1',
  registration_client_uri: `${issuer}/register/1`,
  registration_access_token: 'token-of-the-registration',
})

export const sendBack = (redirectUri: string, parameters: Record<string, string>): Said => ({
  status: 302,
  headers: { location: `${redirectUri}?${new URLSearchParams(parameters)}` },
})

export const atPath = 'https://notes.example/.well-known/oauth-protected-resource/mcp'
export const atRoot = 'https://notes.example/.well-known/oauth-protected-resource'

export const soundResource = {
  resource: mcpServer,
  authorization_servers: [issuer],
  scopes_supported: ['notes.read'],
  bearer_methods_supported: ['header'],
}

export const challenge = `Bearer scope="notes.read", resource_metadata="${atPath}"`
export const challenged = (value = challenge): Said => ({
  status: 401,
  headers: { 'www-authenticate': value },
})
export const invalidToken = challenged(`Bearer error="invalid_token", resource_metadata="${atPath}"`)

/** An MCP server that does everything right, and knows no token. */
export function soundMcpServer(document: unknown = soundResource): World {
  const knock = ({ headers: { authorization } }: Asked): Said =>
    authorization?.startsWith('Bearer ') ? invalidToken : challenged()
  return {
    [`POST ${mcpServer}`]: knock,
    [`GET ${mcpServer}`]: knock,
    [`DELETE ${mcpServer}`]: knock,
    [`GET ${atPath}`]: { headers: kept, body: document },
    [`GET ${atRoot}`]: { headers: kept, body: document },
  }
}

/** The world as the tester meets it; nobody is anywhere else, and what is not there is 404 in JSON. */
function fetchIn(world: World): GuardedFetch {
  return async (input, { method = 'GET', headers = {}, body } = {}) => {
    const fault = checkUpstreamUrl(String(input), { allowLoopback: false })
    if (fault !== undefined) throw new FetchError('refused_url', `the URL ${fault}`)
    const url = new URL(input)
    const found = world[`${method} ${url.origin}${url.pathname}`] ?? world[`${method} ${url.origin}/*`]
    const said = typeof found === 'function' ? found({ url, headers, body: body?.toString() ?? '' }) : found
    if (said === 'nothing') throw new FetchError('unreachable', `cannot talk to ${url.host}`)
    const answer = said ?? { status: 404, body: { error: 'not_found' } }
    const isText = answer.body === undefined || typeof answer.body === 'string'
    return new Response(
      answer.body === undefined ? null : isText ? String(answer.body) : JSON.stringify(answer.body),
      {
        status: answer.status ?? 200,
        headers: { ...(isText ? {} : { 'content-type': 'application/json' }), ...answer.headers },
      },
    )
  }
}

/** Tests one server of a world. */
export async function testIn(
  world: World,
  url: string,
  options: Partial<TestOptions> = {},
): Promise<TestReport> {
  const ask = createAsk({ fetch: fetchIn(world), deadline: 5, signal: new AbortController().signal })
  return await testUrl(url, { ask, now: 1_800_000_000, registering: 'leave', ...options })
}

/** The codes of what is not well, with how bad it is: `error issuer`. */
export const faultsIn = ({ tested }: TestReport): string[] =>
  tested.flatMap(({ checks }) =>
    checks.filter(({ kind }) => kind !== 'success').map(({ kind, code }) => `${kind} ${code}`),
  )

/** The audience of a token that was sent, if it is a JWT. */
export function audienceOf(headers: Record<string, string>): unknown {
  try {
    return decodeJwt(headers.authorization?.replace('Bearer ', '') ?? '').aud
  } catch {
    return undefined
  }
}
