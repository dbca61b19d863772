import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createFlood, type Flood, pathOf, registration, thisMachine } from '../support/flood.ts'
import { createStillClock } from '../support/gateway.ts'
import { type Notes, startNotes } from '../support/notes.ts'
import { authorize, authorizeUrl, newBrowser, newPkce, redeem, refresh, signIn } from '../support/world.ts'

// What is stored of what anybody may send has a bound, however slowly it comes.

const limits = {
  unused_clients: 10,
  authorizations_under_way_per_client: 3,
  authorizations_under_way: 5,
  // What is per minute is another test's matter.
  registrations_per_address: 10_000,
  registrations: 10_000,
  authorizations_per_address: 10_000,
  authorizations_per_client: 10_000,
  authorizations: 10_000,
  returning_authorizations_per_person: 2,
}
const file = { limits, lifetimes: { protected_client: 600 } }
const day = 86_400

let notes: Notes
let flood: Flood
let addresses = 0

beforeAll(async () => {
  const env = () => ({ COATCHECK_TRUSTED_PROXIES: thisMachine })
  notes = await startNotes({ clock: createStillClock(), env, file })
  flood = createFlood(notes.gateway.issuer)
  await signIn(notes)
})
afterAll(async () => {
  flood.stop()
  await notes.stop()
})
// Nothing of the test before is under way, or young.
afterEach(() => notes.clock.advance(day))

/** From an address nobody has seen. */
const nowhere = () => `203.0.113.${++addresses % 250}`

async function register(headers: Record<string, string> = {}) {
  const sent = registration(nowhere(), { grant_types: ['authorization_code', 'refresh_token'] })
  const { status, wait, body } = await flood.forwarded({ ...sent, headers: { ...sent.headers, ...headers } })
  return { status, wait, id: String(JSON.parse(body).client_id) }
}

async function registerMany(count: number): Promise<string[]> {
  const ids: string[] = []
  for (let index = 0; index < count; index++) {
    const { status, id } = await register()
    expect(status).toBe(201)
    ids.push(id)
  }
  return ids
}

const begin = async (clientId: string, headers: Record<string, string> = {}) => {
  const url = authorizeUrl({ ...notes, clientId }, newPkce().challenge)
  return await flood.forwarded({ path: pathOf(url), from: nowhere(), headers })
}

const isThere = async (id: string) => {
  const { items } = await notes.gateway.admin<{ items: { client_id: string }[] }>('GET', '/clients?limit=100')
  return items.some(({ client_id: known }) => known === id)
}

/** Fills what there may be with registrations a second apart, the last of them now. */
async function fill(): Promise<string[]> {
  // Those of tests before are old, and go.
  const ids: string[] = []
  for (let index = 0; index < limits.unused_clients; index++) {
    notes.clock.advance(1)
    ids.push(...(await registerMany(1)))
  }
  return ids
}

describe('registrations nobody uses', () => {
  test('are so many, and the oldest goes first, but none that is young', async () => {
    const ids = await fill()
    const refused = await register()
    expect(refused).toMatchObject({ status: 429, wait: 600 - 9 })
    notes.clock.advance(refused.wait - 1)
    expect(await register()).toMatchObject({ status: 429, wait: 1 })
    expect(await isThere(String(ids[0]))).toBe(true)
    notes.clock.advance(1)
    expect((await register()).status).toBe(201)
    expect(await isThere(String(ids[0]))).toBe(false)
    for (const id of ids.slice(1)) expect(await isThere(id)).toBe(true)
  })

  test('stay while a person is on their way with one, or said yes to it, or it has a token', async () => {
    const [onTheWay = '', agreed = '', used = '', idle = '', ...rest] = await fill()
    const person = newBrowser()
    const { verifier, challenge } = newPkce()
    await authorize({ ...notes, clientId: agreed })
    const { tokens } = await signIn({ ...notes, clientId: used })
    notes.clock.advance(590)
    const opened = await person.get(authorizeUrl({ ...notes, clientId: onTheWay }, challenge))
    notes.clock.advance(10)
    // The one that has a token is none of these any more: there is room for one beside it.
    await registerMany(2)
    expect(await Promise.all([onTheWay, agreed, used].map(isThere))).toEqual([true, true, true])
    expect(await Promise.all([idle, ...rest].map(isThere))).toEqual([false, ...rest.map(() => true)])

    const stop = await person.walk(opened, ['allow'])
    const code = stop.left ? String(new URL(stop.url).searchParams.get('code')) : ''
    expect((await redeem({ ...notes, clientId: onTheWay }, { code, verifier })).status).toBe(200)
    expect((await refresh({ ...notes, clientId: used }, tokens.refresh_token)).status).toBe(200)
  })

  test('are not counted where an administrator let them in, and such are never displaced', async () => {
    const path = '/registration-tokens'
    const token = await notes.gateway.admin<{ initial_access_token: string }>('POST', path, { uses: 12 })
    await notes.gateway.restart({ ...file, registration: { policy: 'initial_access_token' } })
    const invited: string[] = []
    for (let index = 0; index < 12; index++) {
      const { status, id } = await register({ authorization: `Bearer ${token.initial_access_token}` })
      expect(status).toBe(201)
      invited.push(id)
    }
    const byHand = await notes.gateway.admin<{ client_id: string }>('POST', '/clients', {
      redirect_uris: ['https://client.test/cb'],
    })
    await notes.gateway.restart(file)
    notes.clock.advance(700)
    await fill()
    notes.clock.advance(700)
    await registerMany(5)
    for (const id of [...invited, byHand.client_id]) expect(await isThere(id)).toBe(true)
  })

  test('leave nothing in the record; one that is used enters it once', async () => {
    const registered = async (id: string) => {
      const path = `/audit-events?client_id=${id}&event=client.registered`
      return (await notes.gateway.admin<{ items: unknown[] }>('GET', path)).items
    }
    const [id = ''] = await registerMany(1)
    expect(await registered(id)).toEqual([])
    const { tokens } = await signIn({ ...notes, clientId: id })
    await refresh({ ...notes, clientId: id }, tokens.refresh_token)
    expect(await registered(id)).toMatchObject([{ actor: `client:${id}`, client_id: id }])
  })
})

describe('authorization requests under way', () => {
  test('are so many for one client, and the new one waits until one has ended', async () => {
    const [flooded = '', other = ''] = await registerMany(2)
    for (let index = 0; index < 3; index++) expect((await begin(flooded)).status).toBe(303)
    notes.clock.advance(100)
    expect(await begin(flooded)).toMatchObject({ status: 429, wait: 500 })
    expect((await begin(other)).status).toBe(303)
    notes.clock.advance(499)
    expect(await begin(flooded)).toMatchObject({ status: 429, wait: 1 })
    notes.clock.advance(1)
    expect((await begin(flooded)).status).toBe(303)
  })

  test('are so many in all, and those that are finished are none', async () => {
    const [one = '', two = '', three = ''] = await registerMany(3)
    await signIn({ ...notes, clientId: one })
    for (const id of [one, one, one, two, two]) expect((await begin(id)).status).toBe(303)
    expect((await begin(three)).status).toBe(429)
  })

  test('leave those who were here before a few of their own', async () => {
    const { browser } = await signIn(notes)
    for (let index = 0; index < 3; index++) expect((await begin(notes.clientId)).status).toBe(303)
    expect((await begin(notes.clientId)).status).toBe(429)
    const anew = await signIn(notes, { browser, parameters: { prompt: 'login' } })
    expect(anew.tokens.refresh_token).toBeDefined()
  })
})
