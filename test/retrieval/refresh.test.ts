import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { auditEvent } from '../../src/audit/event.ts'
import { enterAging, type Session } from '../support/aging.ts'
import { failingStore } from '../support/failing-store.ts'
import { calendar, type House, type ProviderName, startHouse, upstreamClient } from '../support/house.ts'
import { claimsOf } from '../support/world.ts'

// One upstream refresh for everybody (promise 5), and what becomes of the token it brings.

let house: House
const routes = {
  github: 'POST /login/oauth/access_token',
  google: 'POST /token',
  atlassian: 'POST /oauth/token',
}
const lifetimes = { github: 28_800, google: 3_599, atlassian: 3_600 }

beforeAll(async () => {
  house = await startHouse()
  await house.open('github', { providers: [{ provider: 'github', scopes: ['repo'] }] })
})
afterAll(() => house.stop())
afterEach(() => {
  for (const name of ['github', 'google', 'atlassian'] as const) house[name].control.clearScripts()
  house.google.control.set({ refreshError: 'none', idTokenClaims: {} })
  house.clock.advance(60)
})

const calls = (provider: ProviderName) => house[provider].calls(routes[provider]).length
const refreshTokens = (provider: ProviderName) =>
  house[provider].calls(routes[provider]).map(({ body }) => (body as Record<string, unknown>).refresh_token)

let rooms = 0
async function start(provider: ProviderName): Promise<Session> {
  house.newPerson()
  const scopes = { github: ['repo'], google: [calendar], atlassian: ['read:jira-work'] }[provider]
  const room = await house.open(`room${++rooms}`, { providers: [{ provider, scopes }] })
  return await enterAging(house, room, provider)
}

async function startExpired(provider: ProviderName): Promise<Session> {
  const session = await start(provider)
  await session.age(lifetimes[provider] + 1)
  return session
}

async function connectionOf(session: Session) {
  const { sub } = claimsOf(session.tokens.access_token)
  type Connections = { items: { id: string; status: string; can_refresh: boolean; scopes: string[] }[] }
  const { items } = await house.gateway.admin<Connections>('GET', `/connections?subject_id=${sub}`)
  return items[0]
}

describe('fifty who ask at the same moment', () => {
  test.each(['github', 'google', 'atlassian'] as const)(
    'cost %s one refresh, and all get its token',
    async (provider) => {
      const session = await startExpired(provider)
      const before = calls(provider)
      const answers = await Promise.all(Array.from({ length: 50 }, () => session.fetch()))
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
      expect(new Set(answers.map(({ body }) => body.access_token)).size).toBe(1)
      expect(calls(provider)).toBe(before + 1)
    },
  )

  test('with as many different wishes cost one too', async () => {
    const session = await startExpired('github')
    const before = calls('github')
    const wishes = [{}, { min_ttl: '3600' }, { scope: 'repo' }, { rejected: 'a'.repeat(43) }]
    const answers = await Promise.all(
      Array.from({ length: 48 }, (_, index) =>
        session.fetch(wishes[index % wishes.length] as Record<string, string>),
      ),
    )
    expect(answers.every(({ status }) => status === 200)).toBe(true)
    expect(calls('github')).toBe(before + 1)
  })

  test('while it is under way get the same result, when some of them give up waiting', async () => {
    const session = await startExpired('github')
    const before = calls('github')
    house.github.control.script({ on: routes.github, effect: { kind: 'hold' } })
    const url = `${house.gateway.issuer}/v1/token-sessions/${session.tsid}/tokens/github`
    const { id, secret } = session.room.credential
    const authorization = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
    const impatient = new AbortController()
    const abandoned = fetch(url, { headers: { authorization }, signal: impatient.signal }).catch(
      () => 'gave up',
    )
    await house.github.arrived(routes.github, before + 1)
    const waiting = [session.fetch(), session.fetch()]
    impatient.abort()
    expect(await abandoned).toBe('gave up')
    house.github.control.release()
    for (const { status } of await Promise.all(waiting)) expect(status).toBe(200)
    expect(calls('github')).toBe(before + 1)
  })

  test('one after the other cost one: the new token serves until its own end', async () => {
    const session = await startExpired('github')
    const before = calls('github')
    const tokens = new Set<unknown>()
    for (let count = 0; count < 5; count++) tokens.add((await session.fetch()).body.access_token)
    expect(tokens.size).toBe(1)
    expect(calls('github')).toBe(before + 1)
  })

  test('through two sessions of one person cost one: they share the connection', async () => {
    const session = await start('github')
    const second = await enterAging(house, session.room, 'github', { browser: session.browser })
    await session.age(lifetimes.github + 1)
    await second.age(0)
    const before = calls('github')
    const [one, two] = await Promise.all([session.fetch(), second.fetch()])
    expect(one.body.access_token).toBe(two.body.access_token)
    expect(calls('github')).toBe(before + 1)
  })
})

