import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Notes, startNotes } from '../support/notes.ts'
import { bytesOf, type RawAnswer, type RawRequest, sendBytes, sendRaw } from '../support/raw.ts'
import { authorizeUrl, basic, newBrowser, newPkce, refresh, signIn, type Tokens } from '../support/world.ts'

// What is refused of a message whatever it asks for: in the form errors have at that place, with nothing changed.

type Face = 'oauth' | 'retrieval' | 'admin' | 'pages'
type Target = {
  name: string
  face: Face
  path: string
  type: string
  /** What makes the request whole. */
  headers: string[]
  /** A body that would be taken, and change something. */
  body: string
}

const json = 'application/json'
const form = 'application/x-www-form-urlencoded'
const names = [
  'registration',
  'the admin API',
  'retrieval',
  'the token endpoint',
  'revocation',
  'introspection',
  'the consent page',
] as const

let notes: Notes
let tokens: Tokens
let tsid: string
const targets = {} as Record<(typeof names)[number], Target>

beforeAll(async () => {
  notes = await startNotes()
  const browser = newBrowser()
  const session = await signIn(notes, { browser })
  tokens = session.tokens
  tsid = session.tsid
  const consent = await browser.get(authorizeUrl(notes, newPkce().challenge))
  const shown = consent.forms[0]?.fields.find(({ name }) => name === 'shown')?.value ?? ''
  const url = new URL(consent.url)
  const cookie = browser.cookies.header({ url, method: 'POST', crossSite: false })
  const client = { client_id: notes.clientId }
  const metadata = { redirect_uris: ['http://127.0.0.1/cb'], token_endpoint_auth_method: 'none' }
  const resource = `authorization: ${basic(notes.credential)}`
  const made: Omit<Target, 'name'>[] = [
    { face: 'oauth', path: '/oauth/register', type: json, headers: [], body: JSON.stringify(metadata) },
    {
      face: 'admin',
      path: '/admin/v1/clients',
      type: json,
      headers: [`authorization: Bearer ${notes.gateway.adminToken}`],
      body: JSON.stringify(metadata),
    },
    {
      face: 'retrieval',
      path: `/v1/token-sessions/${tsid}/connect/github`,
      type: json,
      headers: [resource],
      body: '{"scope":"repo"}',
    },
    {
      face: 'oauth',
      path: '/oauth/token',
      type: form,
      headers: [],
      body: formOf({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token, ...client }),
    },
    {
      face: 'oauth',
      path: '/oauth/revoke',
      type: form,
      headers: [],
      body: formOf({ token: tokens.access_token, ...client }),
    },
    {
      face: 'oauth',
      path: '/oauth/introspect',
      type: form,
      headers: [resource],
      body: formOf({ token: tokens.access_token }),
    },
    {
      face: 'pages',
      path: url.pathname,
      type: form,
      headers: [`cookie: ${cookie}`, 'sec-fetch-site: same-origin'],
      body: formOf({ decision: 'allow', shown }),
    },
  ]
  for (const [index, name] of names.entries()) {
    const target = made[index]
    if (target) targets[name] = { name, ...target }
  }
})
afterAll(() => notes.stop())

const formOf = (fields: Record<string, string>) => String(new URLSearchParams(fields))
const origin = () => notes.gateway.issuer

/** What is told of limits every second, and changes without a request. */
const told = ['rate_levels', 'sign_in_places']

/** Everything else that is stored, as one digest. */
async function stored(): Promise<string> {
  const tables = Object.entries(await notes.gateway.database.everything())
  const everything = JSON.stringify(tables.filter(([name]) => !told.includes(name)))
  return createHash('sha256').update(everything).digest('hex')
}

const types: Record<Face, string> = {
  oauth: 'application/json',
  retrieval: 'application/json',
  admin: 'application/problem+json',
  pages: 'text/html',
}

/** An error as it looks there, that tells nothing of what was sent. */
function expectError(answer: RawAnswer, face: Face, statuses: readonly number[], what = ''): void {
  const { status, headers, body } = answer
  expect(statuses, `${what}: ${body}`).toContain(status)
  expect(headers['content-type'], what).toBe(`${types[face]}; charset=utf-8`)
  expect(headers['cache-control'], what).toBe('no-store')
  expect(headers['x-content-type-options'], what).toBe('nosniff')
  expect(Object.keys(headers), what).not.toEqual(expect.arrayContaining(['server', 'x-powered-by']))
  if (face !== 'pages' && body !== '') expect(JSON.parse(body), what).toMatchObject(shapes[face])
  if (face === 'pages' && body !== '') expect(body, what).toMatch(/^<!doctype html>/)
  for (const secret of [tokens.access_token, tokens.refresh_token, notes.gateway.adminToken, tsid]) {
    expect(body, what).not.toContain(secret)
  }
}

