import { createHash } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { RunningGateway } from '../../src/main.ts'
import { enterAging, type Session } from '../support/aging.ts'
import { type FailingStore, failingStore } from '../support/failing-store.ts'
import { fetchToken, type House, type ProviderName, startHouse } from '../support/house.ts'
import { until } from '../support/until.ts'
import { basic } from '../support/world.ts'

// Promise 5 across processes: one of them refreshes, and what one leaves behind another finishes.

let house: House
/** The same house, entered by the other gateway. */
let beside: House
let other: RunningGateway
/** Of the first gateway. */
let store: FailingStore
let letGo: (() => void) | undefined
/** What the first gateway was asked as it stopped. */
let unanswered: Promise<unknown> | undefined

const routes = {
  github: 'POST /login/oauth/access_token',
  google: 'POST /token',
  atlassian: 'POST /oauth/token',
}
const lifetimes = { github: 28_800, google: 3_599, atlassian: 3_600 }
const scopes = {
  github: ['repo'],
  google: ['https://www.googleapis.com/auth/calendar.readonly'],
  atlassian: ['read:jira-work'],
}
/** Longer than any lease. */
const tooLong = 60

beforeAll(async () => {
  house = await startHouse({
    chores: 'none',
    file: { limits: { upstream_deadline: 2, discovery_deadline: 1 } },
  })
  other = await house.gateway.replica()
  beside = { ...house, gateway: { ...house.gateway, url: other.url } }
  store = failingStore(house.gateway.running().gateway.store)
})
afterAll(async () => {
  await other.stop()
  await house.stop()
})
afterEach(async () => {
  letGo?.()
  // What it does late is not to be taken for what the next test waits for.
  await unanswered
  for (const name of ['github', 'google', 'atlassian'] as const) house[name].control.clearScripts()
})

const calls = (provider: ProviderName) => house[provider].calls(routes[provider]).length
const sent = (provider: ProviderName) =>
  house[provider].calls(routes[provider]).map(({ body }) => (body as Record<string, unknown>).refresh_token)

let rooms = 0
async function start(provider: ProviderName): Promise<Session> {
  house.newPerson()
  const room = await house.open(`room${++rooms}`, { providers: [{ provider, scopes: scopes[provider] }] })
  return await enterAging(house, room, provider)
}

async function startExpired(provider: ProviderName): Promise<Session> {
  const session = await start(provider)
  await session.age(lifetimes[provider] + 1)
  return session
}

const fetchBeside = (session: Session, provider: ProviderName, query: Record<string, string> = {}) =>
  fetchToken(beside, session.room, session.tsid, provider, query)

/** Has the first gateway stop for good in the middle of a refresh, as if it died there, and waits until it has. */
async function dieBefore(
  session: Session,
  provider: ProviderName,
  mortal: string[],
): Promise<() => Promise<unknown>> {
  const before = calls(provider)
  const seen = store.calls().length
  letGo = store.hold(mortal)
  const asked = session.fetch()
  unanswered = asked
  await house[provider].arrived(routes[provider], before + 1)
  // The answer is there when the call that is held is.
  const isHeld = () =>
    store
      .calls()
      .slice(seen)
      .some((name) => mortal.includes(name))
  await until(isHeld)
  return async () => {
    letGo?.()
    return await asked
  }
}

describe('two gateways on one database', () => {
  test.each(['github', 'google', 'atlassian'] as const)(
    'that fifty ask at the same moment ask %s once, and all get its token',
    async (provider) => {
      const session = await startExpired(provider)
      const before = calls(provider)
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          index % 2 === 0 ? session.fetch() : fetchBeside(session, provider),
        ),
      )
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
      expect(new Set(answers.map(({ body }) => body.access_token)).size).toBe(1)
      expect(calls(provider)).toBe(before + 1)
    },
  )

  test('agree that a provider is left alone after a failure', async () => {
    const session = await startExpired('github')
    house.github.control.script({ on: routes.github, effect: { kind: 'respond', status: 502, body: 'no' } })
    expect((await session.fetch()).body.error_code).toBe('upstream_unavailable')
    const before = calls('github')
    expect((await fetchBeside(session, 'github')).body.error_code).toBe('upstream_unavailable')
    expect(calls('github')).toBe(before)
    house.clock.advance(31)
    expect((await fetchBeside(session, 'github')).status).toBe(200)
  })
})

describe('a resource that rejects whatever token it gets', () => {
  test('costs the provider one refresh, whichever gateway hears of it', async () => {
    const session = await start('github')
    const before = calls('github')
    let token = (await session.fetch()).body.access_token
    for (let count = 0; count < 10; count++) {
      const query = { rejected: createHash('sha256').update(String(token)).digest('base64url') }
      const { body } = await (count % 2 ? session.fetch(query) : fetchBeside(session, 'github', query))
      token = body.access_token
    }
    expect(calls('github')).toBe(before + 1)
  })
})

