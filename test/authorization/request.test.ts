import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Browser, callbackOf } from '../support/browser.ts'
import { enter, type House, type Room, startHouse } from '../support/house.ts'
import {
  claimsOf,
  newBrowser,
  newPkce,
  postToken,
  redeem,
  redirectUri,
  refresh,
  registerClient,
  type Tokens,
} from '../support/world.ts'
import { browserStoppingAt, githubAuthorize, openRoom, preRegister, urlFor } from './steps.ts'

let house: House
let notes: Room
/** One that registered itself with these addresses, and that nobody ever approved here. */
let remote: string
const remoteUri = 'https://c.test/cb'
const withQuery = 'https://c.test/cb?tenant=a%20b&x='

beforeAll(async () => {
  house = await startHouse()
  notes = await openRoom(house, 'notes')
  await openRoom(house, 'gists')
  house.newPerson()
  remote = await registerClient(house.gateway, { redirect_uris: [remoteUri, withQuery] })
})
afterAll(() => house.stop())

const defaults = () => ({
  response_type: 'code',
  client_id: house.clientId,
  redirect_uri: redirectUri,
  state: 's',
  code_challenge: newPkce().challenge,
  code_challenge_method: 'S256',
  resource: notes.uri,
})

type Answer = { status: number; location: string | null; text: string; headers: Headers }

/** One request, nothing followed. A parameter that is `undefined` is left out; `more` is put behind as it is. */
async function ask(
  change: Record<string, string | undefined> = {},
  more = '',
  headers: Record<string, string> = {},
): Promise<Answer> {
  const parameters = Object.entries({ ...defaults(), ...change }).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as [string, string]],
  )
  const url = `${house.gateway.issuer}/oauth/authorize?${new URLSearchParams(parameters)}${more}`
  const response = await fetch(url, { redirect: 'manual', headers })
  const { status, headers: answered } = response
  return { status, location: answered.get('location'), text: await response.text(), headers: answered }
}

const isAccepted = ({ status, location }: Answer) =>
  status === 303 && location?.startsWith(`${house.gateway.issuer}/oauth/interactions/int_`) === true

/** The error a client is told by a redirect. */
function errorAt({ status, location }: Answer, uri = redirectUri): Record<string, string> {
  expect(status).toBe(303)
  expect(location?.startsWith(`${uri}?`) || location?.startsWith(`${uri}&`)).toBe(true)
  const told = new URL(location ?? '').searchParams
  // RFC 9207 section 2: in errors, too.
  expect(told.getAll('iss')).toEqual([house.gateway.issuer])
  return Object.fromEntries(told)
}

function expectPage(answer: Answer, what: string, status = 400) {
  expect(answer.status, what).toBe(status)
  expect(answer.location, what).toBeNull()
  expect(answer.headers.get('content-type'), what).toContain('text/html')
}

const calls = () => house.github.log().length + house.google.log().length

