import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  calendar,
  enter,
  fetchToken,
  type House,
  type Person,
  type Room,
  startHouse,
  visit,
} from '../support/house.ts'
import { callbackOf } from '../support/page.ts'
import { claimsOf, newBrowser } from '../support/world.ts'

let house: House
/** Needs GitHub, takes Google where it is given, and Atlassian for one of its scopes. */
let desk: Room
let ada: Person

beforeAll(async () => {
  house = await startHouse()
  desk = await house.open('desk', {
    scopes: { 'notes.read': 'Read your notes', tickets: 'Work on your tickets' },
    providers: [
      { provider: 'github', scopes: ['repo'] },
      { provider: 'google', scopes: [calendar], required: false },
      { provider: 'atlassian', scopes: ['read:jira-work'], for: ['tickets'] },
    ],
  })
})
afterAll(() => house.stop())
beforeEach(() => {
  ada = house.newPerson()
})

/** The browser's trips to providers since the last look. */
function tripCounter() {
  let before = house.trips()
  return () => {
    const now = house.trips()
    const since = Object.entries(now).map(([id, count]) => [id, count - before[id as keyof typeof before]])
    before = now
    return Object.fromEntries(since)
  }
}

const none = { github: 0, google: 0, atlassian: 0 }

test('where several providers could sign in, the person chooses, consents once, and only then goes upstream', async () => {
  const trips = tripCounter()
  const upstreamCalls = () =>
    [house.github, house.google, house.atlassian].flatMap((standin) => standin.log()).length
  const before = upstreamCalls()
  const { stop: choice, browser } = await visit(house, desk, { presses: [] })
  expect(choice.status).toBe(200)
  expect(choice.text).toContain('Sign in to continue')
  expect(choice.forms.flatMap(({ buttons }) => buttons.map(({ value }) => value))).toEqual([
    'github',
    'google',
  ])
  const consent = await browser.submit(choice, { button: 'github' })
  expect(consent.text).toContain('asks to use desk for you')
  expect(consent.text).toContain('You will be sent to GitHub to sign in.')
  for (const word of ['notes.read', 'repo', calendar]) expect(consent.text).toContain(word)
  expect(consent.text).not.toContain('Atlassian')
  expect(trips()).toEqual(none)
  expect(upstreamCalls()).toBe(before)

  const back = await browser.submit(consent, { button: 'allow' })
  expect(callbackOf(back)).toHaveProperty('code')
  expect(trips()).toEqual({ github: 1, google: 1, atlassian: 0 })
})

test('one flow connects both, and each is released as the person’s own', async () => {
  const { tsid, tokens } = await enter(house, desk)
  const github = await fetchToken(house, desk, tsid, 'github')
  expect(github.status).toBe(200)
  expect(github.body.account).toMatchObject({ label: ada.github })
  const google = await fetchToken(house, desk, tsid, 'google')
  expect(google.status).toBe(200)
  expect(google.body.account).toMatchObject({ label: ada.google })
  expect(google.body.scope).toContain(calendar)
  expect(claimsOf(tokens.access_token).scope).toBe('notes.read')
})

test('whoever is signed in with both connected is asked for consent and nothing else', async () => {
  const { browser } = await enter(house, desk)
  const trips = tripCounter()
  const { stop: consent } = await visit(house, desk, { browser, presses: [] })
  expect(consent.text).toContain(`Signed in as ${ada.github}.`)
  expect(consent.text).toContain(`You are connected there as ${ada.google}.`)
  const back = await browser.submit(consent, { button: 'allow' })
  expect(callbackOf(back)).toHaveProperty('code')
  expect(trips()).toEqual(none)
})

describe('the required provider', () => {
  test('denied while signing in there ends the flow with access_denied', async () => {
    house.github.control.deny()
    const { stop } = await visit(house, desk)
    expect(callbackOf(stop)).toMatchObject({
      error: 'access_denied',
      state: 'state-of-the-client',
      iss: house.gateway.issuer,
    })
  })

  test('denied after signing in elsewhere ends the flow with access_denied, and no session exists', async () => {
    house.github.control.deny()
    const trips = tripCounter()
    const { stop } = await visit(house, desk, { presses: ['google', 'allow'] })
    expect(callbackOf(stop)).toMatchObject({ error: 'access_denied' })
    expect(trips()).toEqual({ github: 1, google: 1, atlassian: 0 })
    const people = await house.gateway.admin<{ items: { id: string }[] }>(
      'GET',
      `/subjects?label=${ada.google}`,
    )
    const [person] = people.items
    const sessions = await house.gateway.admin('GET', `/token-sessions?state=any&subject_id=${person?.id}`)
    expect(sessions.items).toEqual([])
  })
})

