import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { systemClock as clock } from '../../src/lib/clock.ts'
import {
  type Amounts,
  clientRedirect,
  newSecret,
  newUpstreamToken,
  pkce,
  providerId,
  resourceScope,
  resourceUri,
  type Seed,
  sha256,
} from '../seed.ts'
import { openFloorStore, type TokenRow } from './floor-store.ts'
import {
  accessLifetime,
  type Claims,
  claimsOf,
  digest,
  isSecret,
  mint,
  open,
  publicJwk,
  seal,
} from './floor-tokens.ts'
import { joinedCommits } from './joined-commits.ts'
import { fillWhenTold } from './server.ts'

/**
 * The least code that does each operation whole: every check, every durable row and the audit row, by node:http,
 * node:crypto and prepared statements, and no configuration, log, limit or administrator. What it costs is what the
 * operation costs; what a real server costs more is the price of everything else.
 */

const [folder = '.'] = process.argv.slice(2)
const store = openFloorStore(join(folder, 'floor.db'))
const commit = joinedCommits(store.connection)

class Refused extends Error {
  readonly status: number
  constructor(status: number, code: string) {
    super(code)
    this.status = status
  }
}

type Reply = { status?: number; headers?: Record<string, string>; body: Buffer | string }
type Handler = (request: IncomingMessage, url: URL, body: string) => Reply | Promise<Reply>

const json = (body: unknown): Reply => ({
  body: JSON.stringify(body),
  headers: { 'cache-control': 'no-store' },
})

function audit(
  event: string,
  actor: string,
  about: { subject?: string; client?: string; detail?: unknown },
): void {
  const now = clock()
  const id = now.toString(36) + randomBytes(12).toString('hex')
  const { subject = null, client = null, detail = {} } = about
  store.saveAudit.run(id, now, event, actor, subject, client, resourceUri, JSON.stringify(detail))
}