describe('before client and address are certain, nothing is sent anywhere', () => {
  test('an unknown, missing or repeated client', async () => {
    const before = calls()
    for (const clientId of [
      'nobody',
      '',
      ' ',
      '__proto__',
      'client_',
      'https://c.test/client',
      '\0',
      undefined,
    ]) {
      expectPage(await ask({ client_id: clientId }), String(clientId))
    }
    expectPage(await ask({}, `&client_id=${house.clientId}`), 'twice')
    expect(calls()).toBe(before)
  })

  test.each([
    '/',
    'CASE',
    '?x=1',
    '#f',
    '#',
    ':443/cb',
    'HOST',
    'http:',
    'https://c.test.evil.test/cb',
    'https://c.test@evil.test/cb',
    'https://evil.test\\@c.test/cb',
    'https://cXtest/cb',
    'https://c.test/x/../cb',
    'https://c.test/%63b',
    'https://c.test/cb%0a',
    'https://c.test/cb%00',
    'https://c.test/cb ',
    ' https://c.test/cb',
    'https://c.test/cb\n',
    'https://с.test/cb',
    'https://c.test./cb',
    'https://c.test/cb/..;/',
    'https://c.test/cb?tenant=a%20b',
    'https://c.test/cb?tenant=a+b&x=',
    'https://c.test/cb?tenant=a%20b&x=&y=1',
    '//c.test/cb',
    'javascript:alert(1)',
    'data:text/html,x',
    'https://evil.test/cb',
  ])('an address that is almost registered: %j', async (near) => {
    const change: Record<string, string> = {
      '/': `${remoteUri}/`,
      CASE: 'https://c.test/CB',
      '?x=1': `${remoteUri}?x=1`,
      '#f': `${remoteUri}#f`,
      '#': `${remoteUri}#`,
      ':443/cb': 'https://c.test:443/cb',
      HOST: 'https://C.test/cb',
      'http:': 'http://c.test/cb',
    }
    expectPage(await ask({ client_id: remote, redirect_uri: change[near] ?? near }), near)
  })

  test.each([
    'http://127.0.0.1:1/callback/',
    'http://127.0.0.1:1/Callback',
    'http://127.0.0.1:1/callback?x=1',
    'http://localhost:1/callback',
    'http://[::1]:1/callback',
    'http://127.1:1/callback',
    'http://0x7f.1:1/callback',
    'http://127.000.000.001:1/callback',
    'http://2130706433:1/callback',
    'HTTP://127.0.0.1:1/callback',
    'https://127.0.0.1:1/callback',
    'http://127.0.0.1:0/callback',
    'http://127.0.0.1:65536/callback',
    'http://127.0.0.1:/callback',
    'http://127.0.0.1:01/callback',
    'http://127.0.0.1.evil.test/callback',
    'http://127.0.0.1:1@evil.test/callback',
    'http://user@127.0.0.1:1/callback',
  ])('a loopback address that differs in more than its port: %j', async (near) => {
    expectPage(await ask({ redirect_uri: near }), near)
  })

  test('any port of a loopback address is its client’s, for the code, too', async () => {
    for (const port of [1, 80, 7777, 65_535]) {
      const uri = `http://127.0.0.1:${port}/callback`
      expect(isAccepted(await ask({ redirect_uri: uri })), uri).toBe(true)
    }
    expect(isAccepted(await ask({ redirect_uri: 'http://127.0.0.1/callback' }))).toBe(true)
    const uri = 'http://127.0.0.1:4321/callback'
    const { verifier, challenge } = newPkce()
    const browser = browserStoppingAt(uri)
    const stop = await browser.walk(urlFor(house, notes, { redirect_uri: uri, code_challenge: challenge }), [
      'allow',
    ])
    const { code = '' } = callbackOf(stop)
    expect((await redeem(house, { code, verifier }, 'http://127.0.0.1:4322/callback')).status).toBe(400)
    expect((await redeem(house, { code, verifier }, uri)).status).toBe(200)
  })

  test('a loopback address of IPv6 may have any port, and is no other loopback address', async () => {
    const clientId = await registerClient(house.gateway, { redirect_uris: ['http://[::1]/cb'] })
    for (const uri of ['http://[::1]/cb', 'http://[::1]:1/cb', 'http://[::1]:65535/cb']) {
      expect(isAccepted(await ask({ client_id: clientId, redirect_uri: uri })), uri).toBe(true)
    }
    for (const uri of [
      'http://127.0.0.1:1/cb',
      'http://localhost:1/cb',
      'http://[::]:1/cb',
      'http://[0:0:0:0:0:0:0:1]:1/cb',
      'http://[::ffff:127.0.0.1]:1/cb',
      'http://::1:1/cb',
      'https://[::1]:1/cb',
      'http://[::1]:1/cb/',
      'http://[::1].evil.test/cb',
    ]) {
      expectPage(await ask({ client_id: clientId, redirect_uri: uri }), uri)
    }
  })

  test('a missing address, where there are several', async () => {
    expectPage(await ask({ client_id: remote, redirect_uri: undefined }), 'missing')
    expectPage(await ask({ client_id: remote, redirect_uri: '' }), 'empty')
    expect(isAccepted(await ask({ redirect_uri: undefined }))).toBe(true)
  })

  test('a parameter that was sent twice, the right one first or last', async () => {
    for (const [name, value] of Object.entries(defaults())) {
      if (name === 'resource') continue
      for (const other of ['https://evil.test/', value, '']) {
        expectPage(await ask({}, `&${name}=${encodeURIComponent(other)}`), `${name}=${other}`)
        const first = await fetch(
          `${house.gateway.issuer}/oauth/authorize?${name}=${encodeURIComponent(other)}&${new URLSearchParams(defaults())}`,
          { redirect: 'manual' },
        )
        expect(first.status, name).toBe(400)
        expect(first.headers.get('location'), name).toBeNull()
      }
    }
    expectPage(await ask({ scope: 'read' }, '&scope=write'), 'scope')
    expectPage(await ask({ prompt: 'none' }, '&prompt=login'), 'prompt')
    expectPage(await ask({}, '&max_age=1&max_age=2'), 'max_age')
  })

  test('a query that cannot be read, or is too much of one', async () => {
    for (const more of ['&state=%', '&scope=%ff', '&scope=%c0%af', '&redirect_uri=%zz', '&prompt=%00']) {
      expectPage(await ask({ state: undefined, redirect_uri: redirectUri }, more), more)
    }
    expectPage(await ask({}, '&x'.repeat(200)), 'many')
    for (const path of ['%00', '%', '%ff', 'int_%00', '..%2f..', 'x'.repeat(300)]) {
      const response = await fetch(`${house.gateway.issuer}/oauth/interactions/${path}`)
      expect(response.status, path).toBeGreaterThanOrEqual(400)
      expect(response.status, path).toBeLessThan(500)
    }
  })
})

