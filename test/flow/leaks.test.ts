import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { auditEvent } from '../../src/audit/event.ts'
import type { Browser } from '../support/browser.ts'
import { createTestClock, startTestGateway, type TestClock, type TestGateway } from '../support/gateway.ts'
import { findLeaks } from '../support/leak-scan.ts'
import { callbackOf } from '../support/page.ts'
import { startUpstream, type TestUpstream, type UpstreamKind } from '../support/upstreams.ts'
import {
  authorizeUrl,
  basic,
  createCredential,
  newBrowser,
  newPkce,
  postToken,
  type ResourceCredential,
  redirectUri,
  retrieve,
  type Tokens,
  tsidOf,
} from '../support/world.ts'

// Promise 9: nothing secret is in the database, the logs, the audit log, metrics, pages, errors or admin answers.

const kinds: UpstreamKind[] = ['github', 'google', 'atlassian', 'oidc']

let gateway: TestGateway
let clock: TestClock
/** Every secret that was seen, and what it is. */
const secrets = new Map<string | Uint8Array, string>()
/** What may be stored, but not told: handles of token sessions, and what clients send along. */
const confidential = new Map<string, string>()
/** What people and administrators were shown. */
const shown: Record<string, string> = {}

const secret = (what: string, value: unknown) => {
  const text = String(value)
  if (text.length < 12) throw new Error(`${what} is too short to be looked for: ${text}`)
  if (!secrets.has(text)) secrets.set(text, what)
  return text
}
const canary = (what: string) => secret(what, `canary-${randomBytes(24).toString('base64url')}`)

beforeAll(async () => {
  clock = createTestClock()
  gateway = await startTestGateway({ clock, env: () => ({ COATCHECK_METRICS_PORT: '0' }) })
  secrets.set(gateway.masterKey, 'the master key')
  secret('the administrator’s token', gateway.adminToken)
})
afterAll(() => gateway.stop())

/** A call of the admin API whose answer must tell nothing. */
async function admin(method: 'GET' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown) {
  const response = await fetch(`${gateway.issuer}/admin/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${gateway.adminToken}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  shown[`${method} ${path} (${Object.keys(shown).length})`] = text
  return { status: response.status, json: JSON.parse(text) as { items: { id: string }[] } }
}

type Client = { id: string; secret?: string }

async function register(metadata: Record<string, unknown>): Promise<Client> {
  const response = await fetch(`${gateway.issuer}/oauth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'A client',
      redirect_uris: ['http://127.0.0.1/callback'],
      ...metadata,
    }),
  })
  const { client_id: id, client_secret } = (await response.json()) as Record<string, string>
  return {
    id: String(id),
    ...(client_secret === undefined ? {} : { secret: secret('a client secret', client_secret) }),
  }
}

type Setting = {
  kind: UpstreamKind
  upstream: TestUpstream
  credential: ResourceCredential
  uri: string
  client: Client
}

async function setUp(kind: UpstreamKind): Promise<Setting> {
  const upstream = await startUpstream(kind, { issuer: gateway.issuer, clock: clock.now })
  secret('our secret at the provider', upstream.definition.client_secret)
  upstream.approveAs('ada')
  await admin('PUT', `/providers/${kind}`, upstream.definition)
  const uri = `https://${kind}.test/mcp`
  await admin('PUT', `/resources/${kind}`, {
    resource: uri,
    name: kind,
    scopes: { 'notes.read': 'Read your notes' },
    default_scopes: ['notes.read'],
    providers: [{ provider: kind, scopes: [upstream.scope] }],
  })
  const credential = await createCredential(gateway, kind)
  secret('a resource credential', credential.secret)
  const client = await register({
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: ['authorization_code', 'refresh_token'],
  })
  return { kind, upstream, credential, uri, client }
}

const asClient = ({ id, secret: password = '' }: Client) => ({
  authorization: basic({ id, secret: password }),
})

/** To the end of an authorization, every secret on the way noted. */
async function walk(setting: Setting, browser: Browser, presses = ['allow']) {
  const { verifier, challenge } = newPkce()
  secret('a code verifier', verifier)
  const state = `client-state-${randomBytes(18).toString('base64url')}`
  confidential.set(state, 'a client’s state')
  const url = authorizeUrl({ gateway, clientId: setting.client.id }, challenge, {
    resource: setting.uri,
    state,
  })
  const stop = await browser.walk(url, presses)
  if (!stop.left) shown[`page ${Object.keys(shown).length}`] = stop.html
  for (const { name, value } of browser.cookies.list()) {
    if (name.startsWith('coatcheck')) secret(`the cookie ${name}`, value)
  }
  const answer = stop.left ? callbackOf(stop) : {}
  if (answer.code !== undefined) secret('an authorization code', answer.code)
  return { stop, answer, verifier }
}