function asking(request: IncomingMessage): { id: string; resource: string } {
  const credentials = /^Basic (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
  const [id = '', secret = ''] = String(Buffer.from(credentials, 'base64')).split(':')
  const row = store.credential.get(id)
  if (!row || !isSecret(secret, row.secret_hash)) throw new Refused(401, 'invalid_client')
  return { id, resource: row.resource }
}

async function release(tsid: string, by: { id: string; resource: string }): Promise<Reply> {
  const session = store.session.get(tsid, by.resource, clock())
  if (!session) throw new Refused(404, 'unknown_token_session')
  const accessToken = open(session.sealed, session.id)
  const { subject, client } = session
  await commit(() =>
    audit('upstream_token.released', by.id, { subject, client, detail: { provider: providerId } }),
  )
  return json({
    access_token: accessToken,
    token_type: 'Bearer',
    expires_in: 28_800,
    scope: 'repo',
    provider: providerId,
    account: { id: subject, label: 'ada' },
  })
}

function clientOf(form: URLSearchParams): string {
  const id = form.get('client_id') ?? ''
  const row = store.client.get(id)
  if (!row || JSON.parse(row.metadata).token_endpoint_auth_method !== 'none') {
    throw new Refused(401, 'invalid_client')
  }
  return id
}

async function issue(row: TokenRow, spend: (now: number) => unknown, event: string): Promise<Reply> {
  const now = clock()
  const refreshToken = newSecret('floor_rt_')
  const { subject, client, scope, grant_id: grantId } = row
  const accessToken = mint(
    { iss: issuer, sub: subject, client_id: client, scope, tsid: `ts_${grantId}` },
    now,
  )
  await commit(() => {
    if (!spend(now)) throw new Refused(400, 'invalid_grant')
    store.saveRefreshToken.run(sha256(refreshToken), grantId, now + 2_592_000)
    audit(event, client, { subject, client })
  })
  return json({
    access_token: accessToken,
    token_type: 'Bearer',
    expires_in: accessLifetime,
    refresh_token: refreshToken,
    scope,
  })
}

const grants: Record<string, (form: URLSearchParams, request: IncomingMessage) => Promise<Reply>> = {
  async refresh_token(form) {
    const client = clientOf(form)
    const hash = sha256(form.get('refresh_token') ?? '')
    const row = store.refreshToken.get(hash, clock())
    if (row?.client !== client || form.get('resource') !== resourceUri)
      throw new Refused(400, 'invalid_grant')
    return await issue(row, (now) => store.spendRefreshToken.get(now, hash), 'token.refreshed')
  },

  async authorization_code(form) {
    const client = clientOf(form)
    const hash = sha256(form.get('code') ?? '')
    const row = store.code.get(hash, clock())
    const isTheirs =
      row?.client === client &&
      form.get('redirect_uri') === row.redirect_uri &&
      form.get('resource') === resourceUri &&
      isSecret(form.get('code_verifier') ?? '', Buffer.from(row.challenge, 'base64url'))
    if (!isTheirs) throw new Refused(400, 'invalid_grant')
    return await issue(row, (now) => store.spendCode.get(now, hash), 'token.issued')
  },

  async 'urn:ietf:params:oauth:grant-type:token-exchange'(form, request) {
    const by = asking(request)
    const claims = liveClaims(form.get('subject_token') ?? '', by.resource)
    if (!claims) throw new Refused(400, 'invalid_grant')
    return await release(claims.tsid, by)
  },
}

const liveClaims = (token: string, audience: string) => claimsOf(token, issuer, audience, clock())

function introspected(token: string, { resource }: { resource: string }) {
  const claims = liveClaims(token, resource)
  const isLive = claims !== undefined && store.session.get(claims.tsid, resource, clock()) !== undefined
  return isLive ? { active: true, ...(claims satisfies Claims), token_type: 'Bearer' } : { active: false }
}

async function register(body: string): Promise<Reply> {
  const metadata = JSON.parse(body)
  for (const uri of metadata.redirect_uris)
    if (!URL.canParse(uri)) throw new Refused(400, 'invalid_redirect_uri')
  const id = `client_${randomBytes(16).toString('base64url')}`
  await commit(() => {
    store.saveClient.run(id, JSON.stringify(metadata))
    audit('client.registered', id, { client: id })
  })
  return { status: 201, ...json({ client_id: id, client_id_issued_at: clock(), ...metadata }) }
}

async function authorize({ searchParams: query }: URL): Promise<Reply> {
  const client = query.get('client_id') ?? ''
  const row = store.client.get(client)
  const isRight =
    row !== undefined &&
    JSON.parse(row.metadata).redirect_uris.includes(query.get('redirect_uri')) &&
    query.get('response_type') === 'code' &&
    query.get('code_challenge_method') === 'S256' &&
    query.get('resource') === resourceUri
  if (!isRight) throw new Refused(400, 'invalid_request')
  const id = `int_${randomBytes(16).toString('base64url')}`
  const browser = newSecret()
  const asked = JSON.stringify(Object.fromEntries(query))
  await commit(() => store.saveInteraction.run(id, sha256(browser), client, asked, clock() + 600))
  const headers = {
    location: `${issuer}/interactions/${id}`,
    'set-cookie': `browser=${browser}; HttpOnly; Path=/`,
  }
  return { status: 303, headers, body: '' }
}

const paths = {
  token: '/token',
  introspection: '/introspect',
  registration: '/register',
  authorization: '/authorize',
  jwks: '/jwks',
  metadata: '/.well-known/oauth-authorization-server',
  sessions: '/v1/token-sessions',
}

const handlers: Record<string, Handler> = {
  [`POST ${paths.token}`]: async (request, _url, body) => {
    const form = new URLSearchParams(body)
    const grant = grants[form.get('grant_type') ?? '']
    if (!grant) throw new Refused(400, 'unsupported_grant_type')
    return await grant(form, request)
  },
  [`POST ${paths.introspection}`]: (request, _url, body) =>
    json(introspected(new URLSearchParams(body).get('token') ?? '', asking(request))),
  [`POST ${paths.registration}`]: (_request, _url, body) => register(body),
  [`GET ${paths.authorization}`]: (_request, url) => authorize(url),
  [`GET ${paths.jwks}`]: () => ({ body: jwks }),
  [`GET ${paths.metadata}`]: () => ({ body: metadata }),
}

async function answer(request: IncomingMessage, body: string): Promise<Reply> {
  const url = new URL(request.url ?? '', 'http://floor')
  const [, tsid] = /^\/v1\/token-sessions\/([\w-]+)\/tokens\/github$/.exec(url.pathname) ?? []
  if (tsid !== undefined) return await release(tsid, asking(request))
  const handler = handlers[`${request.method} ${url.pathname}`]
  if (!handler) throw new Refused(404, 'not_found')
  return await handler(request, url, body)
}

async function respond(request: IncomingMessage, response: ServerResponse, body: string): Promise<void> {
  const reply = await answer(request, body).catch((error) => ({
    ...json({ error: error instanceof Refused ? error.message : 'server_error' }),
    status: error instanceof Refused ? error.status : 500,
  }))
  const { status = 200, headers } = reply
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(reply.body),
    ...headers,
  })
  response.end(reply.body)
}

