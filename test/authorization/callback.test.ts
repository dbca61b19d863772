import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { idTokenFaults } from '../../standins/google/id-token-faults.ts'
import { type Browser, callbackOf } from '../support/browser.ts'
import {
  enter,
  type House,
  type Person,
  type Room,
  startHouse,
  upstreamClient,
  visit,
} from '../support/house.ts'
import { claimsOf, newBrowser } from '../support/world.ts'
import {
  askAtProviders,
  browserStoppingAt,
  callbackUri,
  heldBy,
  isAtProvider,
  listed,
  openRoom,
  type RoomId,
  subjectNamed,
  tokensFor,
} from './steps.ts'

let house: House
const room = {} as Record<RoomId, Room>
let ada: Person

beforeAll(async () => {
  house = await startHouse()
  for (const id of ['notes', 'agenda', 'loose', 'desk'] as const) room[id] = await openRoom(house, id)
})
afterAll(() => house.stop())
beforeEach(() => {
  ada = house.newPerson()
})

const tokenRoute = 'POST /login/oauth/access_token'
const redemptions = () => house.github.calls(tokenRoute).length

type Caught = {
  /** What GitHub sent the browser back with. */
  url: string
  /** The same browser, which goes on from there. */
  browser: Browser
  interaction: string
  verifier: string
}

/** Says yes to everything, and stops before the callback is delivered. */
async function caught(at: Room = room.notes): Promise<Caught> {
  const stopping = browserStoppingAt(callbackUri(house, 'github'))
  const { stop, verifier } = await visit(house, at, { browser: stopping, presses: ['allow'] })
  expect(stop.url).toContain('code=')
  const browser = newBrowser()
  for (const cookie of stopping.cookies.list()) browser.cookies.plant(cookie)
  const interaction = stopping.steps.map(({ url }) => url).findLast((url) => url.includes('/int_')) ?? ''
  return { url: stop.url, browser, interaction, verifier }
}

function changed(url: string, change: (query: URLSearchParams) => void): string {
  const other = new URL(url)
  change(other.searchParams)
  return other.href
}

describe('a callback is believed only with the state it was sent with', () => {
  test('without it, with another or with two, nothing is redeemed and nothing is lost', async () => {
    const { url, browser } = await caught()
    const before = redemptions()
    const state = new URL(url).searchParams.get('state') ?? ''
    const others = [
      changed(url, (query) => query.delete('state')),
      changed(url, (query) => query.set('state', '')),
      changed(url, (query) => query.set('state', 'cc_state_unknown')),
      changed(url, (query) => query.set('state', state.toUpperCase())),
      changed(url, (query) => query.set('state', `${state} `)),
      changed(url, (query) => query.append('state', state)),
      changed(url, (query) => query.append('state', 'x')),
      changed(url, (query) => query.set('state[]', state)).replace(/([?&])state=[^&]*/, '$1'),
      callbackUri(house, 'github'),
    ]
    for (const other of others) expect((await browser.get(other)).status, other).toBe(400)
    const long = await browser.get(`${callbackUri(house, 'github')}?state=${'x'.repeat(1_000_000)}`)
    expect(long.status).toBeGreaterThanOrEqual(400)
    expect(long.status).toBeLessThan(500)
    expect(redemptions()).toBe(before)
    expect(callbackOf(await browser.get(url))).toHaveProperty('code')
  })

  test('once: the second time it is an error, and there is one redemption and one code', async () => {
    const { url, browser } = await caught()
    const before = redemptions()
    expect(callbackOf(await browser.get(url))).toHaveProperty('code')
    for (const again of [await browser.get(url), await newBrowser().get(url)]) expect(again.status).toBe(400)
    expect(redemptions()).toBe(before + 1)
  })

  test('once, too, when ten come at the same moment', async () => {
    const { url, browser } = await caught()
    const before = redemptions()
    const stops = await Promise.all(Array.from({ length: 10 }, () => browser.get(url)))
    expect(stops.filter(({ left }) => left)).toHaveLength(1)
    expect(stops.filter(({ status }) => status === 400)).toHaveLength(9)
    expect(redemptions()).toBe(before + 1)
  })

  test('for ten minutes, though nothing was swept', async () => {
    const before = redemptions()
    const late = await caught()
    house.clock.advance(600)
    expect((await late.browser.get(late.url)).status).toBe(400)
    expect((await late.browser.get(late.interaction)).status).toBe(400)
    expect(redemptions()).toBe(before)
    const early = await caught()
    house.clock.advance(500)
    expect(callbackOf(await early.browser.get(early.url))).toHaveProperty('code')
  })

  test('and not that of a trip that was given up for a new one', async () => {
    const { url, browser, interaction } = await caught()
    const before = redemptions()
    const second = await browser.get(interaction)
    expect(callbackOf(second)).toHaveProperty('code')
    expect((await browser.get(url)).status).toBe(400)
    expect(redemptions()).toBe(before + 1)
  })
})

