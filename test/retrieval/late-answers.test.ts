import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { RunningGateway } from '../../src/main.ts'
import { enterAging, type Session } from '../support/aging.ts'
import { type FailingStore, failingStore } from '../support/failing-store.ts'
import { enter, fetchToken, type House, type Room, startHouse } from '../support/house.ts'
import { until } from '../support/until.ts'
import { claimsOf } from '../support/world.ts'

// A provider that rotated did so whether anybody still waited for its answer or not, and whether the store was there or
// not. Nobody waits for longer than the deadline, and nothing is lost by that.

let house: House
/** The same house, entered by the other gateway. */
let beside: House
let other: RunningGateway
let room: Room
let store: FailingStore
let storeBeside: FailingStore
let session: Session

const route = 'POST /login/oauth/access_token'
const lifetime = 28_800
const backoff = 30
/** Longer than any lease. */
const tooLong = 60

beforeAll(async () => {
  const limits = { upstream_deadline: 1, discovery_deadline: 1, upstream_refresh_deadline: 5 }
  house = await startHouse({ file: { limits } })
  other = await house.gateway.replica()
  beside = { ...house, gateway: { ...house.gateway, url: other.url } }
  room = await house.open('room', { providers: [{ provider: 'github', scopes: ['repo'] }] })
  store = failingStore(house.gateway.running().gateway.store)
  storeBeside = failingStore(other.gateway.store)
})
afterAll(async () => {
  await other.stop()
  await house.stop()
})
beforeEach(async () => {
  house.newPerson()
  session = await enterAging(house, room, 'github')
})
afterEach(async () => {
  store.heal()
  storeBeside.heal()
  house.github.control.clearScripts()
  await house.gateway.running().gateway.tendRefreshes()
  // What a test leaves for providers is in no other test's way.
  await house.gateway.running().gateway.revocations.carryOutDue()
  house.clock.advance(3600)
  // What is revoked at its own time may ask the provider for a token, too.
  await house.gateway.running().gateway.revocations.carryOutDue()
})

const calls = () => house.github.calls(route).length
const tend = () => house.gateway.running().gateway.tendRefreshes()
const tendBeside = () => other.gateway.tendRefreshes()
const fetchBeside = () => fetchToken(beside, room, session.tsid, 'github')
const underWay = async () => {
  const { refreshLeases } = await house.gateway.running().gateway.readings()
  return Object.fromEntries(refreshLeases.map(({ labels, value }) => [labels.state, value]))
}
const newestToken = () =>
  house.github.control
    .issued()
    .filter(({ kind }) => kind === 'access_token')
    .at(-1)?.value

async function connectionIds(): Promise<string[]> {
  const { sub } = claimsOf(session.tokens.access_token)
  type Connections = { items: { id: string }[] }
  const { items } = await house.gateway.admin<Connections>('GET', `/connections?subject_id=${sub}`)
  return items.map(({ id }) => id)
}

async function works(token: unknown): Promise<boolean> {
  const headers = { authorization: `Bearer ${token}`, 'user-agent': 'test' }
  return (await fetch(`${house.github.api}/user`, { headers })).ok
}

/** Asks for the token that has ended, of a provider that says nothing until it is released. */
async function askInVain() {
  house.github.control.script({ on: route, effect: { kind: 'hold' } })
  const asked = await session.fetch()
  expect(asked.status).toBe(503)
  expect(asked.body).toMatchObject({ error_code: 'upstream_unavailable', retry_after: 5 })
  expect((await underWay()).late).toBe(1)
}

/** Lets the provider answer, and waits until that has arrived. */
async function letItCome(): Promise<void> {
  house.github.control.release()
  await until(async () => (await underWay()).late === 0)
}

/** What was being exchanged when it went is revoked once the answer can be here no more. */
async function tellTheRest(): Promise<void> {
  house.clock.advance(lifetime)
  const { revocations, store } = house.gateway.running().gateway
  await revocations.carryOutDue()
  expect((await store.upstreamRevocations.list({}, { limit: 10 })).rows).toEqual([])
}