describe('a gateway that stands still', () => {
  /** Has the first gateway stop with the answer of a call of the store, and waits until it has. */
  async function standStillAfter(
    session: Session,
    call: string,
  ): Promise<() => ReturnType<Session['fetch']>> {
    const seen = store.calls().length
    letGo = store.hold([call], 'after')
    const asked = session.fetch()
    unanswered = asked
    await until(() => store.calls().slice(seen).includes(call))
    return async () => {
      letGo?.()
      return await asked
    }
  }

  test.each(['refreshLeases.find', 'connections.find'])(
    'after %s, while another refreshes, sends nothing that was replaced',
    async (call) => {
      const session = await startExpired('github')
      const before = calls('github')
      const goOn = await standStillAfter(session, call)
      const { body } = await fetchBeside(session, 'github')
      expect((await goOn()).body.access_token).toBe(body.access_token)
      expect(calls('github')).toBe(before + 1)
    },
  )

  test('between saying what it is about to send and sending it, until another has done so, does not send it', async () => {
    const session = await startExpired('github')
    const before = calls('github')
    const goOn = await standStillAfter(session, 'refreshLeases.take')
    house.clock.advance(tooLong)
    const { body } = await fetchBeside(session, 'github')
    expect((await goOn()).body.access_token).toBe(body.access_token)
    expect(calls('github')).toBe(before + 1)
  })

  test('as long, and was not missed, sends it after all', async () => {
    const session = await startExpired('github')
    const before = calls('github')
    const goOn = await standStillAfter(session, 'refreshLeases.take')
    house.clock.advance(tooLong)
    expect((await goOn()).status).toBe(200)
    expect(calls('github')).toBe(before + 1)
  })
})

describe('a gateway that is stopped', () => {
  test('first ends what nobody waits for any more, and costs nobody anything', async () => {
    const session = await startExpired('github')
    const before = calls('github')
    const third = await house.gateway.replica()
    house.github.control.script({ on: routes.github, effect: { kind: 'hold' } })
    const gaveUp = new AbortController()
    const asked = fetch(`${third.url}/v1/token-sessions/${session.tsid}/tokens/github`, {
      headers: { authorization: basic(session.room.credential) },
      signal: gaveUp.signal,
    })
    await house.github.arrived(routes.github, before + 1)
    gaveUp.abort()
    await expect(asked).rejects.toThrow()
    const stopped = third.stop()
    // By now it takes nobody in any more.
    await until(() =>
      fetch(third.url).then(
        () => false,
        () => true,
      ),
    )
    house.github.control.release()
    await stopped
    expect((await session.fetch()).status).toBe(200)
    expect(calls('github')).toBe(before + 1)
  })
})