describe('a callback is believed only on the path and from the issuer it was sent to', () => {
  test('one provider’s answer on another one’s path is no answer, and its code goes nowhere', async () => {
    const { url, browser } = await caught()
    const before = { github: redemptions(), google: house.google.calls('POST /token').length }
    for (const path of ['google', 'atlassian', 'unknown', 'GITHUB', 'github%00']) {
      const elsewhere = url.replace('/callback/github', `/callback/${path}`)
      // Where no issuer is named, the path alone tells whose answer it is.
      for (const answer of [elsewhere, changed(elsewhere, (query) => query.delete('iss'))]) {
        expect((await browser.get(answer)).status, answer).toBe(400)
      }
    }
    expect(redemptions()).toBe(before.github)
    expect(house.google.calls('POST /token')).toHaveLength(before.google)
    expect(callbackOf(await browser.get(url))).toHaveProperty('code')
  })

  test('another issuer’s name in it is no answer, nor are two', async () => {
    const { url, browser } = await caught()
    const before = redemptions()
    for (const change of [
      (query: URLSearchParams) => query.set('iss', house.google.issuer),
      (query: URLSearchParams) => query.set('iss', `${query.get('iss')}/`),
      (query: URLSearchParams) => query.append('iss', query.get('iss') ?? ''),
      (query: URLSearchParams) => query.append('code', 'other'),
      (query: URLSearchParams) => query.delete('code'),
      (query: URLSearchParams) => query.set('code', ''),
    ]) {
      expect((await browser.get(changed(url, change))).status).toBe(400)
    }
    expect(redemptions()).toBe(before)
    expect(callbackOf(await browser.get(url))).toHaveProperty('code')
  })

  test('a code of another person’s flow is not redeemed with this one’s verifier', async () => {
    const mine = await caught()
    const foreign = await caught()
    const code = new URL(foreign.url).searchParams.get('code') ?? ''
    const stop = await mine.browser.get(changed(mine.url, (query) => query.set('code', code)))
    expect(callbackOf(stop)).toMatchObject({ error: 'access_denied' })
    expect(await subjectNamed(house, ada.github)).toBeUndefined()
  })
})

