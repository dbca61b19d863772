import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildRedirect, matchesRedirectUri, redirectKind } from '../../src/clients/redirect-uri.ts'
import { redirectUriFault } from '../../src/clients/registrable-uri.ts'

describe('a presented redirect URI', () => {
  const registered = [
    'https://c.test/cb',
    'https://c.test/other?x=1',
    'cursor://anysphere.cursor-mcp/oauth/callback',
  ]

  test.each(registered)('matches the registered one: %s', (uri) => {
    expect(matchesRedirectUri(registered, uri)).toBe(true)
  })

  test.each([
    '',
    'https://c.test',
    'https://c.test/',
    'https://c.test/cb/',
    'https://c.test/CB',
    'https://c.test/cb?x=1',
    'https://c.test/cb?',
    'https://c.test/cb#f',
    'https://c.test/cb#',
    'https://c.test:443/cb',
    'https://c.test:8443/cb',
    'https://C.test/cb',
    'HTTPS://c.test/cb',
    'http://c.test/cb',
    'https://c.test.evil.test/cb',
    'https://c.test@evil.test/cb',
    'https://evil.test\\@c.test/cb',
    'https://cXtest/cb',
    'https://c.test/x/../cb',
    'https://c.test/./cb',
    'https://c.test//cb',
    'https://c.test/%63b',
    'https://c.test/cb%0a',
    'https://c.test/cb%00',
    'https://c.test/cb\n',
    'https://c.test/cb\0',
    'https://c.test/cb ',
    ' https://c.test/cb',
    'https://с.test/cb',
    'https://c.test./cb',
    '//c.test/cb',
    '/cb',
    'https://c.test/cb/sub',
    'https://c.test/c',
    'https://c.test/other',
    'https://c.test/other?x=1&y=2',
    'cursor://anysphere.cursor-mcp/oauth/callback/',
    'cursor://anysphere.cursor-mcp:80/oauth/callback',
    'Cursor://anysphere.cursor-mcp/oauth/callback',
    'https://c.test/cb,https://c.test/other?x=1',
  ])('does not match when it is %j', (uri) => {
    expect(matchesRedirectUri(registered, uri)).toBe(false)
  })

  test('matches nothing where nothing is registered', () => {
    expect(matchesRedirectUri([], 'https://c.test/cb')).toBe(false)
    expect(matchesRedirectUri([], '')).toBe(false)
  })
})

describe('one edit of a registered redirect URI', () => {
  const registered = [
    'https://c.test/cb',
    'https://c.test:8443/a/cb?x=1&y',
    'https://localhost/cb',
    'cursor://anysphere.cursor-mcp/oauth/callback',
    'com.example.app:/cb',
  ]
  const at = fc.nat({ max: 60 })
  const spliced = (remove: number) => (uri: string, index: number, text: string) =>
    uri.slice(0, index % (uri.length + 1)) + text + uri.slice((index % (uri.length + 1)) + remove)
  const edits: ((uri: string, index: number, text: string) => string)[] = [
    spliced(0),
    spliced(1),
    (uri, _index, text) => uri + text,
    (uri, _index, text) => text + uri,
    (uri, index) => {
      const spot = index % uri.length
      const code = uri.charCodeAt(spot).toString(16)
      return `${uri.slice(0, spot)}%${code}${uri.slice(spot + 1)}`
    },
    (uri, index) => {
      const letter = uri[index % uri.length] ?? ''
      const other = letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase()
      return uri.slice(0, index % uri.length) + other + uri.slice((index % uri.length) + 1)
    },
    (uri) => uri.replace(/^([a-z.]+:\/{0,2})/, '$1evil.test/'),
    (uri) => uri.replace(/^([a-z.]+:\/{0,2})/, '$1evil.test@'),
    (uri) => URL.parse(uri)?.href ?? uri,
  ]
  const text = fc.oneof(
    fc.constantFrom(
      '/',
      '//',
      '.',
      '..',
      '/..',
      '?',
      '#',
      '@',
      ':',
      ':443',
      '\\',
      '%',
      '%2f',
      ' ',
      '\t',
      '\n',
      '\0',
    ),
    fc.string({ unit: 'binary', maxLength: 3 }),
    fc.constant(''),
  )

  test('matches nothing, unless it changed nothing', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...registered),
        fc.constantFrom(...edits),
        at,
        text,
        (uri, edit, index, inserted) => {
          const presented = edit(uri, index, inserted)
          expect(matchesRedirectUri(registered, presented)).toBe(registered.includes(presented))
        },
      ),
      { numRuns: 5_000 },
    )
  })

  test('of a loopback one matches nothing, unless it is in the port', () => {
    const local = ['http://127.0.0.1:8080/cb', 'http://[::1]/cb?x=1', 'http://localhost/']
    const parts = /^(http:\/\/(?:127\.0\.0\.1|\[::1\]|localhost))(?::([1-9][0-9]{0,4}))?(\/[^#]*)$/
    const withoutPort = (uri: string) => {
      const [, host, port = '0', rest] = parts.exec(uri) ?? []
      return Number(port) > 65_535 ? undefined : host && `${host}${rest}`
    }
    const known = local.map(withoutPort)
    fc.assert(
      fc.property(
        fc.constantFrom(...local),
        fc.constantFrom(...edits),
        at,
        fc.oneof(text, fc.stringMatching(/^[0-9]{1,6}$/)),
        (uri, edit, index, inserted) => {
          const presented = edit(uri, index, inserted)
          const bare = withoutPort(presented)
          const expected = bare !== undefined && known.includes(bare)
          expect(matchesRedirectUri(local, presented), presented).toBe(expected)
        },
      ),
      { numRuns: 5_000 },
    )
  })
})