const shapes: Record<Exclude<Face, 'pages'>, Record<string, unknown>> = {
  oauth: { error: 'invalid_request', error_description: expect.any(String) },
  retrieval: { error: 'invalid_request', error_code: 'invalid_request', who_must_act: 'caller' },
  admin: {
    type: 'urn:coatcheck:problem:invalid_request',
    title: expect.any(String),
    code: 'invalid_request',
  },
}

const requestTo = ({ path, type, headers, body }: Target, more: Partial<RawRequest> = {}): RawRequest => ({
  method: 'POST',
  path,
  body,
  ...more,
  headers: more.headers ?? [`content-type: ${type}`, ...headers],
})

type Spoiled = [what: string, spoil: (target: Target) => Partial<RawRequest>, statuses: number[]]

const withHeaders =
  (...lines: string[]) =>
  ({ type, headers }: Target) => ({ headers: [`content-type: ${type}`, ...headers, ...lines] })
const withType =
  (write: (type: string) => string) =>
  ({ type, headers }: Target) => ({ headers: [`content-type: ${write(type)}`, ...headers] })
const other = (type: string) => (type === json ? form : json)

const spoiled: Spoiled[] = [
  ['a gzipped body', withHeaders('content-encoding: gzip'), [415]],
  ['a deflated body', withHeaders('Content-Encoding: DEFLATE'), [415]],
  ['a body encoded twice', withHeaders('content-encoding: identity, br'), [415]],
  [
    'a body encoded in two headers',
    withHeaders('content-encoding: identity', 'content-encoding: gzip'),
    [415],
  ],
  ['the charset utf-7', withType((type) => `${type}; charset=utf-7`), [415]],
  ['the charset utf-16, quoted', withType((type) => `${type};charset="UTF-16"`), [415]],
  ['a second charset', withType((type) => `${type}; charset=utf-8; charset=utf-7`), [415]],
  ['the type of another place', withType(other), [415]],
  ['plain text', withType(() => 'text/plain'), [415]],
  ['a multipart form', withType(() => 'multipart/form-data; boundary=x'), [415]],
  ['a type nobody knows', withType(() => 'x/y'), [415]],
  ['two types in one header', withType((type) => `${type}, text/plain`), [415]],
  ['a type that only begins so', withType((type) => `${type}x`), [415]],
  ['a type with more behind it', withType((type) => `${type} x`), [415]],
  ['an empty type', withType(() => ''), [415]],
  ['no type', ({ headers }) => ({ headers }), [415]],
  ['two content types', withHeaders('Content-Type: text/plain'), [400]],
  ['two credentials', withHeaders('authorization: Basic YTpi', 'AUTHORIZATION: Basic YTpi'), [400]],
  ['two hosts', withHeaders('host: localhost', 'Host: evil.test'), [400]],
  ['a host that is none', withHeaders('host: a b<c>'), [400]],
  [
    'a body that is chunked and something else',
    (target) => ({
      ...withHeaders('transfer-encoding: gzip, chunked')(target),
      body: `${Buffer.byteLength(target.body).toString(16)}\r\n${target.body}\r\n0\r\n\r\n`,
    }),
    [400],
  ],
  ['more than a body may be', ({ body }) => ({ body: body + ' '.repeat(70_000) }), [413]],
  ['more than it may be, in its length alone', withHeaders('content-length: 10000000'), [413]],
  ['bytes that are not UTF-8', ({ body }) => ({ body: Buffer.from(`${body}\xe9`, 'latin1') }), [400]],
  ['half a character at the end', ({ body }) => ({ body: Buffer.from(`${body}\xe2\x82`, 'latin1') }), [400]],
  ['a NUL in the address', ({ path }) => ({ path: `${path}%00` }), [400]],
  ['an address that cannot be decoded', ({ path }) => ({ path: `${path}%zz` }), [400]],
  ['an address that is not UTF-8', ({ path }) => ({ path: `${path}%ff` }), [400]],
]