describe('an answer that comes after everybody gave up', () => {
  test('is kept: who asks next gets its token, and the provider is not asked again', async () => {
    await session.age(lifetime + 1)
    const before = calls()
    await askInVain()
    const began = performance.now()
    expect((await session.fetch()).body.error_code).toBe('upstream_unavailable')
    expect(performance.now() - began).toBeLessThan(500)
    await letItCome()
    const { status, body } = await session.fetch()
    expect({ status, token: body.access_token }).toEqual({ status: 200, token: newestToken() })
    expect(calls()).toBe(before + 1)
    // The refresh token that came with it is a good one.
    await session.age(lifetime + 1)
    expect((await session.fetch()).status).toBe(200)
  })

  test('is no outage: a provider that is only slow is not left alone', async () => {
    const sessions = [session]
    for (let count = 0; count < 4; count++) {
      house.newPerson()
      sessions.push(await enterAging(house, room, 'github'))
    }
    await session.age(lifetime + 1)
    for (const each of sessions) await each.age(0)
    const stateOf = async () => (await house.gateway.running().gateway.readings()).providerState[0]?.value
    house.github.control.script({ on: route, times: 'always', effect: { kind: 'hold' } })
    const asked = await Promise.all(sessions.map((each) => each.fetch()))
    expect(asked.map(({ status }) => status)).toEqual([503, 503, 503, 503, 503])
    expect(await stateOf()).toBe(2)
    await letItCome()
    expect(await stateOf()).toBe(1)
    for (const each of sessions) expect((await each.fetch()).status).toBe(200)
  })

  test('leaves a token that lives served meanwhile', async () => {
    const first = await session.fetch()
    await session.age(lifetime - 100)
    house.github.control.script({ on: route, effect: { kind: 'hold' } })
    for (let count = 0; count < 3; count++) {
      const { status, body } = await session.fetch()
      expect({ status, token: body.access_token }).toEqual({ status: 200, token: first.body.access_token })
    }
    expect((await underWay()).late).toBe(1)
    await letItCome()
    expect((await session.fetch()).body.access_token).toBe(newestToken())
  })

  test('counts its life from when it was asked for', async () => {
    await session.age(lifetime + 1)
    await askInVain()
    house.clock.advance(50)
    await letItCome()
    expect(Number((await session.fetch()).body.expires_in)).toBeLessThanOrEqual(lifetime - 50)
  })

  test('keeps the lease for as long as that takes, and another gateway says at once how it stands', async () => {
    await session.age(lifetime + 1)
    const before = calls()
    await askInVain()
    for (let count = 0; count < 3; count++) {
      await tend()
      const began = performance.now()
      const { body } = await fetchBeside()
      expect(body).toMatchObject({ error_code: 'upstream_unavailable' })
      expect(Number(body.retry_after)).toBeLessThanOrEqual(10)
      expect(performance.now() - began).toBeLessThan(500)
      house.clock.advance(tooLong)
    }
    await letItCome()
    const answers = [await fetchBeside(), await session.fetch()]
    expect(answers.map(({ body }) => body.access_token)).toEqual([newestToken(), newestToken()])
    expect(calls()).toBe(before + 1)
  })

  test('and never, is given up in the end, and costs nothing', async () => {
    await session.age(lifetime + 1)
    const before = calls()
    await askInVain()
    await until(async () => (await underWay()).late === 0)
    house.github.control.clearScripts()
    expect((await session.fetch()).body.error_code).toBe('upstream_unavailable')
    expect(calls()).toBe(before + 1)
    house.clock.advance(backoff + 1)
    // What was held at the provider was let go, and rotated nothing that it had not been asked for in time.
    expect([200, 424]).toContain((await session.fetch()).status)
  })

  test('to a connection that was deleted meanwhile brings nothing back, and its token is revoked', async () => {
    await session.age(lifetime + 1)
    const [id] = await connectionIds()
    await askInVain()
    await house.gateway.admin('DELETE', `/connections/${id}`)
    await letItCome()
    expect(await connectionIds()).toEqual([])
    await house.gateway.running().gateway.revocations.carryOutDue()
    expect(await works(newestToken())).toBe(false)
    expect((await session.fetch()).status).toBe(404)
    await tellTheRest()
  })

  test('to a connection that was made anew meanwhile changes nothing about it', async () => {
    await session.age(lifetime + 1)
    const before = calls()
    await askInVain()
    house.clock.advance(1)
    const again = await enter(house, room, {
      browser: session.browser,
      parameters: { prompt: 'login' },
      presses: ['github', 'allow'],
    })
    const mine = await fetchToken(house, room, again.tsid, 'github')
    expect(mine.status).toBe(200)
    await letItCome()
    const late = newestToken()
    expect(late).not.toBe(mine.body.access_token)
    await house.gateway.running().gateway.revocations.carryOutDue()
    expect(await Promise.all([mine.body.access_token, late].map(works))).toEqual([true, false])
    expect((await fetchToken(house, room, again.tsid, 'github')).body.access_token).toBe(
      mine.body.access_token,
    )
    expect(calls()).toBe(before + 2)
    await tellTheRest()
  })
})