describe('a presented loopback redirect URI', () => {
  test.each([
    ['http://127.0.0.1/cb', 'http://127.0.0.1:1/cb'],
    ['http://127.0.0.1/cb', 'http://127.0.0.1:65535/cb'],
    ['http://127.0.0.1/cb', 'http://127.0.0.1/cb'],
    ['http://127.0.0.1:8080/cb', 'http://127.0.0.1:9090/cb'],
    ['http://127.0.0.1:8080/cb', 'http://127.0.0.1/cb'],
    ['http://[::1]/cb', 'http://[::1]:3000/cb'],
    ['http://localhost/callback', 'http://localhost:3335/callback'],
    ['http://127.0.0.1/', 'http://127.0.0.1:33418/'],
    ['http://127.0.0.1', 'http://127.0.0.1:33418'],
    ['http://127.0.0.1/cb?a=1', 'http://127.0.0.1:5/cb?a=1'],
    ['http://127.0.0.1?a=1', 'http://127.0.0.1:5?a=1'],
  ])('of %s may have any port: %s', (registered, presented) => {
    expect(matchesRedirectUri([registered], presented)).toBe(true)
  })

  const registered = ['http://127.0.0.1/cb', 'http://[::1]/cb']

  test.each([
    'http://127.0.0.1:1/',
    'http://127.0.0.1:1/CB',
    'http://127.0.0.1:1/cb/',
    'http://127.0.0.1:1/cb?x=1',
    'http://127.0.0.1:1/cb#f',
    'http://127.0.0.1:1/cb#',
    'http://127.0.0.1:1/x/../cb',
    'http://127.0.0.1:1/%63b',
    'http://127.0.0.1:1//cb',
    'http://127.0.0.1:1\\cb',
    'http://127.0.0.1:1/cb\n',
    'http://127.0.0.1:1/cb ',
    'http://localhost:1/cb',
    'http://LOCALHOST:1/cb',
    'http://127.1:1/cb',
    'http://127.0.0.2:1/cb',
    'http://0x7f.1:1/cb',
    'http://0x7f000001:1/cb',
    'http://2130706433:1/cb',
    'http://127.000.000.001:1/cb',
    'http://①②⑦.0.0.1:1/cb',
    'http://0.0.0.0:1/cb',
    'http://[::]:1/cb',
    'http://[0:0:0:0:0:0:0:1]:1/cb',
    'http://[::ffff:127.0.0.1]:1/cb',
    'http://::1:1/cb',
    'HTTP://127.0.0.1:1/cb',
    'Http://127.0.0.1:1/cb',
    'https://127.0.0.1:1/cb',
    'https://[::1]:1/cb',
    'ws://127.0.0.1:1/cb',
    'http:/127.0.0.1:1/cb',
    'http://127.0.0.1.evil.test/cb',
    'http://127.0.0.1.nip.io:1/cb',
    'http://127.0.0.1:1.evil.test/cb',
    'http://127.0.0.1:1@evil.test/cb',
    'http://127.0.0.1@evil.test/cb',
    'http://evil.test@127.0.0.1:1/cb',
    'http://x:y@127.0.0.1:1/cb',
    'http://127.0.0.1:0/cb',
    'http://127.0.0.1:00080/cb',
    'http://127.0.0.1:65536/cb',
    'http://127.0.0.1:999999/cb',
    'http://127.0.0.1:-1/cb',
    'http://127.0.0.1:+1/cb',
    'http://127.0.0.1: 1/cb',
    'http://127.0.0.1:1 /cb',
    'http://127.0.0.1:0x50/cb',
    'http://127.0.0.1:/cb',
    'http://127.0.0.1:1:2/cb',
    'http://127.0.0.1:١/cb',
    'http://127a0b0c1:1/cb',
  ])('does not match when it is %j', (uri) => {
    expect(matchesRedirectUri(registered, uri)).toBe(false)
  })

  test.each([
    ['http://localhost/cb', 'http://127.0.0.1/cb'],
    ['http://localhost/cb', 'http://[::1]/cb'],
    ['http://[::1]/cb', 'http://127.0.0.1/cb'],
    ['http://localhost/cb', 'http://localhost.evil.test:1/cb'],
    ['http://localhost/cb', 'http://testlocalhost:1/cb'],
    ['http://localhost/cb', 'http://localhost.:1/cb'],
    ['https://localhost/cb', 'https://localhost:1/cb'],
    ['https://127.0.0.1/cb', 'https://127.0.0.1:1/cb'],
    ['http://127.0.0.2/cb', 'http://127.0.0.2:1/cb'],
    ['http://127a0b0c1/cb', 'http://127a0b0c1:1/cb'],
  ])('of %s is not %s', (one, other) => {
    expect(matchesRedirectUri([one], other)).toBe(false)
  })

  test('matches exactly when only the port differs, for any path', () => {
    const host = fc.constantFrom('127.0.0.1', '[::1]', 'localhost', '127.0.0.2', 'c.test')
    const port = fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined })
    const rest = fc.stringMatching(/^(\/[a-zA-Z0-9._~%-]{0,6}){0,3}(\?[a-z=&]{0,6})?$/)
    const parts = fc.record({ host, port, rest })
    type Parts = { host: string; port: number | undefined; rest: string }
    const text = ({ host, port, rest }: Parts) =>
      `http://${host}${port === undefined ? '' : `:${port}`}${rest}`
    const pair = fc.oneof(
      fc.tuple(parts, parts),
      fc.tuple(parts, port).map(([one, other]): [Parts, Parts] => [one, { ...one, port: other }]),
    )
    fc.assert(
      fc.property(pair, ([one, other]) => {
        const loopback = ['127.0.0.1', '[::1]', 'localhost'].includes(one.host)
        const same = one.host === other.host && one.rest === other.rest
        const expected = text(one) === text(other) || (loopback && same)
        expect(matchesRedirectUri([text(one)], text(other))).toBe(expected)
      }),
      { numRuns: 1_000 },
    )
  })

  test('whatever is accepted leads a URL parser to the registered place', () => {
    const noise = fc.stringMatching(/^http:\/\/[127.0localhost[\]:@\\/?#%a-f-]{0,24}$/)
    const near = fc
      .tuple(
        fc.constantFrom('http://127.0.0.1', 'http://localhost', 'http://[::1]'),
        fc.stringMatching(/^[:0-9@\\.a-f]{0,8}$/),
      )
      .map(([origin, middle]) => `${origin}${middle}/cb`)
    fc.assert(
      fc.property(fc.oneof(noise, near, fc.string({ unit: 'binary' })), (presented) => {
        if (!matchesRedirectUri(registered, presented)) return
        const url = new URL(presented)
        expect(['127.0.0.1', '[::1]']).toContain(url.hostname)
        expect([url.username, url.password, url.pathname, url.search, url.hash]).toEqual([
          '',
          '',
          '/cb',
          '',
          '',
        ])
      }),
      { numRuns: 3_000 },
    )
  })
})