const server = createServer({ keepAliveTimeout: 72_000 }, (request, response) => {
  if (request.method === 'GET') return void respond(request, response, '')
  let body = ''
  request.setEncoding('utf8')
  request.on('data', (chunk) => {
    body += chunk
  })
  request.on('end', () => void respond(request, response, body))
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const { port } = server.address() as AddressInfo
const issuer = `http://127.0.0.1:${port}`
const jwks = Buffer.from(JSON.stringify({ keys: [publicJwk] }))
const metadata = Buffer.from(
  JSON.stringify({
    issuer,
    authorization_endpoint: issuer + paths.authorization,
    token_endpoint: issuer + paths.token,
    registration_endpoint: issuer + paths.registration,
    introspection_endpoint: issuer + paths.introspection,
    jwks_uri: issuer + paths.jwks,
    scopes_supported: [resourceScope],
    response_types_supported: ['code'],
    grant_types_supported: Object.keys(grants),
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: ['none', 'client_secret_basic'],
  }),
)
fillWhenTold(fill)

function fill({ sessions, refreshTokens, codes }: Amounts): Seed {
  const clientId = `client_${randomBytes(16).toString('base64url')}`
  const credential = { id: 'resource_bench', secret: newSecret() }
  const now = clock()
  const grant = (upstreamToken?: string) => {
    const id = randomBytes(16).toString('base64url')
    const subject = randomBytes(16).toString('base64url')
    const sealed = upstreamToken === undefined ? null : seal(upstreamToken, id)
    store.saveGrant.run(id, `ts_${id}`, subject, clientId, resourceUri, resourceScope, now + 86_400, sealed)
    return { id, subject }
  }
  return store.connection.transaction((): Seed => {
    const about = { redirect_uris: [clientRedirect], token_endpoint_auth_method: 'none' }
    store.saveClient.run(clientId, JSON.stringify(about))
    store.saveCredential.run(credential.id, digest(credential.secret), resourceUri)
    const open = Array.from({ length: sessions }, () => {
      const upstreamToken = newUpstreamToken()
      const { id, subject } = grant(upstreamToken)
      const tsid = `ts_${id}`
      const about = { iss: issuer, sub: subject, client_id: clientId, scope: resourceScope, tsid }
      return { tsid, accessToken: mint(about, now), upstreamToken }
    })
    return {
      port,
      paths,
      clientId,
      redirectUri: clientRedirect,
      resource: resourceUri,
      scope: resourceScope,
      provider: providerId,
      credential,
      pkce,
      sessions: open,
      introspected: open.map(({ accessToken }) => accessToken),
      refreshTokens: Array.from({ length: refreshTokens }, () => {
        const token = newSecret('floor_rt_')
        store.saveRefreshToken.run(sha256(token), grant().id, now + 2_592_000)
        return token
      }),
      codes: Array.from({ length: codes }, () => {
        const code = newSecret('floor_code_')
        store.saveCode.run(sha256(code), grant().id, clientRedirect, pkce.challenge, now + 600)
        return code
      }),
      leadsOn: { status: 303, header: '/interactions/' },
    }
  })()
}
