import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Browser, callbackOf, type Stop } from '../support/browser.ts'
import {
  enter,
  type House,
  type Person,
  type Room,
  startHouse,
  upstreamClient,
  visit,
} from '../support/house.ts'
import { newBrowser, redeem, registerClient } from '../support/world.ts'
import {
  approveAs,
  askAtProviders,
  isAtProvider,
  openRoom,
  preRegister,
  subjectNamed,
  tokensFor,
  urlFor,
} from './steps.ts'

// Whatever is disabled is refused at the very next step, and comes back with nothing lost.

let house: House
let desk: Room
let ada: Person
let browser: Browser
let clientId: string

beforeAll(async () => {
  house = await startHouse()
  desk = await openRoom(house, 'desk')
})
afterAll(() => house.stop())
beforeEach(async () => {
  ada = house.newPerson()
  browser = newBrowser()
  clientId = await registerClient(house.gateway)
})

const provider = (id: 'github' | 'google', enabled: boolean) =>
  house.gateway.admin('PUT', `/providers/${id}`, {
    descriptor: id,
    variables:
      id === 'github' ? { web: house.github.web, api: house.github.api } : { issuer: house.google.issuer },
    client_id: upstreamClient.clientId,
    admit: 'anyone',
    enabled,
  })

type Thing = { name: string; set(enabled: boolean): Promise<unknown> }

const things: Thing[] = [
  {
    name: 'the client',
    set: (enabled) => house.gateway.admin('PATCH', `/clients/${clientId}`, { enabled }),
  },
  { name: 'the server', set: (enabled) => openRoom(house, 'desk', { enabled }) },
  { name: 'the provider to sign in with', set: (enabled) => provider('github', enabled) },
  { name: 'the other provider it needs', set: (enabled) => provider('google', enabled) },
  {
    name: 'the person',
    set: async (enabled) =>
      house.gateway.admin('PATCH', `/subjects/${await subjectNamed(house, ada.github)}`, { enabled }),
  },
]

/** Signed in from before, so that the person is known all along. */
async function knownPerson(): Promise<void> {
  await enter(house, desk, { browser })
}

const gaveNothing = (stop: Stop) => {
  expect(stop.url).not.toContain('cc_code_')
  expect(stop.text).not.toContain('asks to use')
  expect(stop.status).toBeLessThan(500)
  return true
}

describe.each(things)('$name is disabled', ({ name, set }) => {
  const isPerson = name === 'the person'

  test('before the request', async () => {
    await knownPerson()
    await set(false)
    const stop = await browser.get(urlFor({ ...house, clientId }, desk))
    await set(true)
    // Without their session the person is anybody; who they are shows when they come back.
    if (!isPerson) gaveNothing(stop)
    else expect(stop.text).not.toContain('Signed in as')
  })

  test('while the page is shown', async () => {
    await knownPerson()
    const { stop: page, verifier } = await visit(house, desk, { browser, clientId, presses: [] })
    await set(false)
    const trips = house.trips()
    const stop = await browser.submit(page, { button: 'allow' })
    expect(house.trips()).toEqual(trips)
    await set(true)
    if (!isPerson) gaveNothing(stop)
    // Nothing is lost by it: enabled again, the flow goes on.
    const end = await browser.walk(page.url, ['allow'])
    await tokensFor({ ...house, clientId }, { stop: end, verifier })
  })

  test('while the person is at the provider', async () => {
    if (isPerson) {
      await enter(house, desk)
    }
    askAtProviders(house)
    const { stop: upstream } = await visit(house, desk, { browser, clientId, presses: ['allow'] })
    expect(isAtProvider(upstream)).toBe(true)
    const redeemed = house.github.calls('POST /login/oauth/access_token').length
    await set(false)
    const stop = await approveAs(browser, upstream, ada)
    await set(true)
    gaveNothing(stop)
    expect(isAtProvider(stop)).toBe(false)
    // Only who the person is can be known no earlier than that.
    const after = house.github.calls('POST /login/oauth/access_token').length
    expect(after - redeemed).toBe(isPerson ? 1 : 0)
  })

  test('while the person is at the second provider', async () => {
    askAtProviders(house)
    house.github.control.autoApprove(ada.github)
    const { stop: upstream } = await visit(house, desk, { browser, clientId, presses: ['allow'] })
    expect(isAtProvider(upstream)).toBe(true)
    await set(false)
    const stop = await approveAs(browser, upstream, ada)
    await set(true)
    gaveNothing(stop)
  })

  test('before the code is redeemed', async () => {
    await knownPerson()
    const { stop, verifier } = await visit(house, desk, { browser, clientId })
    const code = callbackOf(stop).code ?? ''
    await set(false)
    const answer = await redeem({ ...house, clientId }, { code, verifier })
    await set(true)
    expect(answer.status).toBe(name === 'the client' ? 401 : 400)
    // What was refused changed nothing.
    expect((await redeem({ ...house, clientId }, { code, verifier })).status).toBe(200)
  })
})