describe('the kind of a redirect URI', () => {
  test.each([
    ['https://claude.ai/api/mcp/auth_callback', { kind: 'web', host: 'claude.ai' }],
    ['https://c.test:8443/cb?x=http://127.0.0.1/', { kind: 'web', host: 'c.test:8443' }],
    ['https://127.0.0.1/cb', { kind: 'web', host: '127.0.0.1' }],
    ['https://localhost?x', { kind: 'web', host: 'localhost' }],
    ['http://localhost.evil.test/cb', { kind: 'web', host: 'localhost.evil.test' }],
    ['http://localhost/callback', { kind: 'loopback', host: 'localhost' }],
    ['http://127.0.0.1:33418/', { kind: 'loopback', host: '127.0.0.1:33418' }],
    ['http://[::1]:1/cb', { kind: 'loopback', host: '[::1]:1' }],
    ['cursor://anysphere.cursor-mcp/oauth/callback', { kind: 'app', scheme: 'cursor' }],
    ['com.example.app:/cb', { kind: 'app', scheme: 'com.example.app' }],
  ])('%s is %j', (uri, kind) => {
    expect(redirectKind(uri)).toEqual(kind)
  })
})

describe('the redirect with an answer', () => {
  const answer = { code: 'cc_code_x', state: 's', iss: 'https://cc.test' }

  test.each([
    ['https://c.test/cb', 'https://c.test/cb?code=cc_code_x&state=s&iss=https%3A%2F%2Fcc.test'],
    ['https://c.test/cb?', 'https://c.test/cb?code=cc_code_x&state=s&iss=https%3A%2F%2Fcc.test'],
    [
      'https://c.test/cb?a=%C3%A9+b',
      'https://c.test/cb?a=%C3%A9+b&code=cc_code_x&state=s&iss=https%3A%2F%2Fcc.test',
    ],
    ['https://c.test/cb?a=1?', 'https://c.test/cb?a=1?&code=cc_code_x&state=s&iss=https%3A%2F%2Fcc.test'],
    ['https://c.test/cb?a=1&', 'https://c.test/cb?a=1&code=cc_code_x&state=s&iss=https%3A%2F%2Fcc.test'],
    ['http://[::1]:1', 'http://[::1]:1?code=cc_code_x&state=s&iss=https%3A%2F%2Fcc.test'],
    ['cursor://a.b/cb', 'cursor://a.b/cb?code=cc_code_x&state=s&iss=https%3A%2F%2Fcc.test'],
    ['com.example.app:/cb', 'com.example.app:/cb?code=cc_code_x&state=s&iss=https%3A%2F%2Fcc.test'],
  ])('keeps the query of %s as it is', (uri, redirect) => {
    expect(buildRedirect(uri, answer)).toBe(redirect)
  })

  test('leaves out what is absent and keeps what is empty', () => {
    expect(buildRedirect('https://c.test/cb', { error: 'x', state: undefined })).toBe(
      'https://c.test/cb?error=x',
    )
    expect(buildRedirect('https://c.test/cb', { state: '' })).toBe('https://c.test/cb?state=')
    expect(buildRedirect('https://c.test/cb', { state: undefined })).toBe('https://c.test/cb')
  })

  test.each([
    'a%26code%3Devil',
    '&code=evil',
    '\r\nSet-Cookie: x=1',
    '\0',
    '#fragment',
    'ünïcödé €',
    ' +%20',
    's'.repeat(4_096),
  ])('echoes the state %j byte for byte, and nothing beside it', (state) => {
    const redirect = buildRedirect('https://c.test/cb', { code: 'c', state, iss: 'https://cc.test' })
    expect(redirect).toMatch(/^[\x21-\x7e]+$/)
    const url = new URL(redirect)
    expect(url.hash).toBe('')
    expect([...url.searchParams]).toEqual([
      ['code', 'c'],
      ['state', state],
      ['iss', 'https://cc.test'],
    ])
  })

  test('whatever the state, a form decoder and a plain one both read it back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (state) => {
        const redirect = buildRedirect('https://c.test/cb?own=1', { state })
        expect(new URL(redirect).searchParams.getAll('state')).toEqual([state.toWellFormed()])
        expect(decodeURIComponent(redirect.split('state=')[1] ?? '')).toBe(state.toWellFormed())
      }),
    )
  })

  test('to whatever may be registered has each parameter once, at the registered place', () => {
    const query = fc.stringMatching(/^[a-z&=%20?+;]{0,12}$/)
    const place = fc.constantFrom(
      'https://c.test/cb',
      'http://127.0.0.1:1/cb',
      'http://localhost',
      'cursor://a.b/cb',
      'x.y:/cb',
    )
    const hostile = fc.oneof(
      fc.constantFrom('&code=evil', '#', '?iss=evil', '\r\nLocation: https://evil.test', '\0', '%26code=x'),
      fc.string({ unit: 'binary', maxLength: 12 }),
    )
    fc.assert(
      fc.property(place, fc.option(query), hostile, hostile, (start, own, code, state) => {
        const uri = own === null ? start : `${start}?${own}`
        if (redirectUriFault(uri) !== undefined) return
        const redirect = buildRedirect(uri, { code, state, iss: 'https://cc.test' })
        expect(redirect.startsWith(uri)).toBe(true)
        expect(redirect).toMatch(/^[\x21-\x7e]+$/)
        const [before, after] = [new URL(uri), new URL(redirect)]
        expect([after.host, after.pathname, after.hash]).toEqual([before.host, before.pathname, ''])
        expect(after.searchParams.getAll('code')).toEqual([code.toWellFormed()])
        expect(after.searchParams.getAll('state')).toEqual([state.toWellFormed()])
        expect(after.searchParams.getAll('iss')).toEqual(['https://cc.test'])
      }),
      { numRuns: 2_000 },
    )
  })
})