describe('a refresh token', () => {
  test('that rotates is never sent twice, over many refreshes', async () => {
    const session = await start('github')
    const before = refreshTokens('github').length
    for (let round = 0; round < 4; round++) {
      await session.age(lifetimes.github + 1)
      expect((await session.fetch()).status).toBe(200)
    }
    const sent = refreshTokens('github').slice(before)
    expect(new Set(sent).size).toBe(4)
  })

  test('that the answer does not repeat is kept where the provider says so', async () => {
    const session = await start('google')
    const before = refreshTokens('google').length
    for (let round = 0; round < 3; round++) {
      await session.age(lifetimes.google + 1)
      expect((await session.fetch()).status).toBe(200)
    }
    expect(new Set(refreshTokens('google').slice(before)).size).toBe(1)
  })

  test.each([
    ['empty', ''],
    ['null', null],
  ])('that comes %s is kept at Google, and never stored as it came', async (_what, value) => {
    const session = await startExpired('google')
    house.google.control.script({
      on: routes.google,
      effect: { kind: 'patch', json: { refresh_token: value } },
    })
    expect((await session.fetch()).status).toBe(200)
    await session.age(lifetimes.google + 1)
    expect((await session.fetch()).status).toBe(200)
  })

  test.each([
    ['empty', ''],
    ['null', null],
  ])(
    'that comes %s where they rotate is gone: the token serves to its end, then the person must act',
    async (_what, value) => {
      const session = await startExpired('github')
      house.github.control.script({
        on: routes.github,
        effect: { kind: 'patch', json: { refresh_token: value } },
      })
      expect((await session.fetch()).status).toBe(200)
      expect((await connectionOf(session))?.can_refresh).toBe(false)
      const before = calls('github')
      await session.age(lifetimes.github + 1)
      const { status, body } = await session.fetch()
      expect(status).toBe(424)
      expect(body).toMatchObject({ reason: 'expired' })
      expect(calls('github')).toBe(before)
    },
  )
})

describe('an answer that is lost', () => {
  const lost = [
    ['cut off after it all happened', { kind: 'drop', when: 'after' }],
    ['truncated', { kind: 'truncate', bytes: 20 }],
  ] as const

  test.each(lost)(
    '%s, costs nothing where the provider allows another try (FC-11)',
    async (_what, effect) => {
      const session = await startExpired('atlassian')
      house.atlassian.control.script({ on: routes.atlassian, effect })
      const before = calls('atlassian')
      expect((await session.fetch()).body.error_code).toBe('upstream_unavailable')
      house.clock.advance(31)
      expect((await session.fetch()).status).toBe(200)
      const [first, second] = refreshTokens('atlassian').slice(before)
      expect(first).toBe(second)
      // The pair it brought is a good one.
      await session.age(lifetimes.atlassian + 1)
      expect((await session.fetch()).status).toBe(200)
    },
  )

  test.each(lost)(
    '%s, costs a sign-in where it does not, after exactly one more try',
    async (_what, effect) => {
      const session = await startExpired('github')
      house.github.control.script({ on: routes.github, effect })
      const before = calls('github')
      expect((await session.fetch()).body.error_code).toBe('upstream_unavailable')
      house.clock.advance(31)
      for (let count = 0; count < 5; count++) expect((await session.fetch()).status).toBe(424)
      expect(calls('github')).toBe(before + 2)
    },
  )

  test('and tried again only after the leeway ends the family, and nothing brings it back', async () => {
    const session = await startExpired('atlassian')
    house.atlassian.control.script({ on: routes.atlassian, effect: { kind: 'drop', when: 'after' } })
    await session.fetch()
    await session.age(700)
    expect((await session.fetch()).body).toMatchObject({ error_code: 'needs_reauthorization' })
    const before = calls('atlassian')
    expect((await session.fetch()).status).toBe(424)
    expect(calls('atlassian')).toBe(before)
  })
})