const spoiledJson: Spoiled[] = [
  [
    'a name twice',
    ({ body }) => ({ body: body.replace('{', '{"redirect_uris":["https://evil.test/"],') }),
    [400],
  ],
  [
    'a name twice, one time escaped',
    ({ body }) => ({ body: body.replace('{', '{"\\u0073cope":"x","x":1,"\\u0078":2,') }),
    [400],
  ],
  ['a byte order mark', ({ body }) => ({ body: `\ufeff${body}` }), [400]],
  ['a comma too many', ({ body }) => ({ body: body.replace('}', ',}') }), [400]],
  ['a comment', ({ body }) => ({ body: `/**/${body}` }), [400]],
  ['a number that is none', ({ body }) => ({ body: body.replace('{', '{"x":NaN,') }), [400]],
  ['two documents', ({ body }) => ({ body: body + body }), [400]],
  ['a poisoned prototype', ({ body }) => ({ body: body.replace('{', '{"__proto__":{},') }), [400]],
  [
    'lists in lists in lists',
    ({ body }) => ({ body: body.replace('{', `{"x":${'['.repeat(9_000)}${']'.repeat(9_000)},`) }),
    [400],
  ],
  ['half of it', ({ body }) => ({ body: body.slice(0, body.length / 2) }), [400]],
]

const spoiledForms: Spoiled[] = [
  ['a parameter twice', ({ body }) => ({ body: `${body}&${body.split('&')[0]}` }), [400]],
  ['a parameter twice, one time encoded', ({ body }) => ({ body: `${body}&${encoded(body)}` }), [400]],
  ['a stray percent sign', ({ body }) => ({ body: body.replace('=', '=%') }), [400]],
  ['half a surrogate pair', ({ body }) => ({ body: body.replace('=', '=%ed%a0%80') }), [400]],
  ['a NUL', ({ body }) => ({ body: body.replace('=', '=%00') }), [400]],
  ['a byte order mark', ({ body }) => ({ body: `\ufeff${body}` }), [400, 401]],
  ['a value longer than any', ({ body }) => ({ body: `${body}&x=${'a'.repeat(40_000)}` }), [413]],
  ['more parameters than any has', ({ body }) => ({ body: body + '&a=1'.repeat(200) }), [400]],
]

/** The first pair, its name percent-encoded. */
function encoded(body: string): string {
  const [name = '', value = ''] = (body.split('&')[0] ?? '').split('=')
  return `${Buffer.from(name).toString('hex').replace(/../g, '%$&')}=${value}`
}

const spoiledFor = (type: string) => [...spoiled, ...(type === json ? spoiledJson : spoiledForms)]

describe('a message that could be understood in two ways', () => {
  test.each(names)('is refused by %s in its own words, and changes nothing', async (name) => {
    const target = targets[name]
    const before = await stored()
    for (const [what, spoil, statuses] of spoiledFor(target.type)) {
      const answer = await sendRaw(origin(), requestTo(target, spoil(target)))
      expectError(answer, target.face, statuses, `${name}: ${what}`)
    }
    expect(await stored()).toBe(before)
  })

  test('is told which encodings could be understood', async () => {
    const answer = await sendRaw(
      origin(),
      requestTo(targets.registration, withHeaders('content-encoding: br')(targets.registration)),
    )
    expect(answer.headers['accept-encoding']).toBe('identity')
  })

  test.each(names.slice(0, 3))(
    'an odd spelling of the type of JSON is no way past the checks of %s',
    async (name) => {
      const target = targets[name]
      const before = await stored()
      const spelled = [
        '\tapplication/json',
        'application/json\t',
        ' application/json ;a=b',
        'application/json;',
        'APPLICATION/JSON',
        'application/json;charset=utf-8;',
        'application/json\t;x',
      ]
      for (const type of spelled) {
        for (const body of ['{"redirect_uris":5,"scope":5}', '[]', '"x"', '5']) {
          const answer = await sendRaw(origin(), requestTo(target, { ...withType(() => type)(target), body }))
          expect([400, 415], `${name}: ${type}`).toContain(answer.status)
        }
      }
      expect(await stored()).toBe(before)
    },
  )
})

