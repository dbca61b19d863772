import { discoverAuthorizationServerMetadata } from '@modelcontextprotocol/sdk/client/auth.js'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Browser, createBrowser } from '../support/browser.ts'
import { linkFor } from '../support/connect-links.ts'
import { calendar, enter, fetchToken, type House, type Room, startHouse, visit } from '../support/house.ts'
import { callbackOf } from '../support/page.ts'
import { basic, newBrowser, redirectUri, refresh } from '../support/world.ts'

const deskProviders = [
  { provider: 'github', scopes: ['repo'] },
  { provider: 'google', scopes: [calendar], required: false },
]
const leaveGoogleOut = ['github', { button: 'allow', fields: { provider: [] } }]

describe('an issuer with a path', () => {
  let house: House
  let desk: Room
  let origin: string
  beforeAll(async () => {
    house = await startHouse({ env: (port) => ({ COATCHECK_ISSUER: `http://localhost:${port}/tenant` }) })
    desk = await house.open('desk', { providers: deskProviders })
    origin = new URL(house.gateway.issuer).origin
  })
  afterAll(() => house.stop())

  const statusOf = async (url: string, init: RequestInit = {}) =>
    (await fetch(url, { redirect: 'manual', ...init })).status

  test.each([
    ['GET', '/oauth/authorize', 400],
    ['GET', '/oauth/interactions/int_x', 400],
    ['GET', '/oauth/callback/github?state=x&code=y', 400],
    ['POST', '/oauth/token', 401],
    ['POST', '/oauth/register', 400],
    ['POST', '/oauth/revoke', 401],
    ['POST', '/oauth/introspect', 401],
    ['GET', '/v1/token-sessions/ts_x', 401],
    ['GET', '/v1/token-sessions/ts_x/tokens/github', 401],
    ['GET', '/admin/v1/providers', 401],
    ['GET', '/healthz', 200],
    ['GET', '/readyz', 200],
    ['GET', '/.well-known/jwks.json', 200],
  ])('%s %s is under it and nowhere else', async (method, path, status) => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    const json = { 'content-type': 'application/json' }
    const init =
      method === 'POST' ? { method, headers: path === '/oauth/register' ? json : form, body: '{}' } : {}
    expect(await statusOf(`${house.gateway.issuer}${path}`, init)).toBe(status)
    expect(await statusOf(`${origin}${path}`, init)).toBe(404)
    expect(await statusOf(`${origin}/other${path}`, init)).toBe(404)
  })

  test.each(['oauth-authorization-server', 'openid-configuration'])(
    'its %s is where the path is inserted and where it is appended, and says the same',
    async (name) => {
      const inserted = await fetch(`${origin}/.well-known/${name}/tenant`)
      const appended = await fetch(`${origin}/tenant/.well-known/${name}`)
      const metadata = (await inserted.json()) as Record<string, unknown>
      expect(await appended.json()).toEqual(metadata)
      expect(metadata.issuer).toBe(`${origin}/tenant`)
      const endpoints = Object.entries(metadata).filter(([key]) => /(_endpoint|_uri)$/.test(key))
      expect(endpoints).toHaveLength(6)
      for (const [, url] of endpoints) expect(String(url).startsWith(`${origin}/tenant/`)).toBe(true)
      expect(await statusOf(`${origin}/.well-known/${name}`)).toBe(404)
    },
  )

  test('a real MCP client finds it', async () => {
    const metadata = await discoverAuthorizationServerMetadata(house.gateway.issuer)
    expect(metadata?.issuer).toBe(house.gateway.issuer)
    expect(metadata?.token_endpoint).toBe(`${house.gateway.issuer}/oauth/token`)
  })

  test('people sign in, tokens say its whole name, and links lead under it', async () => {
    house.newPerson()
    const { stop } = await visit(house, desk)
    expect(callbackOf(stop)).toMatchObject({ iss: house.gateway.issuer })
    const { tokens, tsid, browser } = await enter(house, desk, { presses: leaveGoogleOut })
    const keys = createRemoteJWKSet(new URL(`${house.gateway.issuer}/.well-known/jwks.json`))
    const { payload } = await jwtVerify(tokens.access_token, keys, {
      issuer: house.gateway.issuer,
      audience: desk.uri,
    })
    expect(payload.tsid).toBe(tsid)
    expect((await fetchToken(house, desk, tsid, 'github')).status).toBe(200)
    expect((await refresh(house, tokens.refresh_token)).status).toBe(200)
    const link = await linkFor(house, desk, tsid, 'google')
    expect(link.url.startsWith(`${origin}/tenant/connect/cc_link_`)).toBe(true)
    const done = await browser.walk(link.url, ['continue'])
    expect(done.text).toContain('desk can now work with your Google account')
    for (const { url } of browser.steps.filter((step) => step.url.startsWith(origin))) {
      expect(new URL(url).pathname.startsWith('/tenant/')).toBe(true)
    }
  })

  test('over http on loopback cookies have plain names, and nobody is told to use https', async () => {
    const browser = newBrowser()
    const { stop } = await visit(house, desk, { browser, presses: [] })
    expect(browser.cookies.list().map(({ name, secure }) => [name, secure])).toEqual([
      [expect.stringMatching(/^coatcheck-browser-/), false],
    ])
    expect(stop.headers.has('strict-transport-security')).toBe(false)
  })
})