describe('the store, when a rotated token has come', () => {
  test('that takes it in no form still gets it, and it is released then and not before (FC-12)', async () => {
    const session = await startExpired('github')
    const store = failingStore(house.gateway.running().gateway.store)
    store.arm(['refreshLeases.keepAnswer', 'connections.replaceTokens'], 'before')
    const before = calls('github')
    for (let count = 0; count < 3; count++) {
      const { status, body } = await session.fetch()
      expect(status).toBe(503)
      expect(body).toMatchObject({ error_code: 'gateway_unavailable', who_must_act: 'admin' })
    }
    store.heal()
    const { status, body } = await session.fetch()
    expect(status).toBe(200)
    expect(calls('github')).toBe(before + 1)
    expect(house.github.control.issued().at(-2)?.value).toBe(body.access_token)
    await session.age(lifetimes.github + 1)
    expect((await session.fetch()).status).toBe(200)
  })

  test('that takes it in no form has it before the gateway ends, if it can by then', async () => {
    const session = await startExpired('github')
    const store = failingStore(house.gateway.running().gateway.store)
    store.arm(['refreshLeases.keepAnswer', 'connections.replaceTokens'], 'before')
    const before = calls('github')
    expect((await session.fetch()).status).toBe(503)
    store.heal()
    await house.gateway.restart()
    expect((await session.fetch()).status).toBe(200)
    expect(calls('github')).toBe(before + 1)
  })

  test('that takes the answer as it came and nothing else has the token in it served meanwhile', async () => {
    const session = await startExpired('github')
    const store = failingStore(house.gateway.running().gateway.store)
    store.arm(['connections.replaceTokens'], 'before')
    const before = calls('github')
    const tokens = new Set<unknown>()
    for (let count = 0; count < 3; count++) tokens.add((await session.fetch()).body.access_token)
    store.heal()
    tokens.add((await session.fetch()).body.access_token)
    expect([...tokens]).toEqual([house.github.control.issued().at(-2)?.value])
    expect(calls('github')).toBe(before + 1)
    await session.age(lifetimes.github + 1)
    expect((await session.fetch()).status).toBe(200)
  })

  test('that took it and only did not say so is believed', async () => {
    const session = await startExpired('github')
    const store = failingStore(house.gateway.running().gateway.store)
    store.arm(['connections.replaceTokens'], 'after')
    const before = calls('github')
    expect((await session.fetch()).status).toBe(200)
    store.heal()
    expect((await session.fetch()).status).toBe(200)
    expect(calls('github')).toBe(before + 1)
  })

  test('has it before anything else is done with it: it is there after a restart', async () => {
    const session = await startExpired('github')
    const first = await session.fetch()
    await house.gateway.restart()
    const before = calls('github')
    expect((await session.fetch()).body.access_token).toBe(first.body.access_token)
    expect(calls('github')).toBe(before)
    await session.age(lifetimes.github + 1)
    expect((await session.fetch()).status).toBe(200)
  })

  test.each([
    ['rotates', false],
    ['calls the grant dead', true],
  ])('has somebody’s newer tokens instead where the provider then %s: those count', async (_what, dies) => {
    const session = await startExpired('github')
    const before = calls('github')
    house.github.control.script({ on: routes.github, effect: { kind: 'hold' } })
    const asked = session.fetch()
    await house.github.arrived(routes.github, before + 1)
    // As when another process or a sign-in was faster.
    const { store } = house.gateway.running().gateway
    const { id = '' } = (await connectionOf(session)) ?? {}
    const row = await store.connections.find(id)
    if (!row) throw new Error('no such connection')
    const { version: _version, ...fields } = row
    const now = house.clock.now()
    const event = auditEvent(now, { event: 'connection.saved', actor: 'test' })
    await store.connections.save({ ...fields, accessExpiresAt: now + 900 }, 'keep', event)
    if (dies) house.github.control.revoke({ user: row.accountLabel, clientId: upstreamClient.clientId })
    house.github.control.release()
    const { status, body } = await asked
    expect(status).toBe(200)
    expect(Number(body.expires_in)).toBeGreaterThan(800)
    expect((await connectionOf(session))?.status).toBe('live')
  })
})