describe('where a message ends', () => {
  const smuggled = bytesOf({ path: '/healthz' }).toString('latin1')
  const post = (...headers: string[]) =>
    ['POST /oauth/token HTTP/1.1', 'host: localhost', `content-type: ${form}`, ...headers].join('\r\n')
  const chunked = 'transfer-encoding: chunked'

  test.each([
    ['a length and chunks', `${post('content-length: 5', chunked)}\r\n\r\n0\r\n\r\n${smuggled}`],
    ['chunks and a length', `${post(chunked, 'content-length: 5')}\r\n\r\n0\r\n\r\n${smuggled}`],
    ['two lengths', `${post('content-length: 0', 'content-length: 5')}\r\n\r\n${smuggled}`],
    ['a list of lengths', `${post('content-length: 0, 5')}\r\n\r\n${smuggled}`],
    ['a length with a sign', `${post('content-length: +0')}\r\n\r\n${smuggled}`],
    ['a length below nothing', `${post('content-length: -5')}\r\n\r\n${smuggled}`],
    ['a length beyond all numbers', `${post(`content-length: ${'9'.repeat(30)}`)}\r\n\r\n${smuggled}`],
    ['a length in hexadecimal', `${post('content-length: 0x0')}\r\n\r\n${smuggled}`],
    ['chunks by another name', `${post('transfer-encoding: xchunked')}\r\n\r\n0\r\n\r\n${smuggled}`],
    ['chunks that are not the last coding', `${post(`${chunked}, identity`)}\r\n\r\n0\r\n\r\n${smuggled}`],
    ['chunks said twice', `${post(chunked, chunked)}\r\n\r\n0\r\n\r\n${smuggled}`],
    ['chunks before a space', `${post('transfer-encoding : chunked')}\r\n\r\n0\r\n\r\n${smuggled}`],
    ['chunks in a folded line', `${post('x: y\r\n transfer-encoding: chunked')}\r\n\r\n0\r\n\r\n${smuggled}`],
    ['a bare line feed', `${post('x: y\ntransfer-encoding: chunked')}\r\n\r\n0\r\n\r\n${smuggled}`],
    ['a bare carriage return', `${post('x: y\rtransfer-encoding: chunked')}\r\n\r\n0\r\n\r\n${smuggled}`],
    ['line feeds alone', `${post('content-length: 0').replaceAll('\r\n', '\n')}\n\n${smuggled}`],
    ['a chunk with an odd size', `${post(chunked)}\r\n\r\n0x0\r\n\r\n${smuggled}`],
    [
      'a chunk with a line feed behind its size',
      `${post(chunked)}\r\n\r\n1;x\n\r\na\r\n0\r\n\r\n${smuggled}`,
    ],
    ['a chunk beyond all numbers', `${post(chunked)}\r\n\r\n${'f'.repeat(20)}\r\na\r\n0\r\n\r\n${smuggled}`],
    ['a header without a name', `${post(': x', 'content-length: 0')}\r\n\r\n${smuggled}`],
    ['a header with a space in its name', `${post('a b: x', 'content-length: 0')}\r\n\r\n${smuggled}`],
    ['a header with a NUL', `${post('a: \0', 'content-length: 0')}\r\n\r\n${smuggled}`],
    ['a NUL in the address', `GET /heal\0thz HTTP/1.1\r\nhost: localhost\r\n\r\n${smuggled}`],
    ['a method nobody knows', `BREW /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n${smuggled}`],
    ['another protocol', `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${smuggled}`],
  ])('is certain, or nothing more is read: %s', async (_what, bytes) => {
    const before = await stored()
    const answers = await sendBytes(origin(), bytes)
    expect(answers).toHaveLength(1)
    if (answers[0]) expectError(answers[0], 'oauth', [400])
    expect(answers[0]?.headers.connection).toBe('close')
    expect(await stored()).toBe(before)
  })

  test('an HTTP/1.1 request without a host is refused', async () => {
    const answers = await sendBytes(origin(), `GET /healthz HTTP/1.1\r\n\r\n${smuggled}`)
    expect(answers.map(({ status }) => status)).toEqual([400])
  })

  test('a body that nobody reads does not become the next request', async () => {
    const get = `GET /healthz HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${smuggled.length}\r\n\r\n`
    const answers = await sendBytes(origin(), get + smuggled + smuggled)
    expect(answers.map(({ status }) => status)).toEqual([200, 200])
  })

  test.each(['oauth/token', 'admin/v1/providers', 'oauth/authorize'])(
    'headers of 20 KB are a 431 at /%s',
    async (path) => {
      for (const headers of [[`x: ${'a'.repeat(20_000)}`], [`authorization: Basic ${'a'.repeat(20_000)}`]]) {
        const answer = await sendRaw(origin(), { path: `/${path}`, headers })
        expectError(answer, 'oauth', [431])
      }
      expectError(await sendRaw(origin(), { path: `/${path}?${'a'.repeat(20_000)}` }), 'oauth', [431])
    },
  )
})