describe('a store that is away for longer than a lease when the answer comes', () => {
  const writes = ['refreshLeases.keepAnswer', 'connections.replaceTokens']

  test('gets it before another gateway, back as well, sends the old token again', async () => {
    await session.age(lifetime + 1)
    const before = calls()
    store.arm(writes, 'before')
    expect((await session.fetch()).body.error_code).toBe('gateway_unavailable')
    house.clock.advance(tooLong)
    const looked = storeBeside.calls().length
    const asked = fetchBeside()
    await until(
      () =>
        storeBeside
          .calls()
          .slice(looked)
          .filter((name) => name === 'refreshLeases.find').length > 2,
    )
    expect(calls()).toBe(before + 1)
    store.heal()
    await tend()
    const { status, body } = await asked
    expect({ status, token: body.access_token }).toEqual({ status: 200, token: newestToken() })
    expect(calls()).toBe(before + 1)
  })

  test('and took it in the end without saying so does not have it revoked as if it were somebody else’s', async () => {
    await session.age(lifetime + 1)
    store.arm(['refreshLeases.keepAnswer'], 'before')
    const held = store.hold(['connections.replaceTokens'])
    const asked = session.fetch()
    await until(() => store.calls().includes('connections.replaceTokens'))
    store.arm(['connections.replaceTokens'], 'after')
    held()
    await asked
    store.heal()
    await Promise.all([session.fetch(), tend(), tend(), session.fetch()])
    await house.gateway.running().gateway.revocations.carryOutDue()
    const { status, body } = await session.fetch()
    expect({ status, token: body.access_token }).toEqual({ status: 200, token: newestToken() })
    expect(await works(body.access_token)).toBe(true)
  })
})

test('a gateway that stood still while another stored its answer does not revoke what that brought', async () => {
  await session.age(lifetime + 1)
  const before = calls()
  const seen = store.calls().length
  const goOn = store.hold(['connections.replaceTokens'])
  const asked = session.fetch()
  await until(() => store.calls().slice(seen).includes('connections.replaceTokens'))
  house.clock.advance(tooLong)
  const { body } = await fetchBeside()
  goOn()
  expect((await asked).body.access_token).toBe(body.access_token)
  await house.gateway.running().gateway.revocations.carryOutDue()
  expect(await works(body.access_token)).toBe(true)
  expect(calls()).toBe(before + 1)
})

describe('an outage that the store did not take', () => {
  test('is none of a crash, however many gateways it happens to', async () => {
    await session.age(lifetime + 1)
    const before = calls()
    house.github.control.script({ on: route, times: 'always', effect: { kind: 'respond', status: 502 } })
    for (let round = 0; round < 2; round++) {
      for (const [failing, ask, see] of [
        [store, session.fetch, tend],
        [storeBeside, fetchBeside, tendBeside],
      ] as const) {
        failing.arm(['refreshLeases.release'], 'before')
        expect((await ask()).body.error_code).toBe('upstream_unavailable')
        failing.heal()
        await see()
        house.clock.advance(tooLong)
      }
    }
    expect(calls()).toBe(before + 4)
    house.github.control.clearScripts()
    expect((await session.fetch()).status).toBe(200)
  })

  test('nor is a lease of which nobody knows whether it was taken', async () => {
    await session.age(lifetime + 1)
    for (const [failing, ask, see] of [
      [store, session.fetch, tend],
      [storeBeside, fetchBeside, tendBeside],
      [store, session.fetch, tend],
    ] as const) {
      failing.arm(['refreshLeases.take'], 'after')
      expect((await ask()).body.error_code).toBe('gateway_unavailable')
      failing.heal()
      await see()
      house.clock.advance(tooLong)
    }
    expect((await fetchBeside()).status).toBe(200)
  })

  test('does not make nobody’s what a crash before it left in doubt', async () => {
    await session.age(lifetime + 1)
    const before = calls()
    // The first dies with the answer in its hands.
    const seen = store.calls().length
    const letGo = store.hold(['refreshLeases.keepAnswer'])
    const asked = session.fetch()
    await until(() => store.calls().slice(seen).includes('refreshLeases.keepAnswer'))
    house.clock.advance(tooLong)
    house.github.control.script({ on: route, effect: { kind: 'respond', status: 502 } })
    expect((await fetchBeside()).body.error_code).toBe('upstream_unavailable')
    const [id = ''] = await connectionIds()
    expect(await other.gateway.store.refreshLeases.find(id)).toMatchObject({ expiresAt: 0, attempts: 1 })
    house.clock.advance(backoff + 1)
    expect((await fetchBeside()).status).toBe(424)
    expect(calls()).toBe(before + 3)
    letGo()
    await asked
  })
})