describe('an optional provider that is disabled', () => {
  test('is left out, and needed by nothing', async () => {
    const loose = await openRoom(house, 'loose')
    await provider('google', false)
    const { stop } = await visit(house, loose, { browser, presses: [] })
    expect(stop.text).not.toContain('Google')
    const end = await browser.submit(stop, { button: 'allow' })
    await provider('google', true)
    expect(callbackOf(end)).toHaveProperty('code')
  })
})

describe('a client that changes', () => {
  const redirect = 'https://client.test/cb'

  test('and is deleted takes its flows with it', async () => {
    const { stop: page } = await visit(house, desk, { browser, clientId, presses: [] })
    await house.gateway.admin('DELETE', `/clients/${clientId}`)
    for (const stop of [await browser.submit(page, { button: 'allow' }), await browser.get(page.url)]) {
      expect(stop.status).toBe(400)
      expect(stop.left).toBe(false)
    }
  })

  /** One that registered itself, and how it changes what it said of itself (RFC 7592). */
  async function selfRegistered() {
    const metadata = {
      client_name: 'Harmless',
      redirect_uris: ['http://127.0.0.1/callback'],
      token_endpoint_auth_method: 'none',
    }
    const send = async (method: string, url: string, body: unknown, token?: string) => {
      const headers = {
        'content-type': 'application/json',
        ...(token && { authorization: `Bearer ${token}` }),
      }
      const response = await fetch(url, { method, headers, body: JSON.stringify(body) })
      expect(response.ok).toBe(true)
      return (await response.json()) as Record<string, string>
    }
    const { issuer } = house.gateway
    const client = await send('POST', `${issuer}/oauth/register`, metadata)
    return {
      clientId: client.client_id ?? '',
      change: async (change: Record<string, unknown>) =>
        await send(
          'PUT',
          client.registration_client_uri ?? '',
          { client_id: client.client_id, ...metadata, ...change },
          client.registration_access_token,
        ),
    }
  }

  test('and takes another name while its page is shown is not allowed under the old one', async () => {
    const self = await selfRegistered()
    const { stop: page } = await visit(house, desk, { browser, clientId: self.clientId, presses: [] })
    expect(page.text).toContain('Harmless')
    await self.change({ client_name: 'Your bank' })
    const again = await browser.submit(page, { button: 'allow' })
    expect(again.text).toContain('Your bank')
    expect(again.text).toContain('asks to use desk for you')
  })

  test('and takes another name while the person is at the provider is asked about again', async () => {
    const self = await selfRegistered()
    askAtProviders(house)
    house.google.control.autoApprove(ada.google)
    const { stop: upstream } = await visit(house, desk, {
      browser,
      clientId: self.clientId,
      presses: ['allow'],
    })
    await self.change({ client_name: 'Your bank' })
    const again = await approveAs(browser, upstream, ada)
    expect(again.text).toContain('Your bank')
    expect(again.text).toContain('asks to use desk for you')
  })

  test('and gives up its address while the person is at the provider gets no answer there', async () => {
    const self = await selfRegistered()
    askAtProviders(house)
    const { stop: upstream } = await visit(house, desk, {
      browser,
      clientId: self.clientId,
      presses: ['allow'],
    })
    await self.change({ redirect_uris: ['https://elsewhere.test/cb'] })
    const stop = await approveAs(browser, upstream, ada)
    expect(stop.left).toBe(false)
    expect(stop.status).toBe(400)
    expect(stop.text).toContain('We will not send you there')
  })

  // An address that was let in by older rules, or by somebody who writes to the database.
  test('and has an unsafe address on record is sent nowhere, by a yes or by a no', async () => {
    const { clientId: unsafe } = await preRegister(house, { redirect_uris: [redirect] })
    const { clients, interactions } = house.gateway.running().gateway.store
    for (const address of ['javascript:alert(1)', 'data:text/html,x', 'https://evil.test/cb']) {
      const page = await browser.get(urlFor({ ...house, clientId: unsafe }, desk, { redirect_uri: redirect }))
      const now = house.clock.now()
      const row = await interactions.find(page.url.split('/').at(-1) ?? '', now)
      if (row?.request.kind !== 'authorization') throw new Error('no such interaction')
      await interactions.advance(row, { request: { ...row.request, redirectUri: address } }, now)
      if (address.startsWith('https:')) {
        for (const button of ['allow', 'deny']) await expectsNothing(await browser.submit(page, { button }))
        continue
      }
      const client = await clients.find(unsafe, now)
      if (!client) throw new Error('no such client')
      await clients.save(
        { ...client, metadata: { ...client.metadata, redirect_uris: [redirect, address] } },
        { id: `test-${address}`, at: now, event: 'client.changed', actor: 'test', outcome: 'ok', detail: {} },
      )
      for (const button of ['allow', 'deny']) await expectsNothing(await browser.submit(page, { button }))
    }
  })

  async function expectsNothing(stop: Stop): Promise<void> {
    expect(stop.left).toBe(false)
    expect(stop.status).toBe(400)
    expect(stop.headers.get('location')).toBeNull()
    expect(stop.html).not.toMatch(/javascript:|data:text|evil\.test/)
  }
})