describe('the answer comes as a code, with PKCE, or not at all', () => {
  test.each([
    ['token', 'unsupported_response_type'],
    ['id_token', 'unsupported_response_type'],
    ['code token', 'unsupported_response_type'],
    ['code id_token', 'unsupported_response_type'],
    ['none', 'unsupported_response_type'],
    ['CODE', 'unsupported_response_type'],
    ['', 'invalid_request'],
    [undefined, 'invalid_request'],
  ])('response_type=%j is %s', async (type, error) => {
    const told = errorAt(await ask({ response_type: type }))
    expect(told).toMatchObject({ error, state: 's', iss: house.gateway.issuer })
    expect(Object.keys(told).sort()).toEqual(['error', 'error_description', 'iss', 'state'])
  })

  test.each(['form_post', 'fragment', 'web_message', 'query.jwt', 'jwt', 'QUERY'])(
    'response_mode=%s is refused',
    async (mode) => {
      expect(errorAt(await ask({ response_mode: mode })).error).toBe('invalid_request')
    },
  )

  test('response_mode=query says what is done anyway', async () => {
    expect(isAccepted(await ask({ response_mode: 'query' }))).toBe(true)
  })

  test.each([
    ['plain', { code_challenge_method: 'plain' }],
    ['no method, which would mean plain', { code_challenge_method: undefined }],
    ['another case', { code_challenge_method: 's256' }],
    ['an unknown method', { code_challenge_method: 'S512' }],
    ['no challenge', { code_challenge: undefined }],
    ['an empty challenge', { code_challenge: '' }],
    ['no PKCE at all', { code_challenge: undefined, code_challenge_method: undefined }],
    ['a short challenge', { code_challenge: 'a'.repeat(42) }],
    ['a long challenge', { code_challenge: 'a'.repeat(44) }],
    ['a challenge of 129 characters', { code_challenge: 'a'.repeat(129) }],
    ['a padded challenge', { code_challenge: `${'a'.repeat(42)}=` }],
    ['base64 that is not for URLs', { code_challenge: `${'a'.repeat(42)}+` }],
  ])('%s is invalid_request, for public and confidential clients', async (_, change) => {
    expect(errorAt(await ask(change)).error).toBe('invalid_request')
    const { clientId } = await preRegister(house)
    const uri = 'https://client.test/cb'
    const answer = await ask({ ...change, client_id: clientId, redirect_uri: uri })
    expect(errorAt(answer, uri).error).toBe('invalid_request')
  })

  test('request objects are refused by name, and nobody fetches one', async () => {
    const hits: string[] = []
    const listener = createServer((request, response) => {
      hits.push(request.url ?? '')
      response.end()
    })
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/`
    expect(errorAt(await ask({ request_uri: url })).error).toBe('request_uri_not_supported')
    expect(errorAt(await ask({ request: 'eyJhbGciOiJub25lIn0.e30.' })).error).toBe('request_not_supported')
    listener.close()
    expect(hits).toEqual([])
  })
})

describe('resource and scope', () => {
  test.each([
    'https://unknown.test/mcp',
    'https://notes.test/mcp#f',
    'https://notes.test/mcp#',
    'notes.test/mcp',
    '/mcp',
    'https://u@notes.test/mcp',
    'https://notes.test/mcp/',
    'https://notes.test/MCP',
    'https://notes.test/mc',
    'https://notes.test/mcp/deeper',
    'https://notes.test/',
    'https://notes.test:8443/mcp',
    'http://notes.test/mcp',
    'https://notes.test/x/../mcp',
    'https://notes.test/mcp?x=1',
    'urn:notes',
    '*',
    ' ',
  ])('the resource %j is an invalid target', async (resource) => {
    expect(errorAt(await ask({ resource })).error).toBe('invalid_target')
  })

  test('a server without a path is the same with a slash at its end, and its tokens name it without', async () => {
    const providers = [{ provider: 'github', scopes: ['repo'] }]
    const bare = await house.open('bare', { resource: 'https://bare.test', providers })
    for (const resource of ['https://bare.test', 'https://bare.test/', 'HTTPS://Bare.test:443/']) {
      const { verifier, challenge } = newPkce()
      const url = urlFor(house, bare, { resource, code_challenge: challenge })
      const { code = '' } = callbackOf(await newBrowser().walk(url, ['allow']))
      const form = {
        grant_type: 'authorization_code',
        client_id: house.clientId,
        code,
        code_verifier: verifier,
      }
      const wrong = await postToken(house, { ...form, resource: 'https://bare.test//' })
      expect(await wrong.json()).toMatchObject({ error: 'invalid_target' })
      const response = await postToken(house, { ...form, resource: 'https://bare.test/' })
      const { access_token: token, refresh_token: refreshToken } = (await response.json()) as Tokens
      expect(claimsOf(token).aud).toBe('https://bare.test')
      const again = await refresh(house, refreshToken, { resource: 'https://bare.test/' })
      expect(claimsOf(((await again.json()) as Tokens).access_token).aud).toBe('https://bare.test')
    }
    for (const resource of [
      'https://bare.test//',
      'https://bare.test/mcp',
      'https://bare.test/?',
      'http://bare.test/',
    ]) {
      expect(errorAt(await ask({ resource })).error, resource).toBe('invalid_target')
    }
  })

  test('another spelling of the same resource is the same resource', async () => {
    for (const resource of [
      'HTTPS://notes.test/mcp',
      'https://NOTES.test/mcp',
      'https://notes.test:443/mcp',
    ]) {
      expect(isAccepted(await ask({ resource })), resource).toBe(true)
      expect(isAccepted(await ask({ resource }, '&resource=https://notes.test/mcp')), resource).toBe(true)
    }
  })

  test('two resources are one too many', async () => {
    expect(errorAt(await ask({}, '&resource=https://gists.test/mcp')).error).toBe('invalid_target')
    expect(errorAt(await ask({ resource: undefined }, '&resource=%ff')).error).toBe('invalid_target')
  })

  test('scopes are never wider than what was asked for and there is', async () => {
    const browser = newBrowser()
    for (const scope of [
      '*',
      'rea',
      'wri',
      'rit',
      'writes',
      'read.write',
      'WRITE',
      'admin',
      'openid profile',
    ]) {
      const page = await browser.get(urlFor(house, notes, { scope }))
      // What is unknown is dropped, and asking for nothing that is known gives the default.
      expect(page.text, scope).toContain('Read what is there')
      expect(page.text, scope).not.toContain('Change what is there')
    }
    expect(errorAt(await ask({ scope: 'read "write"' })).error).toBe('invalid_scope')
    expect(errorAt(await ask({ scope: 'read\u00e9' })).error).toBe('invalid_scope')
    const page = await browser.get(urlFor(house, notes, { scope: 'openid write mail' }))
    expect(page.text).toContain('Change what is there')
    expect(page.text).not.toContain('Read what is there')
  })
})

test('a request that is refused leaves no row and no cookie', async () => {
  const { interactions } = house.gateway.running().gateway.store
  const { create } = interactions
  let rows = 0
  interactions.create = async (...row) => {
    rows += 1
    await create(...row)
  }
  const refused: Record<string, string | undefined>[] = [
    { client_id: 'nobody' },
    { redirect_uri: 'https://evil.test/cb' },
    { response_type: 'token' },
    { response_mode: 'fragment' },
    { code_challenge: undefined },
    { code_challenge_method: 'plain' },
    { resource: 'https://unknown.test/mcp' },
    { resource: `${notes.uri}#f` },
    { scope: '"' },
    { prompt: 'none login' },
    { max_age: '-1' },
    { request: 'x' },
  ]
  for (const change of refused) {
    const { status, headers, location } = await ask(change)
    expect([303, 400], JSON.stringify(change)).toContain(status)
    expect(location ?? '', JSON.stringify(change)).not.toContain('/oauth/interactions/')
    expect(headers.getSetCookie(), JSON.stringify(change)).toEqual([])
  }
  expect(rows).toBe(0)
  expect(isAccepted(await ask())).toBe(true)
  expect(rows).toBe(1)
  interactions.create = create
})

describe('what a client hears', () => {
  test('names who says it, as the metadata promises', async () => {
    const response = await fetch(`${house.gateway.issuer}/.well-known/oauth-authorization-server`)
    const { issuer } = house.gateway
    expect(await response.json()).toMatchObject({
      issuer,
      authorization_response_iss_parameter_supported: true,
    })
  })

  test.each([
    'x'.repeat(4096),
    'a&code=evil',
    'a%26code%3Devil',
    'é€😀',
    '\r\nSet-Cookie: x=1',
    '"><script>',
    ' + %20 ',
    '#fragment',
  ])('has the state byte for byte: %j', async (state) => {
    const browser = newBrowser()
    const page = await browser.get(urlFor(house, notes, { state }))
    const denied = callbackOf(await browser.submit(page, { button: 'deny' }))
    expect(denied).toMatchObject({ state, error: 'access_denied', iss: house.gateway.issuer })
    const stop = await browser.walk(urlFor(house, notes, { state }), ['allow'])
    const told = callbackOf(stop)
    expect(Object.keys(told).sort()).toEqual(['code', 'iss', 'state'])
    expect(told.state).toBe(state)
    expect(new URL(stop.url).searchParams.getAll('iss')).toEqual([house.gateway.issuer])
    expect(stop.headers.getSetCookie().join()).not.toContain('x=1')
  })

  test('has no state where it sent none or an empty one, and an error for one that is too long', async () => {
    for (const state of [undefined, '']) {
      expect(errorAt(await ask({ state, response_type: 'x' }))).not.toHaveProperty('state')
    }
    expect(errorAt(await ask({ state: 'x'.repeat(4097) })).error).toBe('invalid_request')
  })

  test('comes behind the query of its address, which stays as it was registered', async () => {
    const { clientId } = await preRegister(house, { redirect_uris: [withQuery] })
    const { location } = await ask({ client_id: clientId, redirect_uri: withQuery, response_type: 'x' })
    expect(location?.startsWith(`${withQuery}&error=unsupported_response_type&`)).toBe(true)
  })

  test('an address that brings an answer of its own cannot be registered', async () => {
    for (const query of ['iss=https://evil.test', 'code=x', 'state=x', 'error=x', '%63ode=x', 'a=1&iss=']) {
      await expect(
        registerClient(house.gateway, { redirect_uris: [`https://c.test/cb?${query}`] }),
        query,
      ).rejects.toThrow('400')
    }
  })
})

describe('nobody uses us to send people elsewhere', () => {
  const wrongs = [{ scope: '"' }, { prompt: 'none' }, { response_type: 'x' }, { resource: 'x' }]

  test.each(wrongs)('a client nobody approved: %j is told on a page that names the host', async (wrong) => {
    const stop = await newBrowser().get(
      urlFor({ ...house, clientId: remote }, notes, { redirect_uri: remoteUri, ...wrong }),
    )
    expect(stop.left).toBe(false)
    expect(stop.status).toBe(400)
    expect(stop.text).toContain('Continue to c.test')
    const [link] = stop.links.filter(({ href }) => href.startsWith(remoteUri))
    expect(Object.fromEntries(new URL(link?.href ?? '').searchParams)).toHaveProperty('error')
    expect(stop.html).not.toMatch(/http-equiv|<script/)
  })

  test('nor told by a redirect when the error comes later', async () => {
    const clientId = await registerClient(house.gateway, { redirect_uris: [remoteUri] })
    const browser = newBrowser()
    const page = await browser.get(urlFor({ ...house, clientId }, notes, { redirect_uri: remoteUri }))
    await openRoom(house, 'notes', { enabled: false })
    const stop = await browser.get(page.url)
    await openRoom(house, 'notes')
    expect(stop.left).toBe(false)
    expect(stop.text).toContain('Continue to c.test')
  })

  describe('a yes vouches for an address to the person who gave it, and to nobody else', () => {
    let url: string
    const approver = newBrowser()
    const wrong = () => `${url}&response_mode=x`

    beforeAll(async () => {
      const clientId = await registerClient(house.gateway, { redirect_uris: [remoteUri, withQuery] })
      url = urlFor({ ...house, clientId }, notes, { redirect_uri: remoteUri })
      expect(callbackOf(await approver.walk(url, ['allow']))).toHaveProperty('code')
    })

    async function expectInterstitial(browser: Browser, at = wrong()) {
      const stop = await browser.get(at)
      expect(stop.left).toBe(false)
      expect(stop.text).toContain('Continue to c.test')
    }

    test('they are told by a redirect, silently asked too', async () => {
      expect(callbackOf(await approver.get(wrong())).error).toBe('invalid_request')
      expect(callbackOf(await approver.get(`${url}&prompt=none`)).error).toBe('consent_required')
    })

    test('whoever is signed in as somebody else, or as nobody, is told on the page', async () => {
      await expectInterstitial(newBrowser())
      await expectInterstitial(newBrowser(), `${url}&prompt=none`)
      house.newPerson()
      const victim = newBrowser()
      await enter(house, notes, { browser: victim })
      await expectInterstitial(victim)
      await expectInterstitial(victim, `${url}&prompt=none`)
    })

    test('nor does it vouch for another address of the client, or after the session has ended', async () => {
      const elsewhere = wrong().replace(encodeURIComponent(remoteUri), encodeURIComponent(withQuery))
      await expectInterstitial(approver, elsewhere)
      house.clock.advance(8 * 3_600 + 1)
      await expectInterstitial(approver)
    })

    test('in the authorization in which it was given, an error comes by a redirect already', async () => {
      house.newPerson()
      house.github.control.deny()
      const stop = await newBrowser().walk(url, ['allow'])
      house.newPerson()
      expect(callbackOf(stop).error).toBe('access_denied')
    })
  })
})

const asEvil: Record<string, string>[] = [
  { host: 'evil.test' },
  { 'x-forwarded-host': 'evil.test', 'x-forwarded-proto': 'https', 'x-forwarded-port': '444' },
  { forwarded: 'host=evil.test;proto=https' },
  { 'x-original-url': '/admin', 'x-rewrite-url': '/admin' },
]

describe('what goes upstream', () => {
  test('is ours: nothing of the client’s but the login hint, whatever it adds', async () => {
    const browser = browserStoppingAt(githubAuthorize(house))
    const url = urlFor(house, notes, {
      login_hint: 'x&redirect_uri=https://evil.test&state=evil',
      state: 'state-canary',
      nonce: 'nonce-canary',
      audience: 'evil',
      access_type: 'online',
      display: 'page',
      'scope[]': 'admin:org',
      claims: '{}',
    })
    const stop = await browser.walk(url, ['allow'])
    const asked = new URL(stop.url).searchParams
    expect([...asked.keys()].sort()).toEqual([
      'allow_signup',
      'client_id',
      'code_challenge',
      'code_challenge_method',
      'login',
      'redirect_uri',
      'response_type',
      'scope',
      'state',
    ])
    expect(asked.get('login')).toBe('x&redirect_uri=https://evil.test&state=evil')
    expect(asked.get('redirect_uri')).toBe(`${house.gateway.issuer}/oauth/callback/github`)
    expect(asked.get('scope')).toBe('read:user user:email repo offline_access')
    expect(asked.get('code_challenge_method')).toBe('S256')
    for (const canary of ['canary', house.clientId]) expect(stop.url).not.toContain(canary)
  })

  test('is new every time', async () => {
    const browser = browserStoppingAt(githubAuthorize(house))
    const seen = new Set<string>()
    for (let count = 0; count < 50; count += 1) {
      const asked = new URL((await browser.walk(urlFor(house, notes), ['allow'])).url).searchParams
      expect(asked.get('state')).toMatch(/^cc_state_[\w-]{43}$/)
      seen.add(asked.get('state') ?? '').add(asked.get('code_challenge') ?? '')
    }
    expect(seen.size).toBe(100)
  })

  test('carries a nonce where the provider speaks OpenID Connect, a new one every time', async () => {
    const agenda = await openRoom(house, 'agenda')
    for (const _ of [1, 2, 3]) await enter(house, agenda, { presses: ['allow'] })
    const nonces = house.google.calls('GET /o/oauth2/v2/auth').map(({ query }) => String(query.nonce))
    expect(nonces.length).toBeGreaterThanOrEqual(3)
    expect(new Set(nonces).size).toBe(nonces.length)
    for (const nonce of nonces) expect(nonce).toMatch(/^[\w-]{43}$/)
  })

  test('names the callback of the issuer, whatever the gateway is called on the way', async () => {
    for (const headers of asEvil) {
      const browser = browserStoppingAt(githubAuthorize(house))
      const page = await browser.get(urlFor(house, notes), { headers })
      const shown = page.forms[0]?.fields.find(({ name }) => name === 'shown')?.value ?? ''
      const form = { decision: 'allow', shown }
      const stop = await browser.post(page.url, form, { from: page.url, headers })
      const asked = new URL(stop.url).searchParams
      expect(asked.get('redirect_uri')).toBe(`${house.gateway.issuer}/oauth/callback/github`)
      expect(stop.url).not.toContain('evil')
    }
  })
})

describe('the endpoint', () => {
  test.each(asEvil)('has its own name, whatever it is called: %j', async (headers) => {
    const answer = await ask({}, '', headers)
    expect(isAccepted(answer)).toBe(true)
    const metadata = await fetch(`${house.gateway.issuer}/.well-known/oauth-authorization-server`, {
      headers,
    })
    const text = await metadata.text()
    expect(JSON.parse(text)).toMatchObject({ issuer: house.gateway.issuer })
    expect(text).not.toContain('evil')
  })

  test('is for navigations, not for scripts of other sites', async () => {
    const answer = await ask({}, '', { origin: 'https://evil.test' })
    expect(answer.headers.get('access-control-allow-origin')).toBeNull()
    const preflight = await fetch(`${house.gateway.issuer}/oauth/authorize`, {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.test', 'access-control-request-method': 'GET' },
    })
    expect(preflight.headers.get('access-control-allow-origin')).toBeNull()
  })

  test('takes a form as well as a query, and neither in another method', async () => {
    const { issuer } = house.gateway
    const post = (body: string) =>
      fetch(`${issuer}/oauth/authorize`, {
        method: 'POST',
        redirect: 'manual',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body,
      })
    const browser = newBrowser()
    const page = await browser.post(`${issuer}/oauth/authorize`, new URLSearchParams(defaults()))
    expect(page.text).toContain('asks to use notes for you')
    for (const odd of ['a=\r\nLocation: https://evil.test/', 'a=#&b=é', '\ud800', '']) {
      const response = await post(odd)
      expect(response.status, odd).toBe(303)
      expect(response.headers.get('location')?.startsWith(`${issuer}/oauth/authorize?`), odd).toBe(true)
      expect((await fetch(response.headers.get('location') ?? '')).status, odd).toBe(400)
    }
    expect((await post('a='.padEnd(9000, 'x'))).status).toBe(413)
    expect((await post('a='.padEnd(70_000, 'x'))).status).toBe(413)
    for (const method of ['HEAD', 'PUT', 'DELETE', 'PATCH']) {
      expect((await fetch(`${issuer}/oauth/authorize`, { method })).status, method).toBe(405)
    }
  })

  test('redirects with 303 alone, so that no browser sends a form on to where it leads', async () => {
    const either = await openRoom(house, 'either')
    const browser = newBrowser()
    await browser.post(`${house.gateway.issuer}/oauth/authorize`, new URLSearchParams(defaults()))
    const stop = await browser.walk(urlFor(house, either), ['github', 'allow'])
    expect(callbackOf(stop)).toHaveProperty('code')
    await browser.submit(await browser.get(urlFor(house, notes)), { button: 'deny' })
    const ours = browser.steps.filter(({ url }) => url.startsWith(house.gateway.issuer))
    const posts = ours.filter(({ method }) => method === 'POST')
    expect(posts.length).toBeGreaterThanOrEqual(4)
    const redirects = ours.filter(({ status }) => status >= 300 && status < 400)
    expect(redirects.length).toBeGreaterThan(posts.length)
    expect(redirects.filter(({ status }) => status !== 303)).toEqual([])
  })

  test('does not mind what it does not know, nor in which order it comes', async () => {
    const reversed = new URLSearchParams(Object.entries(defaults()).reverse())
    const url = `${house.gateway.issuer}/oauth/authorize?unknown=1&${reversed}&unknown=2&__proto__=x&constructor=y`
    const response = await fetch(url, { redirect: 'manual' })
    expect(response.status).toBe(303)
  })
})
