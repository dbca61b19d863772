import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runs } from '../support/database.ts'
import { accessTokenType, exchangeGrant, upstreamTokenType } from '../support/faces.ts'
import { type Notes, startNotes } from '../support/notes.ts'
import { type RawAnswer, type RawRequest, sendRaw } from '../support/raw.ts'
import { basic, newBrowser, postToken, signIn, type Tokens } from '../support/world.ts'

// The whole surface at once: who gets past a door that is not theirs, what the doors say of themselves, and that
// nothing anybody sends is ever a fault of ours or comes back to where others could read it.

let notes: Notes
let tokens: Tokens
let tsid: string
let registrationToken: string
let cookie: string

beforeAll(async () => {
  notes = await startNotes()
  const browser = newBrowser()
  const session = await signIn(notes, { browser })
  tokens = session.tokens
  tsid = session.tsid
  const url = new URL(`${notes.gateway.issuer}/oauth/authorize`)
  cookie = browser.cookies.header({ url, method: 'GET', crossSite: false }) ?? ''
  const registered = await fetch(`${notes.gateway.issuer}/oauth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"redirect_uris":["http://127.0.0.1/cb"]}',
  })
  registrationToken = ((await registered.json()) as { registration_access_token: string })
    .registration_access_token
})
afterAll(() => notes.stop())

const send = (request: RawRequest) => sendRaw(notes.gateway.issuer, request)

/** More would be told to stop, as an address that guesses. */
async function slowly<Item>(items: readonly Item[], ask: (item: Item) => Promise<void>): Promise<void> {
  for (const [index, item] of items.entries()) {
    if (index % 25 === 24) notes.clock.advance(61)
    await ask(item)
  }
  notes.clock.advance(61)
}

function expectNothing(
  { status, body, headers }: RawAnswer,
  statuses: readonly number[],
  what: string,
): void {
  expect(statuses, `${what}: ${body}`).toContain(status)
  expect(body, what).not.toMatch(/gho_|"items"|"active":true|client_secret|access_token"/)
  expect(headers.location, what).toBeUndefined()
}

describe('a credential that is good for something else', () => {
  const names = [
    'none',
    'an access token',
    'a refresh token',
    'a registration token',
    'a resource’s credential',
    'a resource’s secret',
    'a tsid',
    'a disabled administrator',
    'a cookie of somebody who is signed in',
    'the token in the query',
    'the token in a cookie',
    'the token in a header of its own',
  ] as const

  async function credentialOf(name: (typeof names)[number]): Promise<{ headers: string[]; query?: string }> {
    const { adminToken, issuer } = notes.gateway
    const bearer = (token: string) => ({ headers: [`authorization: Bearer ${token}`] })
    switch (name) {
      case 'none':
        return { headers: [] }
      case 'an access token':
        return bearer(tokens.access_token)
      case 'a refresh token':
        return bearer(tokens.refresh_token)
      case 'a registration token':
        return bearer(registrationToken)
      case 'a resource’s credential':
        return { headers: [`authorization: ${basic(notes.credential)}`] }
      case 'a resource’s secret':
        return bearer(notes.credential.secret)
      case 'a tsid':
        return bearer(tsid)
      case 'a disabled administrator': {
        const password = 'correct horse battery staple'
        await notes.gateway.admin('POST', '/administrators', { name: 'gone', role: 'write', password })
        await notes.gateway.admin('PATCH', '/administrators/gone', { enabled: false })
        return { headers: [`authorization: ${basic({ id: 'gone', secret: password })}`] }
      }
      case 'a cookie of somebody who is signed in':
        return { headers: [`cookie: ${cookie}`, `origin: ${issuer}`, 'sec-fetch-site: same-origin'] }
      case 'the token in the query':
        return { headers: [], query: `?access_token=${adminToken}&token=${adminToken}` }
      case 'the token in a cookie':
        return { headers: [`cookie: authorization=Bearer ${adminToken}; token=${adminToken}`] }
      case 'the token in a header of its own':
        return { headers: [`x-api-key: ${adminToken}`, `x-forwarded-authorization: Bearer ${adminToken}`] }
    }
  }

  test.each(names)('opens nothing of the admin API: %s', async (name) => {
    const { headers, query = '' } = await credentialOf(name)
    const paths = [
      'providers',
      'providers/github',
      'providers/github/check',
      'resources',
      'resources/notes/credentials',
      'clients',
      'subjects',
      'token-sessions',
      'connections',
      'audit-events',
      'signing-keys/rotate',
      'administrators',
      'registration-tokens',
      'openapi.json',
      'nothing',
    ]
    const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE']
    const all = paths.flatMap((path) =>
      methods.map((method) => ({ method, path: `/admin/v1/${path}${query}` })),
    )
    await slowly(all, async (request) => {
      expectNothing(await send({ ...request, headers }), [401], `${request.method} ${request.path}`)
    })
    expect(await notes.gateway.admin('GET', '/providers/github')).toMatchObject({ enabled: true })
  })

  test('a client, with everything it has, is given no upstream token', async () => {
    const trips = notes.github.log().length
    const path = `/v1/token-sessions/${tsid}/tokens/github`
    for (const authorization of [
      `Bearer ${tokens.access_token}`,
      `Bearer ${tokens.refresh_token}`,
      basic({ id: notes.clientId, secret: '' }),
      basic({ id: notes.clientId, secret: tokens.access_token }),
      basic({ id: tsid, secret: tokens.access_token }),
    ]) {
      const user = `coatcheck-user-token: ${tokens.access_token}`
      const answer = await send({ path, headers: [`authorization: ${authorization}`, user] })
      expectNothing(answer, [401], authorization.slice(0, 8))
    }
    const exchange = {
      grant_type: exchangeGrant,
      subject_token: tokens.access_token,
      subject_token_type: accessTokenType,
      requested_token_type: upstreamTokenType,
      provider: 'github',
    }
    const asClient = await postToken(notes, { ...exchange, client_id: notes.clientId })
    expect([asClient.status, await asClient.json()]).toMatchObject([400, { error: 'unauthorized_client' }])
    const asNobody = await postToken(notes, exchange, { authorization: `Bearer ${tokens.access_token}` })
    expect([asNobody.status, await asNobody.json()]).toMatchObject([401, { error: 'invalid_client' }])
    expect(notes.github.log()).toHaveLength(trips)
  })
})

describe('an odd spelling of an address is no way past its guard', () => {
  const guarded = [
    ['the admin API', 'GET', () => '/admin/v1/providers'],
    ['a token session', 'GET', () => `/v1/token-sessions/${tsid}`],
    ['retrieval', 'GET', () => `/v1/token-sessions/${tsid}/tokens/github`],
    ['connecting', 'POST', () => `/v1/token-sessions/${tsid}/connect/github`],
    ['introspection', 'POST', () => '/oauth/introspect'],
    ['a registration', 'GET', () => `/oauth/register/${notes.clientId}`],
  ] as const

  const spellings: ((path: string) => string)[] = [
    (path) => `/${path}`,
    (path) => `//${path}`,
    (path) => path.replaceAll('/', '//'),
    (path) => `/.${path}`,
    (path) => `/x/..${path}`,
    (path) => `/healthz/..${path}`,
    (path) => `/healthz/..%2f${path.slice(1)}`,
    (path) => `/healthz/%2e%2e${path}`,
    (path) => `/healthz;${path}`,
    (path) => `/.well-known/..;${path}`,
    (path) => `${path}/`,
    (path) => `${path}//`,
    (path) => `${path}/.`,
    (path) => `${path}/x/..`,
    (path) => `${path};x`,
    (path) => `${path};/../healthz`,
    (path) => `${path}%20`,
    (path) => `${path}%2f`,
    (path) => `${path}%3fx`,
    (path) => `${path}.json`,
    (path) => `${path}?x`,
    (path) => `${path}#/healthz`,
    (path) => `${path}?/healthz`,
    (path) => path.toUpperCase(),
    (path) => path.replace(/[a-z]/, (letter) => letter.toUpperCase()),
    (path) => path.replace(/[a-z]/, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
    (path) => path.replace(/[a-z]/, (letter) => `%25${letter.charCodeAt(0).toString(16)}`),
    (path) => path.replace('/', '/%2f'),
    (path) => path.replaceAll('/', '\\'),
    (path) => `/\\${path}`,
    (path) => path.replaceAll('/', '%2f'),
    (path) => path.replaceAll('/', '%5c'),
    (path) => path.replaceAll('o', '%ef%bd%8f'),
    (path) => `http://localhost${path}`,
    (path) => `http://localhost/healthz?${path}`,
    (path) => `//localhost${path}`,
  ]

  test.each(guarded)('%s', async (_what, method, path) => {
    for (const headers of [
      [],
      [`cookie: ${cookie}`, 'x-original-url: /healthz', 'x-forwarded-user: admin'],
    ]) {
      await slowly(spellings, async (spell) => {
        const request = { method, path: spell(path()), headers: [...headers, 'content-length: 0'] }
        if (request.path.startsWith('http://localhost/healthz?')) return
        expectNothing(await send(request), [400, 401, 404, 405, 415], request.path)
      })
    }
  })
})

const openPaths = [
  '/.well-known/oauth-authorization-server',
  '/.well-known/openid-configuration',
  '/.well-known/jwks.json',
  '/oauth/token',
  '/oauth/register',
  '/oauth/register/client_x',
  '/oauth/revoke',
]

test('other origins read what is open to everybody, never with their cookies, and nothing else', async () => {
  const closed = [
    '/oauth/authorize',
    '/oauth/interactions/x',
    '/oauth/callback/github',
    '/connect/x',
    '/oauth/introspect',
    `/v1/token-sessions/${tsid}`,
    '/admin/v1/providers',
    '/healthz',
    '/nothing',
  ]
  for (const path of [...openPaths, ...closed]) {
    for (const method of ['GET', 'POST', 'OPTIONS']) {
      for (const from of ['https://evil.test', 'null', notes.gateway.issuer]) {
        const asks = ['access-control-request-method: POST', 'access-control-request-headers: authorization']
        const { headers } = await send({
          method,
          path,
          headers: [`origin: ${from}`, `cookie: ${cookie}`, 'content-length: 0', ...asks],
        })
        const origin = headers['access-control-allow-origin']
        expect([path, method, origin]).toEqual([path, method, openPaths.includes(path) ? '*' : undefined])
        expect(headers['access-control-allow-credentials'], path).toBeUndefined()
      }
    }
  }
  notes.clock.advance(61)
})

describe('the metadata', () => {
  const read = async () =>
    JSON.parse((await send({ path: openPaths[0] ?? '' })).body) as Record<string, string | string[] | boolean>

  test('says exactly what there is, and nothing empty', async () => {
    const { issuer } = notes.gateway
    const methods = ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt']
    const metadata = await read()
    const algorithms = metadata.token_endpoint_auth_signing_alg_values_supported
    expect(algorithms).toEqual(expect.arrayContaining(['ES256', 'RS256']))
    expect(String(algorithms)).not.toMatch(/none|HS/i)
    expect(metadata).toEqual({
      issuer,
      authorization_endpoint: `${issuer}/oauth/authorize`,
      token_endpoint: `${issuer}/oauth/token`,
      registration_endpoint: `${issuer}/oauth/register`,
      revocation_endpoint: `${issuer}/oauth/revoke`,
      introspection_endpoint: `${issuer}/oauth/introspect`,
      jwks_uri: `${issuer}/.well-known/jwks.json`,
      scopes_supported: ['notes.read', 'notes.write', 'offline_access'],
      response_types_supported: ['code'],
      response_modes_supported: ['query'],
      grant_types_supported: ['authorization_code', 'refresh_token', exchangeGrant],
      code_challenge_methods_supported: ['S256'],
      token_endpoint_auth_methods_supported: methods,
      token_endpoint_auth_signing_alg_values_supported: algorithms,
      revocation_endpoint_auth_methods_supported: methods,
      revocation_endpoint_auth_signing_alg_values_supported: algorithms,
      introspection_endpoint_auth_methods_supported: ['client_secret_basic', 'private_key_jwt'],
      introspection_endpoint_auth_signing_alg_values_supported: algorithms,
      client_id_metadata_document_supported: true,
      authorization_response_iss_parameter_supported: true,
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256'],
    })
  })

  test('names addresses that are there, and that no shell or page could take for more', async () => {
    const named = Object.entries(await read()).filter(([name]) => /_(endpoint|uri)$/.test(name))
    expect(named).toHaveLength(6)
    for (const [name, url] of named) {
      expect(String(url), name).toMatch(/^http:\/\/localhost:\d+\/[a-z./_-]+$/)
      const { status } = await fetch(String(url), { redirect: 'manual' })
      expect([name, [200, 400, 405].includes(status)]).toEqual([name, true])
    }
  })

  test('tells the truth about grant types', async () => {
    const { grant_types_supported: named } = await read()
    const others = [
      'password',
      'client_credentials',
      'implicit',
      'urn:ietf:params:oauth:grant-type:device_code',
    ]
    for (const type of [...(named as string[]), ...others]) {
      const response = await postToken(notes, { grant_type: type, client_id: notes.clientId })
      const { error } = (await response.json()) as { error: string }
      expect([type, error !== 'unsupported_grant_type']).toEqual([type, named?.toString().includes(type)])
    }
  })
})

describe('whatever is sent', () => {
  /** In everything that a caller would keep to itself. */
  const canary = 'canary-5f1c0b7e9d'
  const before = () => notes.gateway.logs().length

  const endpoints: readonly (readonly [method: string, path: string])[] = [
    ['GET', '/.well-known/oauth-authorization-server'],
    ['GET', '/.well-known/jwks.json'],
    ['GET', '/oauth/authorize'],
    ['POST', '/oauth/authorize'],
    ['GET', '/oauth/interactions/int_x'],
    ['POST', '/oauth/interactions/int_x'],
    ['GET', '/oauth/callback/github'],
    ['GET', '/connect/cc_link_x'],
    ['POST', '/connect/cc_link_x'],
    ['POST', '/oauth/token'],
    ['POST', '/oauth/revoke'],
    ['POST', '/oauth/introspect'],
    ['POST', '/oauth/register'],
    ['PUT', '/oauth/register/client_x'],
    ['GET', '/v1/token-sessions/TSID'],
    ['GET', '/v1/token-sessions/TSID/tokens/github'],
    ['POST', '/v1/token-sessions/TSID/connect/github'],
    ['GET', '/v1/token-sessions/TSID/connect/cc_link_x'],
    ['GET', '/admin/v1/clients'],
    ['POST', '/admin/v1/clients'],
    ['PUT', '/admin/v1/providers/other'],
    ['PUT', '/admin/v1/resources/other'],
    ['PATCH', '/admin/v1/subjects/sub_x'],
    ['POST', '/admin/v1/administrators'],
    ['GET', '/admin/v1/audit-events'],
    ['GET', '/healthz'],
  ]

  const names = fc.constantFrom(
    ...['grant_type', 'client_id', 'client_secret', 'code', 'code_verifier', 'refresh_token', 'token'],
    ...['subject_token', 'client_assertion', 'client_assertion_type', 'resource', 'scope', 'redirect_uri'],
    ...['state', 'code_challenge', 'code_challenge_method', 'response_type', 'prompt', 'decision', 'shown'],
    ...['limit', 'cursor', 'wait', 'provider', 'account', 'rejected', 'min_ttl', 'error', 'iss', '__proto__'],
  )
  const noise = fc.oneof(
    fc.constantFrom('', '%', '%00', '%zz', '%ff', '%ed%a0%80', '+', ';', '__proto__', '../..', "' or 1=1--"),
    fc.string({ unit: 'binary', maxLength: 20 }).map((text) => encodeURIComponent(text.toWellFormed())),
    fc.stringMatching(/^[ -~]{0,30}$/).map((text) => text.replaceAll(' ', '+').replaceAll('#', '%23')),
    fc.constant('a'.repeat(3_000)),
  )
  const secret = fc.constantFrom(
    canary,
    `%63${canary}`,
    `${canary}%00`,
    `cc_rt_${canary}`,
    `${canary}.${canary}.x`,
  )
  const kept = new Set([
    ...[
      'client_secret',
      'code',
      'code_verifier',
      'refresh_token',
      'token',
      'subject_token',
      'client_assertion',
    ],
  ])
  const pairs = fc
    .array(fc.tuple(names, noise, secret), { maxLength: 8 })
    .map((all) => all.map(([name, value, hidden]) => `${name}=${kept.has(name) ? hidden : value}`).join('&'))
  const json = fc.oneof(
    fc.json({ maxDepth: 3 }),
    fc
      .array(fc.tuple(names, fc.jsonValue({ maxDepth: 2 }), secret), { maxLength: 6 })
      .map((all) =>
        all.map(([name, value, hidden]) => `"${name}":${JSON.stringify(kept.has(name) ? hidden : value)}`),
      )
      .map((members) => `{${members.join(',')}}`),
    fc.constantFrom('{', '[]', 'null', '5', '"x"', '\ufeff{}', '{"a":1,"a":2}', '{"__proto__":{}}', '[[[[['),
  )
  const segment = fc.constantFrom(
    '',
    '',
    '',
    '',
    '/',
    '/..',
    '%00',
    '%zz',
    ';x',
    '%2f',
    '//',
    `/${'a'.repeat(300)}`,
  )
  const credential = fc.constantFrom(
    ...[
      '',
      'x',
      'Basic',
      `Basic ${canary}`,
      `Bearer ${canary}`,
      `bearer ${canary} ${canary}`,
      `DPoP ${canary}`,
    ],
    `Basic ${Buffer.from(`${canary}:${canary}`).toString('base64')}`,
    `Basic ${Buffer.from(`resource_x:${canary}`).toString('base64')}`,
    `Bearer ${'a'.repeat(9_000)}`,
  )
  const type = fc.constantFrom(
    ...['application/json', 'application/json', 'application/x-www-form-urlencoded'],
    ...['application/x-www-form-urlencoded', 'text/plain', 'application/json; charset=utf-7', '', ';', 'a/b'],
  )
  const extra = fc.constantFrom(
    ...['x: y', `cookie: coatcheck-session=${canary}; coatcheck-browser-a=cc_browser_${canary}`],
    ...[
      `coatcheck-user-token: ${canary}`,
      'origin: null',
      'sec-fetch-site: cross-site',
      'content-encoding: gzip',
    ],
    ...[
      'host: evil.test',
      'expect: 100-continue',
      'transfer-encoding: gzip',
      'x-forwarded-for: 1',
      'range: bytes=0-1',
    ],
  )

  test('is never a fault of ours, and no secret in it is told to anybody or written down', async () => {
    const from = before()
    const anything = fc.record({
      endpoint: fc.constantFrom(...endpoints),
      method: fc.constantFrom(
        undefined,
        undefined,
        undefined,
        'GET',
        'POST',
        'PUT',
        'DELETE',
        'HEAD',
        'OPTIONS',
      ),
      more: segment,
      query: pairs,
      authorization: fc.constantFrom('right', 'right', 'wrong', 'none'),
      wrong: credential,
      type,
      extra: fc.array(extra, { maxLength: 2 }),
      body: fc.oneof(
        pairs,
        json,
        fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
      ),
    })
    await fc.assert(
      fc.asyncProperty(anything, async (sent) => {
        const [method, path] = sent.endpoint
        const isAdmin = path.startsWith('/admin/')
        const right = isAdmin ? `Bearer ${notes.gateway.adminToken}` : basic(notes.credential)
        const authorization = { right, wrong: sent.wrong, none: undefined }[sent.authorization]
        const answer = await send({
          method: sent.method ?? method,
          path: `${path.replace('TSID', tsid)}${sent.more}?${sent.query}`,
          headers: [
            ...(authorization === undefined ? [] : [`authorization: ${authorization}`]),
            `content-type: ${sent.type}`,
            ...sent.extra,
          ],
          body: sent.body,
        })
        const what = `${answer.status} ${answer.body}`
        expect(answer.status, what).toBeLessThan(500)
        expect(answer.headers['x-content-type-options'], what).toBe('nosniff')
        // A form that was posted to the authorization endpoint comes again as a query, every parameter as it was.
        const { location, ...headers } = answer.headers
        const isPassedOn = path === '/oauth/authorize' && answer.status === 303
        const told = [answer.body, JSON.stringify(headers), isPassedOn ? '' : location].join('\n')
        for (const hidden of [canary, notes.gateway.adminToken, notes.credential.secret]) {
          expect(told, what).not.toContain(hidden)
        }
        notes.clock.advance(3)
      }),
      { numRuns: runs(700) },
    )
    const written = notes.gateway.logs().slice(from)
    expect(written).not.toContain(canary)
    expect(written).not.toContain('"level":50')
  }, 60_000)
})