describe('what else a refresh can say', () => {
  test('invalid_rapt is named as the reason', async () => {
    const session = await startExpired('google')
    house.google.control.set({ refreshError: 'invalid_rapt' })
    expect((await session.fetch()).body).toMatchObject({
      error_code: 'needs_reauthorization',
      reason: 'invalid_grant/invalid_rapt',
    })
    const { items } = await house.gateway.admin<{ items: unknown[] }>(
      'GET',
      '/audit-events?event=connection.died&limit=1',
    )
    expect(items).toMatchObject([{ outcome: 'invalid_grant/invalid_rapt', provider: 'google' }])
  })

  test('an ID token about somebody else freezes the connection, and no token leaves (UF-20)', async () => {
    const session = await startExpired('google')
    house.google.control.set({ idTokenClaims: { sub: 'somebody-else' } })
    const { status, body } = await session.fetch()
    expect(status).toBe(424)
    expect(body).toMatchObject({ reason: 'account_changed' })
    house.google.control.set({ idTokenClaims: {} })
    expect((await session.fetch()).status).toBe(424)
  })

  test('an ID token signed by a key nobody can fetch costs nothing: the refresh token is what counts', async () => {
    const session = await startExpired('google')
    await house.google.control.rotateKeys('hard')
    expect((await session.fetch()).status).toBe(200)
  })

  test('unauthorized_client with a dead refresh token is death at Atlassian', async () => {
    const session = await startExpired('atlassian')
    house.atlassian.control.script({
      on: routes.atlassian,
      effect: {
        kind: 'respond',
        status: 403,
        body: { error: 'unauthorized_client', error_description: 'refresh_token is invalid' },
      },
    })
    expect((await session.fetch()).status).toBe(424)
  })
})

describe('a connection without an end', () => {
  test('is never refreshed, and lives until the provider refuses it', async () => {
    const client = {
      ...upstreamClient,
      redirectUris: [`${house.gateway.issuer}/oauth/callback/github`],
    }
    house.github.control.addClient({ ...client, expiringTokens: false })
    house.github.control.set({ ghesOld: true })
    const session = await start('github')
    house.github.control.addClient({ ...client, expiringTokens: true })
    house.github.control.set({ ghesOld: false })
    const before = calls('github')
    await session.age(20 * 86_400)
    const { status, body } = await session.fetch({ min_ttl: '3600' })
    expect(status).toBe(200)
    expect(body).not.toHaveProperty('expires_in')
    expect(calls('github')).toBe(before)
  })
})

describe('min_ttl', () => {
  test('buys a refresh before the end, up to half the life of the token, and then the best there is', async () => {
    const session = await start('atlassian')
    const first = await session.fetch()
    const before = calls('atlassian')
    await session.age(1000)
    expect((await session.fetch({ min_ttl: '1500' })).body.access_token).toBe(first.body.access_token)
    await session.age(900)
    const second = await session.fetch({ min_ttl: '3600' })
    expect(second.body.access_token).not.toBe(first.body.access_token)
    expect(second.body.expires_in).toBe(lifetimes.atlassian)
    for (let count = 0; count < 5; count++) {
      expect((await session.fetch({ min_ttl: '9999999' })).body.access_token).toBe(second.body.access_token)
    }
    expect(calls('atlassian')).toBe(before + 1)
  })
})

test('a refresh ahead of the end comes no later than the margin, and little earlier', async () => {
  const session = await start('github')
  const before = calls('github')
  await session.age(lifetimes.github - 375)
  expect((await session.fetch()).status).toBe(200)
  expect(calls('github')).toBe(before)
  await session.age(80)
  expect((await session.fetch()).body.expires_in).toBe(lifetimes.github)
  expect(calls('github')).toBe(before + 1)
})