describe('the optional provider', () => {
  const expectUnconnected = async (tsid: string) => {
    expect((await fetchToken(house, desk, tsid, 'github')).status).toBe(200)
    const { status, body } = await fetchToken(house, desk, tsid, 'google')
    expect(status).toBe(404)
    expect(body).toMatchObject({ error_code: 'not_connected', who_must_act: 'user' })
    expect(body.connect_url).toMatch(new RegExp(`^${house.gateway.issuer}/connect/cc_link_[\\w-]{43}$`))
  }

  test('left out by the person is never visited, and retrieval says not_connected with a link', async () => {
    const trips = tripCounter()
    const { tsid } = await enter(house, desk, {
      presses: ['github', { button: 'allow', fields: { provider: [] } }],
    })
    expect(trips()).toEqual({ github: 1, google: 0, atlassian: 0 })
    await expectUnconnected(tsid)
  })

  test('left out stays out of this session even where the person has it connected', async () => {
    const { browser } = await enter(house, desk)
    const { tsid } = await enter(house, desk, {
      browser,
      presses: [{ button: 'allow', fields: { provider: [] } }],
    })
    await expectUnconnected(tsid)
  })

  test('denied at the provider is left out, and the flow goes on', async () => {
    house.google.control.deny()
    const { tsid } = await enter(house, desk)
    await expectUnconnected(tsid)
  })

  test('out of order at its token endpoint is left out, and the flow goes on', async () => {
    house.google.control.script({ on: 'POST /token', effect: { kind: 'respond', status: 503 } })
    const { tsid } = await enter(house, desk)
    await expectUnconnected(tsid)
  })

  test('that grants less than was asked is left out, and the flow goes on', async () => {
    house.google.control.untick([calendar])
    const { tsid } = await enter(house, desk)
    house.google.control.untick([])
    await expectUnconnected(tsid)
  })

  test('left out can still sign the person in, and then keeps no tokens', async () => {
    const { tsid } = await enter(house, desk, {
      presses: ['google', { button: 'allow', fields: { provider: [] } }],
    })
    await expectUnconnected(tsid)
    const asked = house.google.calls('GET /o/oauth2/v2/auth').at(-1)?.query
    expect(asked?.scope).toBe('openid email profile')
    expect(asked).not.toHaveProperty('access_type')
  })
})

describe('a provider that only one scope asks for', () => {
  test('stands on the consent page and is visited where that scope is granted', async () => {
    const trips = tripCounter()
    const parameters = { scope: 'notes.read tickets' }
    const { stop: choice, browser } = await visit(house, desk, { presses: [], parameters })
    expect(choice.forms.flatMap(({ buttons }) => buttons.map(({ value }) => value))).toContain('atlassian')
    const consent = await browser.submit(choice, { button: 'github' })
    expect(consent.text).toContain('At Atlassian, desk could')
    const { tsid, tokens } = await enter(house, desk, { parameters })
    expect(claimsOf(tokens.access_token).scope).toBe('notes.read tickets')
    expect(trips()).toEqual({ github: 1, google: 1, atlassian: 1 })
    const { status, body } = await fetchToken(house, desk, tsid, 'atlassian')
    expect(status).toBe(200)
    expect(body.account).toMatchObject({ label: ada.atlassian })
  })

  test('is connected later by a link where that scope was not granted at first', async () => {
    const { tsid } = await enter(house, desk)
    const { body } = await fetchToken(house, desk, tsid, 'atlassian')
    expect(body).toMatchObject({ error_code: 'not_connected', who_must_act: 'user' })
  })
})

describe('a further provider', () => {
  test('adds a connection and no identity: signing in with it is somebody else', async () => {
    const { tokens } = await enter(house, desk)
    const { sub } = claimsOf(tokens.access_token)
    type People = { items: { id: string; identities: { provider: string }[] }[] }
    const { items } = await house.gateway.admin<People>('GET', `/subjects?label=${ada.github}`)
    expect(items).toMatchObject([{ id: sub, identities: [{ provider: 'github' }] }])
    const connections = await house.gateway.admin<{ items: { provider: string }[] }>(
      'GET',
      `/connections?subject_id=${sub}`,
    )
    expect(connections.items.map(({ provider }) => provider).sort()).toEqual(['github', 'google'])
    const lobby = await house.open('lobby', { providers: [{ provider: 'google', scopes: [] }] })
    const other = await enter(house, lobby)
    expect(claimsOf(other.tokens.access_token).sub).not.toBe(sub)
  })

  test('whose account signs somebody else in is refused, and nothing is kept of it', async () => {
    const bob = ada
    const browserOfBob = newBrowser()
    await enter(house, desk, { browser: browserOfBob, presses: ['google', 'allow'] })
    const cy = house.newPerson()
    house.seat({ google: bob.google })
    const { stop } = await visit(house, desk)
    expect(stop.left).toBe(false)
    expect(stop.status).toBe(409)
    expect(stop.text).toContain('This Google account belongs to somebody else here')
    const people = await house.gateway.admin<{ items: { id: string }[] }>(
      'GET',
      `/subjects?label=${cy.github}`,
    )
    const held = await house.gateway.admin<{ items: { provider: string }[] }>(
      'GET',
      `/connections?subject_id=${people.items[0]?.id}`,
    )
    expect(held.items.map(({ provider }) => provider)).toEqual(['github'])
  })
})
