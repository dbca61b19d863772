import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Browser, Stop } from '../support/browser.ts'
import { askForLink } from '../support/connect-links.ts'
import { runs } from '../support/database.ts'
import { type House, type Person, type Room, startHouse } from '../support/house.ts'
import { randomFrom } from '../support/random.ts'
import { authorizeUrl, claimsOf, newBrowser, newPkce, registerClient, type Tokens } from '../support/world.ts'
import { approveAs, askAtProviders, isAtProvider, openRoom, tokensFor } from './steps.ts'

// People and tabs do whatever they like, in any order; whatever comes of it, what is promised holds.

let house: House
let rooms: Room[]
let people: Person[]
let clients: string[]

beforeAll(async () => {
  house = await startHouse()
  rooms = []
  for (const id of ['notes', 'gists', 'desk', 'loose', 'either'] as const)
    rooms.push(await openRoom(house, id))
  people = [house.newPerson(), house.newPerson(), house.newPerson()]
  clients = [house.clientId, await registerClient(house.gateway)]
  askAtProviders(house)
})
afterAll(() => house.stop())

type Tab = {
  at: Stop | undefined
  room: Room
  clientId: string
  verifier: string
  /** Where its flow can be looked at again. */
  interaction: string | undefined
}

/** A browser, whose people are those who ever picked their account in it. */
type Seat = { browser: Browser; tabs: Tab[]; people: Set<string>; yeses: number; codes: number }

type Session = { tokens: Tokens; room: Room; seat: Seat }

async function walk(seed: number, steps: number): Promise<Session[]> {
  const random = randomFrom(seed)
  const pick = <Item>(items: readonly Item[]) => items[random(items.length)] as Item
  const seats: Seat[] = [0, 1].map(() => ({
    browser: newBrowser(),
    tabs: [],
    people: new Set(),
    yeses: 0,
    codes: 0,
  }))
  const sessions: Session[] = []

  async function go(seat: Seat, tab: Tab, leads: () => Promise<Stop>): Promise<void> {
    const { steps } = seat.browser
    const before = steps.length
    const stop = await leads()
    expect(stop.status, stop.text).toBeLessThan(500)
    tab.at = stop
    const seen = steps.slice(before).findLast(({ url }) => url.includes('/int_'))
    tab.interaction = seen?.url ?? tab.interaction
    if (!stop.left || !stop.url.includes('code=')) return
    seat.codes += 1
    // Whoever registered itself never gets a code without a yes on our page.
    expect(seat.codes).toBeLessThanOrEqual(seat.yeses)
    const tokens = await tokensFor({ ...house, clientId: tab.clientId }, { stop, verifier: tab.verifier })
    sessions.push({ tokens, room: tab.room, seat })
  }

  async function open(seat: Seat): Promise<void> {
    const room = pick(rooms)
    const clientId = pick(clients)
    const { verifier, challenge } = newPkce()
    const prompt = pick([undefined, undefined, 'login', 'consent', 'select_account', 'none'])
    const url = authorizeUrl({ ...house, clientId }, challenge, {
      resource: room.uri,
      ...(prompt === undefined ? {} : { prompt }),
    })
    const tab: Tab = { at: undefined, room, clientId, verifier, interaction: undefined }
    seat.tabs.push(tab)
    await go(seat, tab, () => seat.browser.get(url))
  }

  async function press(seat: Seat, tab: Tab): Promise<void> {
    const { at } = tab
    if (!at) return
    if (isAtProvider(at)) {
      const person = pick(people)
      seat.people.add(person.name)
      await go(seat, tab, () => approveAs(seat.browser, at, person))
      return
    }
    const buttons = at.forms.flatMap((form) => form.buttons)
    if (at.left || buttons.length === 0) return
    // Mostly on, seldom away.
    const { value } = pick([
      ...buttons,
      ...buttons.filter(({ value: it }) => it === 'allow' || it === 'continue'),
    ])
    if (value === 'allow') seat.yeses += 1
    await go(seat, tab, () => seat.browser.submit(at, { button: value }))
  }

  async function followLink(seat: Seat): Promise<void> {
    if (sessions.length === 0) return
    const { tokens, room } = pick(sessions)
    const account = pick([undefined, 'new'])
    const tsid = String(claimsOf(tokens.access_token).tsid)
    const link = await askForLink(
      house,
      room,
      tsid,
      'github',
      account === undefined ? {} : { account },
    ).catch(() => undefined)
    if (!link) return
    const tab: Tab = { at: undefined, room, clientId: '', verifier: '', interaction: undefined }
    seat.tabs.push(tab)
    await go(seat, tab, () => seat.browser.get(link.url))
  }

  for (let step = 0; step < steps; step += 1) {
    const seat = pick(seats)
    const tab = seat.tabs.length > 0 ? pick(seat.tabs) : undefined
    const what = random(10)
    if (!tab || what === 0) await open(seat)
    else if (what === 1) await followLink(seat)
    else if (what === 2 && tab.interaction) {
      const again = tab.interaction
      await go(seat, tab, () => seat.browser.get(again))
    } else if (what === 3 && tab.interaction) {
      // Somebody was sent the address of another one's flow.
      const other = seats.find((each) => each !== seat) as Seat
      if (!other.browser.steps.some(({ url }) => url === tab.interaction)) {
        expect((await other.browser.get(tab.interaction)).status).toBeGreaterThanOrEqual(400)
      }
    } else await press(seat, tab)
  }
  return sessions
}

test.each([1, 2, 3, 4, 5, 6, 7, 8].slice(0, runs(8)))('walk %i', { timeout: 60_000 }, async (seed) => {
  const sessions = await walk(seed, 150)
  expect(sessions.length).toBeGreaterThan(0)
  const { store, providers } = house.gateway.running().gateway
  for (const { tokens, room, seat } of sessions) {
    const { tsid, sub } = claimsOf(tokens.access_token)
    const grant = await store.grants.findByTsid(String(tsid))
    const identities = await store.subjects.listIdentities(String(sub))
    // It is the session of somebody who said at a provider, in this browser, who they are.
    const names = identities.map(({ label }) => label.split('@')[0] ?? '')
    expect(grant?.subjectId).toBe(sub)
    expect([...seat.people]).toEqual(expect.arrayContaining(names))
    const resource = await store.resources.find(room.id)
    for (const connection of await store.connections.listForGrant(grant?.id ?? '')) {
      // What it draws on is that person's, and nothing beyond what the server may have.
      expect(connection.subjectId).toBe(sub)
      const allowed = resource?.document.providers.find(({ provider }) => provider === connection.provider)
      const identity = (await providers.find(connection.provider))?.descriptor.scopes.identity ?? []
      expect([...(allowed?.scopes ?? []), ...identity]).toEqual(expect.arrayContaining(connection.scopes))
    }
  }
})