async function note(response: Response): Promise<Tokens> {
  const tokens = (await response.json()) as Tokens
  expect(response.status).toBe(200)
  secret('an access token', tokens.access_token)
  secret('a refresh token', tokens.refresh_token)
  confidential.set(tsidOf(tokens), 'a tsid')
  return tokens
}

async function signIn(setting: Setting, browser = newBrowser()) {
  const { answer, verifier } = await walk(setting, browser)
  const code = answer.code ?? ''
  const form = { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: redirectUri }
  const redeem = () => postToken({ gateway }, form, asClient(setting.client))
  return { tokens: await note(await redeem()), redeem, browser }
}

const renew = (setting: Setting, token: string) =>
  postToken({ gateway }, { grant_type: 'refresh_token', refresh_token: token }, asClient(setting.client))

const fetchToken = (setting: Setting, tsid: string, query: Record<string, string> = {}) =>
  retrieve({ gateway, credential: setting.credential, provider: setting.kind }, tsid, { query })

/** Everything a provider was sent or ever handed out. */
function noteUpstream({ upstream, kind }: Setting): void {
  for (const value of upstream.issued()) secret(`what ${kind} issued`, value)
  for (const { query, body, headers } of upstream.calls('*')) {
    const sent = { ...query, ...body, authorization: headers.authorization }
    for (const name of ['state', 'nonce', 'code', 'code_verifier', 'refresh_token', 'authorization']) {
      const value = sent[name as keyof typeof sent]
      if (typeof value === 'string') secret(`${name} at ${kind}`, value.replace(/^\w+ /, ''))
    }
  }
}

const inDatabase = 'the database: '

/** Everything there is to be looked through, while the gateway runs. */
async function places(): Promise<Record<string, string | Uint8Array>> {
  const { store } = gateway.running().gateway
  const audit = await store.auditEvents.list({}, { limit: 10_000 })
  const stored = Object.entries(await gateway.database.contents()).map(([name, found]) => [
    `${inDatabase}${name}`,
    found,
  ])
  return {
    ...Object.fromEntries(stored),
    'the logs': gateway.logs(),
    'the audit log': JSON.stringify(audit.rows),
    'the metrics': await (await fetch(gateway.running().metricsUrl ?? '')).text(),
    ...shown,
  }
}

