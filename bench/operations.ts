import type { Plan, PlannedRequest } from './load/plan.ts'
import { type Seed, toolName } from './seed.ts'

/** What is measured, in the order it is told in. */
export const operations = [
  'retrieve',
  'exchange',
  'refresh',
  'code',
  'introspect',
  'decide',
  'register',
  'authorize',
  'jwks',
  'metadata',
] as const

export type Operation = (typeof operations)[number]

/** What each operation is called where people read. */
export const operationNames: Record<Operation, string> = {
  retrieve: 'token retrieval, `GET /v1/token-sessions/…`',
  exchange: 'token retrieval, token exchange (RFC 8693)',
  refresh: 'refresh grant, rotating',
  code: 'authorization code grant, PKCE',
  introspect: 'introspection',
  decide: 'decision on a call of a tool, without a quota, `POST /v1/decisions`',
  register: 'client registration',
  authorize: '`GET /authorize`',
  jwks: 'JWKS',
  metadata: 'server metadata',
}

type Ask = Omit<Plan, 'port' | 'connections'>

/** The requests of an operation to a server with these seeds. Codes are handed out, so that none is used twice. */
export function planOf(operation: Operation, seed: Seed, connections: number): Plan {
  return { port: seed.port, connections, ...asks[operation](seed) }
}

const tokens = { access_token: 'string', token_type: 'string', expires_in: 'number' } as const

const asks: Record<Operation, (seed: Seed) => Ask> = {
  retrieve: (seed) => ({
    order: 'in turn',
    status: 200,
    has: { token_type: 'string', expires_in: 'number', scope: 'string' },
    requests: seed.sessions.map(({ tsid, upstreamToken }) => ({
      text: get(`${seed.paths.sessions}/${tsid}/tokens/${seed.provider}`, basic(seed)),
      says: { access_token: upstreamToken },
    })),
  }),

  exchange: (seed) => ({
    order: 'in turn',
    status: 200,
    has: { token_type: 'string', expires_in: 'number', scope: 'string' },
    requests: seed.sessions.map(({ accessToken, upstreamToken }) => ({
      text: post(
        seed.paths.token,
        {
          grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
          subject_token: accessToken,
          subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
          requested_token_type: 'urn:coatcheck:token-type:upstream-access-token',
          provider: seed.provider,
        },
        basic(seed),
      ),
      says: { access_token: upstreamToken },
    })),
  }),

  refresh: (seed) => ({
    order: 'in chains',
    status: 200,
    has: { ...tokens, refresh_token: 'string' },
    requests: seed.refreshTokens.map((refreshToken) => ({
      text: post(seed.paths.token, {
        grant_type: 'refresh_token',
        client_id: seed.clientId,
        refresh_token: refreshToken,
        resource: seed.resource,
      }),
      refreshToken,
    })),
  }),

  code: (seed) => ({
    order: 'once each',
    status: 200,
    has: { ...tokens, refresh_token: 'string' },
    requests: seed.codes.map((code) => ({
      text: post(seed.paths.token, {
        grant_type: 'authorization_code',
        client_id: seed.clientId,
        code,
        code_verifier: seed.pkce.verifier,
        redirect_uri: seed.redirectUri,
        resource: seed.resource,
      }),
    })),
  }),

  introspect: (seed) => ({
    order: 'in turn',
    status: 200,
    has: { exp: 'number', scope: 'string', sub: 'string' },
    requests: seed.introspected.map((token) => ({
      text: post(seed.paths.introspection, { token }, basic(seed)),
      says: { active: true, client_id: seed.clientId },
    })),
  }),

  decide: (seed) => ({
    order: 'in turn',
    status: 200,
    has: { decision_id: 'string' },
    requests: seed.sessions.map(({ accessToken }) => ({
      text: postJson('/v1/decisions', decidedCall, `${basic(seed)}coatcheck-user-token: ${accessToken}\r\n`),
      says: { allowed: true },
    })),
  }),

  register: (seed) => ({
    order: 'in turn',
    status: 201,
    has: { client_id: 'string', redirect_uris: 'array' },
    requests: [{ text: postJson(seed.paths.registration, newClient) }],
  }),

  authorize: (seed) => ({
    order: 'in turn',
    status: seed.leadsOn.status,
    header: seed.leadsOn.header,
    requests: [{ text: get(`${seed.paths.authorization}?${authorizationQuery(seed)}`) }],
  }),

  jwks: (seed) => ({
    order: 'in turn',
    status: 200,
    has: { keys: 'array' },
    requests: [{ text: get(seed.paths.jwks) }],
  }),

  metadata: (seed) => ({
    order: 'in turn',
    status: 200,
    has: { issuer: 'string', token_endpoint: 'string', code_challenge_methods_supported: 'array' },
    requests: [{ text: get(seed.paths.metadata) }],
  }),
}

/** What an MCP server asks about. Its administrator opened the tool, and bound everybody to a role. */
const decidedCall = { tool: toolName, arguments: { folder: 'work' }, address: '203.0.113.7' }

/** What an MCP client registers. */
const newClient = {
  client_name: 'A measuring client',
  redirect_uris: ['http://127.0.0.1:7777/callback'],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
}

function authorizationQuery(seed: Seed): URLSearchParams {
  return new URLSearchParams({
    response_type: 'code',
    client_id: seed.clientId,
    redirect_uri: seed.redirectUri,
    scope: seed.scope,
    state: 'state-of-the-measuring-client',
    code_challenge: seed.pkce.challenge,
    code_challenge_method: 'S256',
    resource: seed.resource,
  })
}

const basic = ({ credential }: Seed) =>
  `authorization: Basic ${Buffer.from(`${credential.id}:${credential.secret}`).toString('base64')}\r\n`

const get = (path: string, headers = ''): PlannedRequest['text'] =>
  `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: */*\r\n${headers}\r\n`

const post = (path: string, form: Record<string, string>, headers = '') =>
  withBody(path, 'application/x-www-form-urlencoded', String(new URLSearchParams(form)), headers)

const postJson = (path: string, body: unknown, headers = '') =>
  withBody(path, 'application/json', JSON.stringify(body), headers)

function withBody(path: string, type: string, body: string, headers: string): string {
  const length = Buffer.byteLength(body)
  return `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: */*\r\n${headers}content-type: ${type}\r\ncontent-length: ${length}\r\n\r\n${body}`
}