describe('what a provider says instead of a code', () => {
  const hostile = '<img src=x onerror=alert(1)>"\'&'

  test('reaches the client in our words alone', async () => {
    house.github.control.deny()
    house.github.control.nextCallback({
      set: { error_description: hostile, error_uri: 'javascript:alert(1)', extra: hostile },
      remove: [],
      append: [],
    })
    const { stop } = await visit(house, room.notes)
    const told = callbackOf(stop)
    expect(told).toMatchObject({
      error: 'access_denied',
      state: 'state-of-the-client',
      iss: house.gateway.issuer,
    })
    expect(Object.keys(told).sort()).toEqual(['error', 'error_description', 'iss', 'state'])
    expect(stop.url).not.toMatch(/alert|img|javascript/)
  })

  test('is not shown where it cannot be believed', async () => {
    const query = new URLSearchParams({ state: hostile, error: hostile, error_description: hostile })
    const stop = await newBrowser().get(`${callbackUri(house, 'github')}?${query}`)
    expect(stop.status).toBe(400)
    expect(stop.html).not.toMatch(/<img|onerror/)
    expect(stop.headers.get('referrer-policy')).toBe('no-referrer')
    expect(stop.headers.get('cache-control')).toBe('no-store')
  })

  test('ends the flow, and leaves nobody signed in', async () => {
    house.github.control.deny()
    const browser = newBrowser()
    await visit(house, room.notes, { browser })
    expect(browser.cookies.find('coatcheck-session')).toBeUndefined()
    const interaction = browser.steps.map(({ url }) => url).findLast((url) => url.includes('/int_')) ?? ''
    expect((await browser.get(interaction)).status).toBe(400)
  })

  test.each([
    ['an outage', { kind: 'respond', status: 503 }, 'temporarily_unavailable'],
    ['a cut connection', { kind: 'drop', when: 'before' }, 'temporarily_unavailable'],
    [
      'a refused client',
      { kind: 'respond', status: 200, body: { error: 'incorrect_client_credentials' } },
      'server_error',
    ],
    [
      'a refused code',
      { kind: 'respond', status: 200, body: { error: 'bad_verification_code' } },
      'access_denied',
    ],
  ] as const)('%s at the token endpoint is told to the client', async (_, effect, error) => {
    house.github.control.script({ on: tokenRoute, effect })
    const browser = newBrowser()
    const { stop } = await visit(house, room.notes, { browser })
    expect(callbackOf(stop)).toMatchObject({ error, iss: house.gateway.issuer })
    expect(browser.cookies.find('coatcheck-session')).toBeUndefined()
  })

  test('nothing at all about who it is, is no sign-in', async () => {
    for (const effect of [
      { kind: 'respond', status: 500 },
      { kind: 'respond', status: 200, body: {} },
      { kind: 'respond', status: 200, body: { id: null, login: 'ada' } },
      { kind: 'respond', status: 200, body: '<html>' },
    ] as const) {
      house.github.control.script({ on: 'GET /user', effect })
      const { stop } = await visit(house, room.notes)
      expect(callbackOf(stop)).toHaveProperty('error')
    }
    expect(await subjectNamed(house, ada.github)).toBeUndefined()
  })
})

describe('an ID token is verified whole', () => {
  const harmless = ['none', 'missing-name']

  test.each(idTokenFaults.filter((fault) => !harmless.includes(fault)))(
    'with %s nobody is signed in',
    async (fault) => {
      house.google.control.set({ idTokenFault: fault })
      const browser = newBrowser()
      const { stop } = await visit(house, room.agenda, { browser, presses: ['allow'] })
      house.google.control.set({ idTokenFault: 'none' })
      expect(callbackOf(stop)).toHaveProperty('error')
      expect(callbackOf(stop)).not.toHaveProperty('code')
      expect(browser.cookies.find('coatcheck-session')).toBeUndefined()
      expect(await subjectNamed(house, ada.google)).toBeUndefined()
    },
  )
})

describe('a provider grants less than was asked', () => {
  const asGoogle = async (at: Room) => {
    askAtProviders(house)
    house.github.control.autoApprove(ada.github)
    const browser = newBrowser()
    const visited = await visit(house, at, { browser, presses: ['allow'] })
    expect(isAtProvider(visited.stop)).toBe(true)
    const ticks = visited.stop.forms[0]?.fields.filter(({ name }) => name.startsWith('tick:')) ?? []
    const unticked = Object.fromEntries(ticks.map(({ name }) => [name, []]))
    const user = /value="([^"]*)"[^>]*><span>/.exec(
      visited.stop.html.slice(visited.stop.html.lastIndexOf('<label', visited.stop.html.indexOf(ada.google))),
    )?.[1]
    const stop = await browser.submit(visited.stop, {
      button: 'Authorize',
      fields: { ...unticked, user: user ?? '' },
    })
    return { ...visited, stop, browser }
  }

  test('which is not enough for a server that needs it, and the client is told', async () => {
    const { stop } = await asGoogle(room.desk)
    expect(callbackOf(stop)).toMatchObject({ error: 'access_denied' })
  })

  test('which leaves out a provider that need not be there', async () => {
    const visited = await asGoogle(room.loose)
    const { access_token: token } = await tokensFor(house, visited)
    const held = await heldBy(house, room.loose, String(claimsOf(token).tsid))
    expect(held.map(({ provider }) => provider)).toEqual(['github'])
    const kept = await listed<{ provider: string; scopes: string[] }>(
      house,
      `/connections?subject_id=${claimsOf(token).sub}&provider=google`,
    )
    for (const { scopes } of kept) expect(scopes.sort()).toEqual(['email', 'openid', 'profile'])
  })
})