describe('an https issuer behind a proxy', () => {
  let house: House
  let desk: Room
  beforeAll(async () => {
    // On loopback still, or the gateway would not speak to stand-ins.
    house = await startHouse({ env: () => ({ COATCHECK_ISSUER: 'https://localhost' }) })
    desk = await house.open('desk', { providers: deskProviders })
  })
  afterAll(() => house.stop())

  const proxied = () =>
    createBrowser({
      redirectUris: [redirectUri],
      served: { 'https://localhost': house.gateway.url },
    })

  test('people sign in, retrieve and connect through it', async () => {
    const ada = house.newPerson()
    const { tokens, tsid, browser } = await enter(house, desk, {
      browser: proxied(),
      presses: leaveGoogleOut,
    })
    expect((await fetchToken(house, desk, tsid, 'github')).body.account).toMatchObject({ label: ada.github })
    const link = await linkFor(house, desk, tsid, 'google')
    expect(link.url.startsWith('https://localhost/connect/')).toBe(true)
    expect((await browser.walk(link.url, ['continue'])).text).toContain('can now work')
    expect((await refresh(house, tokens.refresh_token)).status).toBe(200)
  })

  test('cookies are __Host-, Secure, HttpOnly and Lax, and there are no others', async () => {
    house.newPerson()
    const { browser } = await enter(house, desk, { browser: proxied() })
    const ours = browser.cookies.list().filter(({ host }) => host === 'localhost')
    expect(ours.map(({ name }) => name).sort()).toEqual([
      expect.stringMatching(/^__Host-coatcheck-browser-/),
      '__Host-coatcheck-session',
    ])
    for (const cookie of ours) {
      expect(cookie).toMatchObject({
        secure: true,
        httpOnly: true,
        sameSite: 'lax',
        path: '/',
        subdomains: false,
      })
    }
  })

  test('a cookie that a sibling host could plant signs nobody in', async () => {
    house.newPerson()
    const { browser } = await enter(house, desk, { browser: proxied() })
    const session = browser.cookies.find('__Host-coatcheck-session')
    const bindings = (of: Browser) =>
      of.cookies.list().filter(({ name }) => name.startsWith('__Host-coatcheck-browser-'))
    const [binding] = bindings(browser)
    if (!session || !binding) throw new Error('the browser has no session')
    const victim = proxied()
    victim.cookies.plant({ ...session, name: 'coatcheck-session' })
    victim.cookies.plant({ ...binding, name: 'coatcheck-browser-x' })
    const { stop } = await visit(house, desk, { browser: victim, presses: [] })
    expect(stop.text).toContain('Sign in to continue')
    expect(bindings(victim).map(({ value }) => value)).not.toContain(binding.value)
  })

  test('every answer says that https is the only way', async () => {
    const { gateway } = house
    const answers = await Promise.all([
      fetch(`${gateway.url}/oauth/authorize`),
      fetch(`${gateway.url}/.well-known/oauth-authorization-server`),
      fetch(`${gateway.url}/oauth/token`, { method: 'POST' }),
      fetch(`${gateway.url}/v1/token-sessions/ts_x`, { headers: { authorization: basic(desk.credential) } }),
      fetch(`${gateway.url}/admin/v1/providers`),
      fetch(`${gateway.url}/nothing`),
    ])
    for (const { headers } of answers) {
      expect(headers.get('strict-transport-security')).toBe('max-age=31536000')
    }
    const metadata = (await answers[1]?.json()) as Record<string, unknown>
    expect(metadata.authorization_endpoint).toBe('https://localhost/oauth/authorize')
  })
})