describe('who is asked and how', () => {
  test('the name a request gives us is nowhere in an answer', async () => {
    const documents = await Promise.all(
      [
        [],
        ['host: evil.test'],
        [
          'x-forwarded-host: evil.test',
          'x-forwarded-proto: https',
          'x-forwarded-port: 1',
          'forwarded: host=evil.test;proto=https',
          'x-forwarded-prefix: /evil',
          'x-original-url: /admin/v1/providers',
          'x-rewrite-url: /admin/v1/providers',
        ],
      ].map((headers) => sendRaw(origin(), { path: '/.well-known/oauth-authorization-server', headers })),
    )
    expect(new Set(documents.map(({ body }) => body)).size).toBe(1)
    expect(JSON.parse(documents[0]?.body ?? '')).toMatchObject({ issuer: notes.gateway.issuer })
    const absolute = await sendRaw(origin(), {
      path: 'http://evil.test/.well-known/oauth-authorization-server',
    })
    expect(absolute.body).toBe(documents[0]?.body)
  })

  test('what a stranger says of where they come from counts for nothing', async () => {
    const said = (index: number) => [
      `x-forwarded-for: 198.51.100.${index}`,
      `x_forwarded_for: 198.51.100.${index}`,
      `forwarded: for=198.51.100.${index}`,
      `x-real-ip: 198.51.100.${index}`,
      'user-agent: kube-probe/1.30',
      'x-forwarded-uri: /healthz',
    ]
    const wrong = 'authorization: Bearer wrong'
    const statuses: number[] = []
    for (let index = 0; index < 35; index++) {
      const request = { path: '/admin/v1/providers', headers: [wrong, ...said(index)] }
      statuses.push((await sendRaw(origin(), request)).status)
    }
    expect(statuses.slice(0, 2)).toEqual([401, 401])
    expect(statuses.at(-1)).toBe(429)
    notes.clock.advance(61)
  })

  const served: [Face, string, string[]][] = [
    ['oauth', '/.well-known/oauth-authorization-server', ['GET', 'HEAD', 'OPTIONS']],
    ['oauth', '/.well-known/jwks.json', ['GET', 'HEAD', 'OPTIONS']],
    ['oauth', '/healthz', ['GET', 'HEAD']],
    ['oauth', '/oauth/token', ['POST', 'OPTIONS']],
    ['oauth', '/oauth/register', ['POST', 'OPTIONS']],
    ['oauth', '/oauth/register/client_x', ['GET', 'PUT', 'DELETE', 'OPTIONS']],
    ['oauth', '/oauth/revoke', ['POST', 'OPTIONS']],
    ['oauth', '/oauth/introspect', ['POST']],
    ['pages', '/oauth/authorize', ['GET', 'POST']],
    ['pages', '/oauth/interactions/int_x', ['GET', 'POST']],
    ['pages', '/oauth/callback/github', ['GET']],
    ['pages', '/connect/cc_link_x', ['GET', 'POST']],
    ['retrieval', '/v1/token-sessions/TSID', ['GET']],
    ['retrieval', '/v1/token-sessions/TSID/tokens/github', ['GET']],
    ['retrieval', '/v1/token-sessions/TSID/connect/github', ['GET', 'POST']],
    ['admin', '/admin/v1/clients', ['GET', 'POST']],
    ['admin', '/admin/v1/providers/github', ['GET', 'PUT', 'DELETE']],
  ]

  test.each(served)('%s: %s takes %j and no other method', async (face, path, allowed) => {
    const before = await stored()
    const upstream = notes.github.log().length
    const authorization = face === 'admin' ? `Bearer ${notes.gateway.adminToken}` : basic(notes.credential)
    const all = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE']
    for (const method of all.filter((each) => !allowed.includes(each))) {
      for (const headers of [
        [],
        ['x-http-method-override: GET', 'x-method-override: POST', 'x-http-method: POST'],
      ]) {
        const answer = await sendRaw(origin(), {
          method,
          path: `${path.replace('TSID', tsid)}?_method=POST`,
          headers: [`authorization: ${authorization}`, 'content-length: 0', 'max-forwards: 0', ...headers],
        })
        expectError(answer, face, [405], method)
        expect(answer.headers.allow?.split(', ').toSorted()).toEqual(allowed.toSorted())
      }
    }
    for (const method of ['PROPFIND', 'LOCK', 'SEARCH']) {
      expect([401, 404], method).toContain((await sendRaw(origin(), { method, path })).status)
    }
    expect(notes.github.log()).toHaveLength(upstream)
    expect(await stored()).toBe(before)
  })

  test('an address where nothing is says so in the form of the place', async () => {
    const found: [string, RegExp][] = [
      ['/', /^application\/json/],
      ['/nothing', /^application\/json/],
      ['/oauth/nothing', /^application\/json/],
      ['/oauth/interactions/a/b', /^text\/html/],
      ['/oauth/callback', /^text\/html/],
      ['/connect/', /^text\/html/],
      ['/v1/token-sessions/a/b/c/d', /^application\/json/],
    ]
    for (const [path, type] of found) {
      const answer = await sendRaw(origin(), { path })
      expect([path, answer.status]).toEqual([path, 404])
      expect(answer.headers['content-type']).toMatch(type)
      expect(answer.headers['cache-control']).toBe('no-store')
    }
    const headers = [`authorization: Bearer ${notes.gateway.adminToken}`]
    const answer = await sendRaw(origin(), { path: '/admin/v1/nothing', headers })
    expect([answer.status, answer.headers['content-type']]).toEqual([
      404,
      'application/problem+json; charset=utf-8',
    ])
  })
})