describe('while a code is being redeemed', () => {
  /** Holds the redemption, lets something happen, and says where the browser came to rest. */
  async function meanwhile(happens: (caught: Caught) => Promise<unknown>, at: Room = room.notes) {
    const flow = await caught(at)
    const count = redemptions()
    house.github.control.script({ on: tokenRoute, effect: { kind: 'hold' } })
    const coming = flow.browser.get(flow.url)
    await house.github.arrived(tokenRoute, count + 1)
    await happens(flow)
    house.github.control.release()
    return { ...flow, stop: await coming }
  }

  test('another tab that sets out on the same trip does not keep this one from its end', async () => {
    const another = browserStoppingAt(`${house.github.web}/login/oauth/authorize`)
    let upstream = ''
    let trips = 0
    const { stop } = await meanwhile(async ({ browser, interaction }) => {
      for (const cookie of browser.cookies.list()) another.cookies.plant(cookie)
      upstream = (await another.get(interaction)).url
      expect(upstream).toContain('state=')
      trips = house.trips().github
    })
    expect(callbackOf(stop)).toHaveProperty('code')
    expect(house.trips().github).toBe(trips)
    // The other trip is over: what it brings is no answer any more.
    const late = newBrowser()
    for (const cookie of another.cookies.list()) late.cookies.plant(cookie)
    expect((await late.get(upstream)).status).toBe(400)
  })

  test('a provider that is deleted leaves nothing behind', async () => {
    const { items } = await house.gateway.admin<{ items: unknown[] }>('GET', '/providers')
    expect(items).not.toHaveLength(0)
    const definition = { ...house.definitions.github, client_secret: upstreamClient.clientSecret }
    const { stop } = await meanwhile(() => house.gateway.admin('DELETE', '/providers/github'))
    const left = await listed(house, '/connections?provider=github&limit=200')
    await house.gateway.admin('PUT', '/providers/github', definition)
    expect(left).toEqual([])
    expect(stop.url).not.toContain('code=cc_code_')
  })

  test('a server that is disabled gives no code', async () => {
    const { stop } = await meanwhile(() => openRoom(house, 'notes', { enabled: false }))
    await openRoom(house, 'notes')
    expect(callbackOf(stop)).toMatchObject({ error: 'invalid_target' })
  })

  test('a person who is deleted is nobody, and it is no fault of ours', async () => {
    const { browser } = await enter(house, room.notes)
    const id = await subjectNamed(house, ada.github)
    // Signed in, and on the way to a second connection.
    const gists = await openRoom(house, 'gists')
    const stopping = browserStoppingAt(callbackUri(house, 'github'))
    for (const cookie of browser.cookies.list()) stopping.cookies.plant(cookie)
    const { stop } = await visit(house, gists, { browser: stopping, presses: ['allow'] })
    const count = redemptions()
    house.github.control.script({ on: tokenRoute, effect: { kind: 'hold' } })
    const coming = browser.get(stop.url)
    await house.github.arrived(tokenRoute, count + 1)
    await house.gateway.admin('DELETE', `/subjects/${id}`)
    house.github.control.release()
    const end = await coming
    expect(end.status).toBeLessThan(500)
    expect(end.url).not.toContain('cc_code_')
    expect(await listed(house, `/connections?subject_id=${id}`)).toEqual([])
  })
})