describe('a gateway that dies with the answer of a provider in its hands', () => {
  const nothing = ['refreshLeases.keepAnswer']

  test('costs nothing where the provider lets the old token be sent again', async () => {
    const session = await startExpired('atlassian')
    const before = calls('atlassian')
    await dieBefore(session, 'atlassian', nothing)
    house.clock.advance(tooLong)
    const { status, body } = await fetchBeside(session, 'atlassian')
    expect(status).toBe(200)
    const [first, second] = sent('atlassian').slice(before)
    expect(second).toBe(first)
    // The pair it brought is a good one.
    await session.age(lifetimes.atlassian + 1)
    expect((await fetchBeside(session, 'atlassian')).status).toBe(200)
    expect(body.access_token).toBeTypeOf('string')
  })

  test('costs nothing there though nobody asks for so long that it could not be sent again', async () => {
    const { leftBehind } = other.gateway
    const session = await startExpired('atlassian')
    const before = calls('atlassian')
    await dieBefore(session, 'atlassian', nothing)
    // Its lease has not ended.
    expect(await leftBehind.isThere()).toBe(false)
    house.clock.advance(tooLong)
    expect(await leftBehind.isThere()).toBe(true)
    await leftBehind.takeUp()
    expect(await leftBehind.isThere()).toBe(false)
    house.clock.advance(1_200)
    expect((await fetchBeside(session, 'atlassian')).status).toBe(200)
    expect(calls('atlassian')).toBe(before + 2)
  })

  test('is not taken up again while its provider is left alone, nor by two at once', async () => {
    const third = await house.gateway.replica()
    const all = [other.gateway.leftBehind, third.gateway.leftBehind] as const
    const session = await startExpired('atlassian')
    await dieBefore(session, 'atlassian', nothing)
    house.clock.advance(tooLong)
    const before = calls('atlassian')
    house.atlassian.control.script({
      on: routes.atlassian,
      effect: { kind: 'respond', status: 502, body: 'no' },
    })
    await all[0].takeUp()
    expect(await all[0].isThere()).toBe(false)
    await all[0].takeUp()
    expect(calls('atlassian')).toBe(before + 1)
    house.clock.advance(31)
    expect(await all[0].isThere()).toBe(true)
    await Promise.all(all.map(({ takeUp }) => takeUp()))
    expect(calls('atlassian')).toBe(before + 2)
    expect((await fetchBeside(session, 'atlassian')).status).toBe(200)
    await third.stop()
  })

  test('is left as it is while its provider is disabled, in nobody’s way', async () => {
    const { leftBehind } = other.gateway
    const session = await startExpired('atlassian')
    await dieBefore(session, 'atlassian', nothing)
    house.clock.advance(tooLong)
    const { atlassian: definition } = house.definitions
    await house.gateway.admin('PUT', '/providers/atlassian', { ...definition, enabled: false })
    const isThere = await leftBehind.isThere()
    await house.gateway.admin('PUT', '/providers/atlassian', definition)
    expect({ disabled: isThere, enabled: await leftBehind.isThere() }).toEqual({
      disabled: false,
      enabled: true,
    })
    await leftBehind.takeUp()
  })

  test('is not missed where no session wants the connection any more', async () => {
    const session = await startExpired('atlassian')
    await dieBefore(session, 'atlassian', nothing)
    house.clock.advance(tooLong)
    const { items } = await house.gateway.admin<{ items: { id: string; tsid: string }[] }>(
      'GET',
      '/token-sessions',
    )
    for (const { id } of items) await house.gateway.admin('DELETE', `/token-sessions/${id}`)
    expect(await other.gateway.leftBehind.isThere()).toBe(false)
  })

  test('costs a sign-in where it does not, after exactly one more try', async () => {
    const session = await startExpired('github')
    const before = calls('github')
    await dieBefore(session, 'github', nothing)
    house.clock.advance(tooLong)
    for (let count = 0; count < 5; count++) expect((await fetchBeside(session, 'github')).status).toBe(424)
    expect(calls('github')).toBe(before + 2)
  })

  test('costs nothing anywhere once the answer is stored as it came, and the provider is not asked again', async () => {
    const session = await startExpired('github')
    const before = calls('github')
    await dieBefore(session, 'github', ['connections.replaceTokens'])
    house.clock.advance(tooLong)
    const { status, body } = await fetchBeside(session, 'github')
    expect(status).toBe(200)
    expect(body.access_token).toBe(house.github.control.issued().at(-2)?.value)
    // It lives from when it was answered, not from when it was read.
    expect(Number(body.expires_in)).toBeLessThanOrEqual(lifetimes.github - tooLong)
    expect(calls('github')).toBe(before + 1)
    await session.age(lifetimes.github + 1)
    expect((await fetchBeside(session, 'github')).status).toBe(200)
  })

  test('costs nothing where the token in the stored answer has ended, too: the next one is asked for', async () => {
    const session = await startExpired('github')
    const before = calls('github')
    await dieBefore(session, 'github', ['connections.replaceTokens'])
    await session.age(lifetimes.github + 1)
    const { status, body } = await fetchBeside(session, 'github')
    expect({ status, expiresIn: body.expires_in }).toEqual({ status: 200, expiresIn: lifetimes.github })
    expect(calls('github')).toBe(before + 2)
  })

  test('can overwrite nothing when it comes back', async () => {
    const session = await startExpired('atlassian')
    const comeBack = await dieBefore(session, 'atlassian', nothing)
    house.clock.advance(tooLong)
    const { body } = await fetchBeside(session, 'atlassian')
    const late = (await comeBack()) as Awaited<ReturnType<typeof fetchBeside>>
    expect(late.body.access_token).toBe(body.access_token)
    expect((await session.fetch()).body.access_token).toBe(body.access_token)
  })

  test('can call nothing dead when it comes back, nor let go of what another holds', async () => {
    const session = await startExpired('atlassian')
    house.atlassian.control.script({
      on: routes.atlassian,
      effect: { kind: 'respond', status: 403, body: { error: 'invalid_grant' } },
    })
    const comeBack = await dieBefore(session, 'atlassian', ['connections.markDead'])
    house.clock.advance(tooLong)
    const before = calls('atlassian')
    house.atlassian.control.script({ on: routes.atlassian, effect: { kind: 'hold' } })
    const asked = fetchBeside(session, 'atlassian')
    await house.atlassian.arrived(routes.atlassian, before + 1)
    const late = comeBack()
    house.atlassian.control.release()
    expect((await asked).status).toBe(200)
    expect(((await late) as Awaited<typeof asked>).status).toBe(200)
    expect(calls('atlassian')).toBe(before + 1)
  })
})

describe('while another gateway refreshes and does not end', () => {
  test('a token that lives is served', async () => {
    const session = await start('github')
    const first = await session.fetch()
    await session.age(lifetimes.github - 100)
    await dieBefore(session, 'github', ['refreshLeases.keepAnswer'])
    const { status, body } = await fetchBeside(session, 'github')
    expect({ status, token: body.access_token }).toEqual({ status: 200, token: first.body.access_token })
  })

  test('one that has ended is waited for, and not for ever', async () => {
    const session = await startExpired('github')
    await dieBefore(session, 'github', ['refreshLeases.keepAnswer'])
    const { status, body } = await fetchBeside(session, 'github')
    expect(status).toBe(503)
    expect(body).toMatchObject({ error_code: 'refresh_busy', who_must_act: 'nobody', retry_after: 1 })
  })
})