describe('cookies', () => {
  test('however many and odd ones a browser has, none is a fault of ours', async () => {
    const many = Array.from({ length: 200 }, (_, index) => `c${index}=${index}`).join('; ')
    const odd = [
      '__proto__=x; constructor=y; toString=z',
      '%=%; =; ;;',
      'coatcheck-session=%ff',
      'coatcheck-browser-__proto__=cc_browser_x',
      `coatcheck-session="${'a'.repeat(4_000)}"`,
      'coatcheck-session=a; coatcheck-session=b',
      '\xff\xfe=\x80',
    ]
    for (const cookie of [many, ...odd]) {
      for (const path of [
        '/oauth/authorize',
        '/oauth/interactions/int_x',
        '/oauth/callback/github?state=x',
        '/connect/x',
      ]) {
        const answer = await sendRaw(origin(), {
          path,
          headers: [`cookie: ${cookie}`, 'cookie: __proto__=1'],
        })
        expectError(answer, 'pages', [400, 404], `${path} ${cookie.slice(0, 30)}`)
      }
    }
    expect(({} as Record<string, unknown>).x).toBeUndefined()
  })
})

test('a hundred thousand parameters are refused before anybody waits for them', async () => {
  const many = 'a=1&'.repeat(100_000)
  const before = performance.now()
  const statuses = [
    (await sendRaw(origin(), requestTo(targets['the token endpoint'], { body: many }))).status,
    (await sendRaw(origin(), requestTo(targets['the token endpoint'], { body: many.slice(0, 60_000) })))
      .status,
    (await sendRaw(origin(), { path: `/oauth/authorize?${many.slice(0, 15_000)}` })).status,
    (
      await sendRaw(origin(), {
        path: `/admin/v1/clients?${many.slice(0, 15_000)}`,
        headers: [`authorization: Bearer ${notes.gateway.adminToken}`],
      })
    ).status,
  ]
  expect(statuses).toEqual([413, 413, 400, 400])
  expect(performance.now() - before).toBeLessThan(2_000)
})

test('as they stand, all of these messages are taken', async () => {
  const order = names.filter((name) => name !== 'revocation')
  for (const name of order) {
    const before = await stored()
    const { status } = await sendRaw(origin(), requestTo(targets[name]))
    expect([name, [200, 201, 303].includes(status)]).toEqual([name, true])
    expect([name, (await stored()) === before]).toEqual([name, name === 'introspection'])
  }
  const { status } = await sendRaw(origin(), requestTo(targets.revocation))
  expect(status).toBe(200)
  expect((await refresh(notes, tokens.refresh_token)).status).toBe(400)
})