describe('a provider that moved', () => {
  let moved: House
  let session: Session

  beforeAll(async () => {
    moved = await startHouse()
  })
  afterAll(() => moved.stop())
  beforeEach(async () => {
    moved.newPerson()
    const room = await moved.open(`moving${++rooms}`, {
      providers: [{ provider: 'github', scopes: ['repo'] }],
    })
    session = await enterAging(moved, room, 'github')
  })

  test('is never sent the tokens of where it was, and their owners must sign in again', async () => {
    await session.age(lifetimes.github - 100)
    const elsewhere = await startHouse()
    const there = { web: elsewhere.github.web, api: elsewhere.github.api }
    const definition = { descriptor: 'github', client_id: upstreamClient.clientId, admit: 'anyone' }
    const here = { web: moved.github.web, api: moved.github.api }
    await moved.gateway.admin('PUT', '/providers/github', { ...definition, variables: there }, 400)
    const secret = { client_secret: upstreamClient.clientSecret }
    await moved.gateway.admin('PUT', '/providers/github', { ...definition, ...secret, variables: there })
    for (const query of [{}, { min_ttl: '3600' }]) {
      const { status, body } = await session.fetch(query)
      expect(status).toBe(424)
      expect(body).toMatchObject({ reason: 'provider_changed' })
    }
    expect(elsewhere.github.log()).toEqual([])
    await moved.gateway.admin('PUT', '/providers/github', { ...definition, ...secret, variables: here })
    await elsewhere.stop()
  })

  test('while a refresh is under way does not keep what that brings', async () => {
    await session.age(lifetimes.github + 1)
    const before = moved.github.calls(routes.github).length
    moved.github.control.script({ on: routes.github, effect: { kind: 'hold' } })
    const asked = session.fetch()
    await moved.github.arrived(routes.github, before + 1)
    const definition = {
      descriptor: 'github',
      variables: { web: moved.github.web, api: moved.github.api },
      client_secret: upstreamClient.clientSecret,
      admit: 'anyone',
    }
    await moved.gateway.admin('PUT', '/providers/github', { ...definition, client_id: 'another-client' })
    moved.github.control.release()
    expect((await asked).body).toMatchObject({
      error_code: 'needs_reauthorization',
      reason: 'provider_changed',
    })
    await moved.gateway.admin('PUT', '/providers/github', {
      ...definition,
      client_id: upstreamClient.clientId,
    })
    expect((await session.fetch()).body).toMatchObject({ error_code: 'needs_reauthorization' })
  })
})

describe('the record of refreshes', () => {
  type Row = { event: string; outcome: string; detail: { connection: string; lease: number } }

  async function recordOf(session: Session) {
    const connection = (await connectionOf(session))?.id
    const { sub } = claimsOf(session.tokens.access_token)
    const url = `/audit-events?subject_id=${sub}&limit=200`
    const { items } = await house.gateway.admin<{ items: Row[] }>('GET', url)
    return items
      .filter(({ event, detail }) => /refresh|died/.test(event) && detail.connection === connection)
      .toReversed()
      .map(({ event, outcome, detail }) => [event, outcome, detail.lease])
  }

  test('names each before the provider is asked, and what came of it', async () => {
    const session = await startExpired('github')
    const before = calls('github')
    house.github.control.script({ on: routes.github, effect: { kind: 'hold' } })
    const answer = session.fetch()
    await house.github.arrived(routes.github, before + 1)
    expect(await recordOf(session)).toEqual([['connection.refreshing', 'ok', 1]])
    house.github.control.release()
    expect((await answer).status).toBe(200)
    expect(await recordOf(session)).toEqual([
      ['connection.refreshing', 'ok', 1],
      ['connection.refreshed', 'ok', 1],
    ])
  })

  test('names those that brought nothing, and the end', async () => {
    const session = await startExpired('github')
    house.github.control.script({ on: routes.github, effect: { kind: 'respond', status: 503 } })
    expect((await session.fetch()).status).toBe(503)
    house.clock.advance(120)
    const effect = { kind: 'respond', status: 200, body: { error: 'bad_refresh_token' } } as const
    house.github.control.script({ on: routes.github, effect })
    expect((await session.fetch()).status).toBe(424)
    expect(await recordOf(session)).toEqual([
      ['connection.refreshing', 'ok', 1],
      ['connection.refreshed', expect.stringMatching(/^[a-z_0-9]+$/), 1],
      ['connection.refreshing', 'ok', 2],
      ['connection.died', expect.stringMatching(/^[a-z_]+$/), 2],
    ])
  })
})