describe.each(kinds)('with %s', (kind) => {
  let setting: Setting
  beforeAll(async () => {
    setting = await setUp(kind)
  })
  afterAll(async () => {
    noteUpstream(setting)
    await setting.upstream.stop()
  })

  test('people sign in, tokens are refreshed on both sides, replayed and revoked', async () => {
    const { tokens, redeem } = await signIn(setting)
    const tsid = tsidOf(tokens)
    const first = await fetchToken(setting, tsid)
    expect(first.status).toBe(200)
    clock.advance(Number(first.body.expires_in) + 1)
    const renewed = await note(await renew(setting, tokens.refresh_token))
    await note(await renew(setting, tokens.refresh_token))
    expect((await fetchToken(setting, tsid)).status).toBe(200)
    // A token the provider refused is named by its hash.
    const rejected = 'A'.repeat(43)
    expect((await fetchToken(setting, tsid, { rejected })).status).toBe(200)
    expect((await redeem()).status).toBe(400)
    expect((await renew(setting, renewed.refresh_token)).status).toBe(400)

    const again = await signIn(setting)
    const revoked = await fetch(`${gateway.issuer}/oauth/revoke`, {
      method: 'POST',
      headers: asClient(setting.client),
      body: new URLSearchParams({ token: again.tokens.refresh_token }),
    })
    expect(revoked.status).toBe(200)
  })

  test('providers fail in every way, and what they say about it', async () => {
    const { upstream } = setting
    const on = upstream.tokenRoute
    const answers: { status: number; body: Record<string, unknown> | string }[] = [
      { status: 400, body: { error: 'invalid_grant', error_description: canary('an upstream description') } },
      { status: 401, body: { error: canary('an upstream error'), error_description: canary('more of it') } },
      { status: 500, body: `<h1>${canary('an upstream page')}</h1>` },
      {
        status: 200,
        body: { access_token: `${canary('a broken upstream token')}\u0000`, token_type: 'bearer' },
      },
      { status: 200, body: { access_token: canary('a strange token'), token_type: 'mac' } },
      { status: 200, body: canary('no JSON') },
    ]
    for (const answer of answers) {
      upstream.script({ on, effect: { kind: 'respond', ...answer } })
      const { stop } = await walk(setting, newBrowser())
      expect(stop.left && callbackOf(stop).code).toBeFalsy()
    }
    upstream.script({ on, effect: { kind: 'drop', when: 'after' } })
    await walk(setting, newBrowser())
    upstream.script({ on, effect: { kind: 'patch', json: { id_token: canary('a broken ID token') } } })
    await walk(setting, newBrowser())
    upstream.deny()
    expect((await walk(setting, newBrowser())).answer.error).toBe('access_denied')
    upstream.approveAs('ada')
  })

  test('a refresh fails, a connection dies, and a link heals it', async () => {
    const { upstream } = setting
    const { tokens, browser } = await signIn(setting)
    const tsid = tsidOf(tokens)
    const { body } = await fetchToken(setting, tsid)
    clock.advance(Number(body.expires_in) + 1)
    const renewed = await note(await renew(setting, tokens.refresh_token))
    const on = upstream.tokenRoute
    const outage = { error: 'server_error', error_description: canary('an upstream outage') }
    upstream.script({ on, effect: { kind: 'respond', status: 503, body: outage } })
    expect((await fetchToken(setting, tsid)).status).toBe(503)
    clock.advance(60)
    const death = {
      error: kind === 'github' ? 'bad_refresh_token' : 'invalid_grant',
      error_description: canary('an upstream obituary'),
    }
    upstream.script({ on, effect: { kind: 'respond', status: 400, body: death } })
    const dead = await fetchToken(setting, tsid)
    expect(dead.status).toBe(424)
    const url = String(dead.body.connect_url)
    secret('a ticket', url.slice(url.lastIndexOf('/') + 1))
    const page = await browser.get(url)
    const done = await browser.submit(page, { button: 'continue' })
    shown[`done page at ${kind}`] = done.html
    expect(done.text).toContain('can now work')
    expect((await fetchToken(setting, tsid)).status).toBe(200)
    await note(await renew(setting, renewed.refresh_token))
  })

  test('callers make mistakes with secrets in their hands', async () => {
    const { tokens } = await signIn(setting)
    const { answer, verifier } = await walk(setting, newBrowser())
    const code = answer.code ?? ''
    const { issuer } = gateway
    const wrong = canary('a wrong client secret')
    const everywhere = new URLSearchParams({ code, code_verifier: verifier, client_secret: wrong })
    const answers = await Promise.all([
      postToken(
        { gateway },
        { grant_type: 'authorization_code', code, code_verifier: wrong },
        asClient(setting.client),
      ),
      postToken({ gateway }, { grant_type: 'refresh_token', refresh_token: `${tokens.refresh_token}x` }),
      postToken({ gateway }, { grant_type: 'authorization_code', code }, { authorization: `Basic ${wrong}` }),
      postToken({ gateway }, { grant_type: code, client_id: wrong, scope: tokens.refresh_token }),
      fetch(`${issuer}/oauth/token?${everywhere}`, { method: 'POST', body: everywhere }),
      fetch(`${issuer}/oauth/token`, { method: 'POST', body: `{"code":"${code}","broken` }),
      fetch(`${issuer}/oauth/revoke`, {
        method: 'POST',
        body: `token=${tokens.refresh_token}&token=${code}`,
      }),
      fetch(`${issuer}/oauth/register`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ redirect_uris: [`javascript:${wrong}`], client_name: 7 }),
      }),
      fetch(`${issuer}/oauth/callback/${kind}?${new URLSearchParams({ code, state: wrong })}`),
      fetch(`${issuer}/oauth/callback/${wrong}?code=${code}&code=${code}`),
      fetch(`${issuer}/oauth/interactions/${wrong}`),
      fetch(`${issuer}/connect/cc_link_${wrong}`),
      fetch(`${issuer}/nothing/${tokens.refresh_token}?${everywhere}`),
      fetch(`${issuer}/oauth/authorize?${everywhere}&client_id=${wrong}`),
      fetch(`${issuer}/admin/v1/providers`, { headers: { authorization: `Bearer ${wrong}` } }),
      fetch(`${issuer}/v1/token-sessions/${wrong}/tokens/${kind}?rejected=${code}`, {
        headers: { authorization: basic(setting.credential) },
      }),
      fetch(`${issuer}/v1/token-sessions/${tsidOf(tokens)}/tokens/${kind}`, {
        headers: { authorization: basic({ ...setting.credential, secret: wrong }) },
      }),
    ])
    for (const [index, answer] of answers.entries()) {
      expect(answer.status).toBeGreaterThanOrEqual(400)
      shown[`what mistake ${index} with ${kind} is answered`] = await answer.text()
    }
    await fetchToken(setting, tsidOf(tokens), { account: code, min_ttl: verifier })
  })

  test('administrators change and remove things', async () => {
    const { upstream } = setting
    const rotated = canary('a new provider secret')
    await admin('PUT', `/providers/${kind}`, { ...upstream.definition, client_secret: rotated })
    await admin('PUT', `/providers/${kind}`, {
      ...upstream.definition,
      client_secret: [canary('a misplaced provider secret')],
    })
    await admin('PUT', `/providers/${kind}`, {
      ...upstream.definition,
      variables: { issuer: `https://user:${canary('a password in a URL')}@x.test` },
    })
    await admin('PUT', `/providers/${kind}`, upstream.definition)
    await gateway
      .admin<{ client_secret: string }>('POST', '/clients', {
        client_name: 'Registered',
        redirect_uris: ['https://app.test/callback'],
      })
      .then(({ client_secret }) => secret('a client secret', client_secret))
    const connections = await admin('GET', `/connections?provider=${kind}`)
    await admin('DELETE', `/connections/${connections.json.items[0]?.id}`)
    const people = await admin('GET', `/subjects?provider=${kind}`)
    await admin('PATCH', `/subjects/${people.json.items[0]?.id}`, { enabled: false })
    await admin('PATCH', `/subjects/${people.json.items[0]?.id}`, { enabled: true })
  })
})