test('a refresh token that no key here opens is no attempt, however often that is found out', async () => {
  await session.age(lifetime + 1)
  const before = calls()
  const [id = ''] = await connectionIds()
  const { rows } = house.gateway.database
  const [row] = await rows<{ sealed: string }>(
    'SELECT sealed_refresh_token AS sealed FROM connections WHERE id = ?',
    id,
  )
  const write = (sealed?: string) =>
    rows('UPDATE connections SET sealed_refresh_token = ? WHERE id = ?', sealed, id)
  await write('cc1.unknown-key.AAAA')
  for (const ask of [session.fetch, fetchBeside, session.fetch, fetchBeside]) {
    expect((await ask()).body.error_code).toBe('gateway_unavailable')
    house.clock.advance(tooLong)
  }
  await write(row?.sealed)
  expect((await session.fetch()).status).toBe(200)
  expect(calls()).toBe(before + 1)
})

describe('a refresh token that comes with what nobody can use', () => {
  test.each([
    ['a token of another type', { token_type: 'mac' }, 'provider_misconfigured'],
    ['no token', { access_token: null }, 'upstream_unavailable'],
    ['scopes nobody can read', { scope: 42 }, 'upstream_unavailable'],
  ])('%s, is kept and sent next', async (_what, json, code) => {
    await session.age(lifetime + 1)
    house.github.control.script({ on: route, effect: { kind: 'patch', json } })
    expect((await session.fetch()).body.error_code).toBe(code)
    const before = calls()
    expect((await session.fetch()).body.error_code).toBe(code)
    expect(calls()).toBe(before)
    house.clock.advance(backoff + 1)
    expect((await session.fetch()).status).toBe(200)
  })

  test('is kept where its answer was left unread, too, and through a store that fails', async () => {
    await session.age(lifetime + 1)
    house.github.control.script({ on: route, effect: { kind: 'patch', json: { token_type: 'mac' } } })
    store.arm(['connections.replaceTokens'], 'before')
    expect((await session.fetch()).body.error_code).toBe('provider_misconfigured')
    house.clock.advance(tooLong)
    expect((await fetchBeside()).body.error_code).toBe('provider_misconfigured')
    store.heal()
    await tend()
    house.clock.advance(backoff + 1)
    expect((await fetchBeside()).status).toBe(200)
  })
})

describe('a gateway that stops while a provider takes longer than anybody waits', () => {
  /** Another gateway that has given up waiting for the answer. */
  async function startLate(): Promise<{ third: RunningGateway; id: string }> {
    await session.age(lifetime + 1)
    const [id = ''] = await connectionIds()
    const third = await house.gateway.replica()
    house.github.control.script({ on: route, effect: { kind: 'hold' } })
    const there = { ...house, gateway: { ...house.gateway, url: third.url } }
    const { body } = await fetchToken(there, room, session.tsid, 'github')
    expect(body.error_code).toBe('upstream_unavailable')
    return { third, id }
  }

  test('waits for the answer, and stores it', async () => {
    const before = calls()
    const { third } = await startLate()
    const stopped = third.stop()
    await until(async () => !(await fetch(third.url).then(Boolean, () => false)))
    house.github.control.release()
    await stopped
    const { status, body } = await session.fetch()
    expect({ status, token: body.access_token }).toEqual({ status: 200, token: newestToken() })
    expect(calls()).toBe(before + 1)
  })

  test('does not wait for ever, and leaves no lease behind', async () => {
    const { third, id } = await startLate()
    const began = performance.now()
    await third.stop()
    expect(performance.now() - began).toBeLessThan(5_000)
    const { refreshLeases } = house.gateway.running().gateway.store
    expect(await refreshLeases.find(id)).toMatchObject({ expiresAt: 0, sentAt: null, attempts: 0 })
    expect((await session.fetch()).body.error_code).toBe('upstream_unavailable')
  })
})