test('then none of it is anywhere', async () => {
  const { store, sealer } = gateway.running().gateway
  for (const { kid, sealedPrivateJwk } of await store.signingKeys.list()) {
    const place = { table: 'signing_keys', row: kid, column: 'sealed_private_jwk' }
    secret('a signing key', JSON.parse(await sealer.open(sealedPrivateJwk, place)).d)
  }
  const lists = ['providers', 'resources', 'clients', 'subjects', 'token-sessions?state=any', 'connections']
  for (const list of [...lists, 'audit-events?limit=200', 'signing-keys']) await admin('GET', `/${list}`)
  for (const kind of kinds) {
    await admin('GET', `/providers/${kind}`)
    await admin('GET', `/resources/${kind}/credentials`)
  }

  const kindsOfSecret = new Set(secrets.values())
  expect(kindsOfSecret.size).toBeGreaterThan(40)
  expect(secrets.size).toBeGreaterThan(200)
  const everywhere = await places()
  expect(everywhere['the metrics']).toContain('coatcheck_sign_ins_total{provider="github"')
  expect(findLeaks(secrets, everywhere)).toEqual([])
  const told = Object.entries(everywhere).filter(([place]) => !place.startsWith(inDatabase))
  expect(findLeaks(confidential, Object.fromEntries(told))).toEqual([])
})

describe('the search', () => {
  test('finds what is planted in the audit log, in its row and in the database', async () => {
    const [token = ''] = [...secrets.keys()].filter((each) => String(each).startsWith('gho_'))
    const detail = { oops: Buffer.from(token).toString('base64') }
    const { store } = gateway.running().gateway
    await store.auditEvents.create(
      auditEvent(clock.now(), { event: 'token.issued', actor: 'gateway', detail }),
    )
    await admin('GET', '/audit-events?limit=5')
    const found = findLeaks(secrets, await places())
    expect(new Set(found.map(({ secret: what }) => what))).toEqual(new Set(['what github issued']))
    const where = found.map((leak) => leak.where)
    expect(where).toContain('the audit log')
    expect(where.some((place) => place.startsWith(inDatabase))).toBe(true)
    expect(where.some((place) => place.startsWith('GET /audit-events?limit=5'))).toBe(true)
  })

  test('finds what is planted in the logs', async () => {
    const found = findLeaks(secrets, { 'the logs': `${gateway.logs()} ${gateway.adminToken}` })
    expect(found.map(({ secret: what }) => what)).toContain('the administrator’s token')
  })
})
