import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { enterAging, type Session } from '../support/aging.ts'
import { fetchToken, type House, type Room, startHouse } from '../support/house.ts'
import { claimsOf } from '../support/world.ts'

// Only a provider's word that a grant is dead marks it dead (promise 6). Everything else costs nobody anything, and a
// token that still lives is served through it.

let house: House
let room: Room
let session: Session
let listener: Server
let listenerUrl: string
let hits = 0

const tokenRoute = 'POST /login/oauth/access_token'
const lifetime = 28_800
const margin = 300
const backoff = 30

beforeAll(async () => {
  house = await startHouse({ file: { limits: { upstream_deadline: 1, upstream_refresh_deadline: 2 } } })
  room = await house.open('room', { providers: [{ provider: 'github', scopes: ['repo'] }] })
  listener = createServer((_request, response) => {
    hits++
    response.end('{}')
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  listenerUrl = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/`
})
afterAll(async () => {
  listener.close()
  await house.stop()
})
beforeEach(async () => {
  house.newPerson()
  session = await enterAging(house, room, 'github')
})
afterEach(() => {
  house.github.control.clearScripts()
  house.github.control.set({ errorStatus: 200, numbersAsStrings: false })
  // Whatever rested the provider is over.
  house.clock.advance(3600)
})

type Effect = Parameters<House['github']['control']['script']>[0]['effect']
const script = (effect: Effect, times: number | 'always' = 'always') =>
  house.github.control.script({ on: tokenRoute, times, effect })

const calls = () => house.github.calls(tokenRoute).length
/** How the gateway sees the connection of the session. */
const connection = async () => {
  const { sub } = claimsOf(session.tokens.access_token)
  const { items } = await house.gateway.admin<{ items: unknown[] }>('GET', `/connections?subject_id=${sub}`)
  return items
}

const json = { 'content-type': 'application/json' }

/** Nothing of these happens behind the answer, so that the same refresh token is good afterwards. */
const troubles: [string, () => Effect][] = [
  ['502 with a page', () => ({ kind: 'respond', status: 502, body: '<h1>Unicorn</h1>' })],
  ['500 server_error', () => ({ kind: 'respond', status: 500, body: { error: 'server_error' } })],
  [
    '503 that calls the grant invalid',
    () => ({ kind: 'respond', status: 503, body: { error: 'invalid_grant' } }),
  ],
  ['404', () => ({ kind: 'respond', status: 404, body: 'Not Found' })],
  ['403 without a word', () => ({ kind: 'respond', status: 403 })],
  ['a sign-in page', () => ({ kind: 'respond', status: 200, body: '<form>Sign in</form>' })],
  ['an empty 200', () => ({ kind: 'respond', status: 200 })],
  ['broken JSON', () => ({ kind: 'respond', status: 200, headers: json, body: '{"access_token":"x' })],
  ['a list', () => ({ kind: 'respond', status: 200, body: [{ access_token: 'x' }] })],
  ['null', () => ({ kind: 'respond', status: 200, headers: json, body: 'null' })],
  ['no access token', () => ({ kind: 'respond', status: 200, body: { token_type: 'bearer' } })],
  [
    'an empty access token',
    () => ({ kind: 'respond', status: 200, body: { access_token: '', token_type: 'bearer' } }),
  ],
  ['an error nobody knows', () => ({ kind: 'respond', status: 400, body: { error: 'out_of_cheese' } })],
  [
    'an error that is no text',
    () => ({ kind: 'respond', status: 200, body: { error: { code: 'invalid_grant' } } }),
  ],
  ['a connection cut before', () => ({ kind: 'drop', when: 'before' })],
  [
    'a redirect to somebody else',
    () => ({ kind: 'respond', status: 302, headers: { location: listenerUrl } }),
  ],
  ['a 307 to somebody else', () => ({ kind: 'respond', status: 307, headers: { location: listenerUrl } })],
  [
    'a compressed answer',
    () => ({ kind: 'respond', status: 200, headers: { 'content-encoding': 'gzip' }, body: 'x' }),
  ],
]

describe.each(troubles)('%s', (_what, effect) => {
  test('is upstream_unavailable where the token has ended, asks once in 30 seconds, and costs nothing', async () => {
    await session.age(lifetime)
    script(effect())
    const before = calls()
    const answers = await Promise.all(Array.from({ length: 20 }, () => session.fetch()))
    for (const { status: code, body } of answers) {
      expect(code).toBe(503)
      expect(body).toMatchObject({ error_code: 'upstream_unavailable', who_must_act: 'nobody' })
    }
    house.clock.advance(backoff - 2)
    expect((await session.fetch()).status).toBe(503)
    expect(calls()).toBe(before + 1)
    house.github.control.clearScripts()
    house.clock.advance(3)
    expect((await session.fetch()).status).toBe(200)
    expect(hits).toBe(0)
  })

  test('leaves a token that still lives served, with its true life', async () => {
    const first = await session.fetch()
    await session.age(lifetime - margin + 10)
    script(effect())
    const before = calls()
    for (let count = 0; count < 3; count++) {
      const { status: code, body } = await session.fetch()
      expect(code).toBe(200)
      expect(body.access_token).toBe(first.body.access_token)
      expect(Number(body.expires_in)).toBeGreaterThan(margin - 20)
      expect(Number(body.expires_in)).toBeLessThanOrEqual(margin - 10)
    }
    expect(calls()).toBe(before + 1)
  })
})

describe('an answer that does not end', () => {
  test.each<[string, Effect]>([
    ['silence (UF-01)', { kind: 'hold' }],
    ['a byte now and then (UF-02)', { kind: 'drip', bytes: 1, milliseconds: 200 }],
  ])('%s, is given up at the deadline', async (_what, effect) => {
    await session.age(lifetime)
    script(effect)
    const began = performance.now()
    const { body } = await session.fetch()
    expect(body.error_code).toBe('upstream_unavailable')
    expect(performance.now() - began).toBeLessThan(3_000)
    house.github.control.release()
  })

  test('twenty megabytes are cut off, and do not fill the memory (UF-03)', async () => {
    await session.age(lifetime)
    script({ kind: 'huge', bytes: 20_000_000 })
    const before = process.memoryUsage().rss
    expect((await session.fetch()).body.error_code).toBe('upstream_unavailable')
    expect(process.memoryUsage().rss - before).toBeLessThan(60_000_000)
  })
})

describe('a token that is none (UF-18)', () => {
  test.each<[string, unknown]>([
    ['an object', { token: 'x' }],
    ['a number', 42],
    ['a list', ['x']],
    ['true', true],
    ['with a line break', 'x\r\nset-cookie: a=b'],
    ['with a zero character', 'x\u0000y'],
    ['with letters no header carries', 'tökén'],
    ['of a megabyte', 'x'.repeat(900_000)],
  ])('%s, is not stored and not released', async (_what, token) => {
    await session.age(lifetime)
    script({ kind: 'patch', json: { access_token: token } })
    const { body } = await session.fetch()
    expect(body.error_code).toBe('upstream_unavailable')
    expect(body).not.toHaveProperty('access_token')
  })

  test('members every object has mean nothing', async () => {
    await session.age(lifetime)
    script({ kind: 'patch', json: JSON.parse('{"__proto__":{"x":1},"constructor":1,"toString":2}') })
    expect((await session.fetch()).status).toBe(200)
    expect(({} as Record<string, unknown>).x).toBeUndefined()
  })

  test('of another type than bearer is our misconfiguration', async () => {
    await session.age(lifetime)
    script({ kind: 'patch', json: { token_type: 'mac' } })
    expect((await session.fetch()).body.error_code).toBe('provider_misconfigured')
  })

  test('BEARER is bearer (UF-10)', async () => {
    await session.age(lifetime)
    script({ kind: 'patch', json: { token_type: 'BEARER' } })
    expect((await session.fetch()).body.token_type).toBe('Bearer')
  })
})

describe('what means that an administrator must act', () => {
  test.each<[string, Effect]>([
    [
      '200 incorrect_client_credentials',
      { kind: 'respond', status: 200, body: { error: 'incorrect_client_credentials' } },
    ],
    [
      '401 invalid_client with a challenge',
      {
        kind: 'respond',
        status: 401,
        headers: { 'www-authenticate': 'Basic' },
        body: { error: 'invalid_client' },
      },
    ],
    [
      '400 unauthorized_client',
      {
        kind: 'respond',
        status: 400,
        body: { error: 'unauthorized_client', error_description: 'client not authorized for grant type' },
      },
    ],
    ['403 unauthorized_client', { kind: 'respond', status: 403, body: { error: 'unauthorized_client' } }],
    ['400 invalid_request', { kind: 'respond', status: 400, body: { error: 'invalid_request' } }],
    ['application_suspended', { kind: 'respond', status: 200, body: { error: 'application_suspended' } }],
    ['401 without a word', { kind: 'respond', status: 401 }],
  ])('%s, is provider_misconfigured, and the connection lives on', async (_what, effect) => {
    await session.age(lifetime)
    script(effect)
    const { body } = await session.fetch()
    expect(body).toMatchObject({ error_code: 'provider_misconfigured', who_must_act: 'admin' })
    expect(body).not.toHaveProperty('connect_url')
    expect(await connection()).toMatchObject([{ status: 'live' }])
    house.github.control.clearScripts()
    house.clock.advance(backoff + 1)
    expect((await session.fetch()).status).toBe(200)
  })

  test('and a token that still lives is served meanwhile', async () => {
    await session.age(lifetime - 100)
    script({ kind: 'respond', status: 200, body: { error: 'incorrect_client_credentials' } })
    expect((await session.fetch()).status).toBe(200)
  })
})

describe('what means that the grant is dead', () => {
  test.each([
    [200, 'bad_refresh_token'],
    [400, 'bad_refresh_token'],
    [400, 'invalid_grant'],
    [403, 'invalid_grant'],
    [401, 'invalid_grant'],
  ] as const)('%d %s: once, without another call to the provider, ever (RT-14)', async (code, error) => {
    await session.age(lifetime)
    script({ kind: 'respond', status: code, body: { error } })
    const before = calls()
    const answers = await Promise.all(Array.from({ length: 20 }, () => session.fetch()))
    for (const { status: answered, body } of answers) {
      expect(answered).toBe(424)
      expect(body).toMatchObject({ error_code: 'needs_reauthorization', reason: error })
    }
    await session.age(3000)
    for (let count = 0; count < 30; count++) expect((await session.fetch()).status).toBe(424)
    expect(calls()).toBe(before + 1)
  })

  test('is told although the token still lives: GitHub ended it with the grant', async () => {
    await session.age(lifetime - 100)
    script({ kind: 'respond', status: 200, body: { error: 'bad_refresh_token' } })
    expect((await session.fetch()).status).toBe(424)
  })

  test('is recorded, with the provider’s word in our vocabulary', async () => {
    await session.age(lifetime)
    script({
      kind: 'respond',
      status: 400,
      body: { error: 'invalid_grant', error_description: 'upstream words' },
    })
    await session.fetch()
    const { items } = await house.gateway.admin<{ items: Record<string, unknown>[] }>(
      'GET',
      '/audit-events?event=connection.died',
    )
    expect(items[0]).toMatchObject({ outcome: 'invalid_grant', provider: 'github', actor: 'gateway' })
    expect(house.gateway.logs()).not.toContain('upstream words')
  })
})

describe('a rate limit', () => {
  test.each([
    ['seconds', () => '45', 45],
    ['a date', () => new Date((house.clock.now() + 45) * 1000).toUTCString(), 45],
    ['a negative number', () => '-5', 1],
    ['a thousand million', () => '1000000000', 3600],
    ['nothing readable', () => 'soon', 30],
  ])('with %s is waited for (UF-05)', async (_what, header, wait) => {
    await session.age(lifetime)
    script({ kind: 'respond', status: 429, headers: { 'retry-after': header() } })
    const { status: code, body, headers } = await session.fetch()
    expect(code).toBe(429)
    expect(body.error_code).toBe('upstream_rate_limited')
    expect(Math.abs(Number(body.retry_after) - wait)).toBeLessThanOrEqual(1)
    expect(headers.get('retry-after')).toBe(String(body.retry_after))
  })

  test('is not asked against, by nobody, and no longer than it takes', async () => {
    const ada = session
    house.newPerson()
    const bob = await enterAging(house, room, 'github')
    await ada.age(lifetime)
    await bob.age(1)
    script({ kind: 'respond', status: 429, headers: { 'retry-after': '600' } })
    const before = calls()
    expect((await ada.fetch()).body.error_code).toBe('upstream_rate_limited')
    expect((await bob.fetch()).body).toMatchObject({ error_code: 'upstream_rate_limited' })
    expect(calls()).toBe(before + 1)
    house.github.control.clearScripts()
    // The limit may be one person's: the others try again soon.
    house.clock.advance(backoff + 1)
    expect((await bob.fetch()).status).toBe(200)
    expect((await ada.fetch()).body.error_code).toBe('upstream_rate_limited')
    house.clock.advance(600)
    expect((await ada.fetch()).status).toBe(200)
  })

  test('of one person, told again and again, is in nobody else’s way', async () => {
    const others: Session[] = []
    for (let count = 0; count < 3; count++) {
      house.newPerson()
      others.push(await enterAging(house, room, 'github'))
    }
    await session.age(lifetime)
    for (const other of others) await other.age(0)
    const isLimited = async () => {
      script({ kind: 'respond', status: 429, headers: { 'retry-after': '20' } }, 1)
      expect((await session.fetch()).body.error_code).toBe('upstream_rate_limited')
    }
    await isLimited()
    expect((await others[0]?.fetch())?.status).toBe(429)
    for (const other of others) {
      house.clock.advance(21)
      await isLimited()
      expect((await other.fetch()).status).toBe(200)
    }
  })

  test('leaves a token that still lives served', async () => {
    await session.age(lifetime - 100)
    script({ kind: 'respond', status: 429, headers: { 'retry-after': '600' } })
    expect((await session.fetch()).status).toBe(200)
    expect((await session.fetch()).status).toBe(200)
  })

  test('of one provider is none of another', async () => {
    const both = await house.open('both', {
      providers: [
        { provider: 'github', scopes: ['repo'] },
        { provider: 'atlassian', scopes: ['read:jira-work'] },
      ],
    })
    house.newPerson()
    const two = await enterAging(house, both, 'github')
    await two.age(lifetime)
    script({ kind: 'respond', status: 429, headers: { 'retry-after': '600' } })
    expect((await two.fetch()).status).toBe(429)
    expect((await fetchToken(house, both, two.tsid, 'atlassian')).status).toBe(200)
  })
})

describe('expiry', () => {
  test.each<[string, unknown, number | undefined]>([
    ['a number in quotes', '3600', 3600],
    ['a fraction', 3600.9, 3600],
    ['nothing', undefined, undefined],
    ['null', null, undefined],
    ['zero', 0, undefined],
    ['a negative number', -5, undefined],
    ['no number', 'soon', undefined],
    ['longer than anything lives', 1e12, 316_224_000],
  ])('of %s is sane (FC-18)', async (_what, value, expected) => {
    await session.age(lifetime)
    script(
      value === undefined
        ? { kind: 'patch', omit: ['expires_in'] }
        : { kind: 'patch', json: { expires_in: value } },
      1,
    )
    const { status: code, body } = await session.fetch()
    expect(code).toBe(200)
    if (expected === undefined) expect(body).not.toHaveProperty('expires_in')
    else expect(Math.abs(Number(body.expires_in) - expected)).toBeLessThanOrEqual(1)
    const before = calls()
    expect((await session.fetch()).body.access_token).toBe(body.access_token)
    expect(calls()).toBe(before)
  })

  test('of a token that lives for seconds does not make every retrieval a refresh', async () => {
    await session.age(lifetime)
    script({ kind: 'patch', json: { expires_in: 20 } })
    await session.fetch()
    const before = calls()
    for (let second = 0; second < 8; second++) {
      expect((await session.fetch({ min_ttl: '3600' })).status).toBe(200)
      house.clock.advance(1)
    }
    expect(calls()).toBe(before)
  })

  test.each([
    ['behind', 600],
    ['ahead of', -600],
  ])(
    'of a minute, by a clock ten minutes %s the provider’s, makes a refresh in half a minute and no more',
    async (_where, offset) => {
      await session.age(lifetime)
      house.github.control.clockOffset(offset)
      script({ kind: 'patch', json: { expires_in: 60 } })
      const before = calls()
      for (let second = 0; second < 120; second += 3) {
        const { status, body } = await session.fetch()
        expect(status).toBe(200)
        expect(Number(body.expires_in)).toBeGreaterThanOrEqual(28)
        house.clock.advance(3)
      }
      house.github.control.clockOffset(0)
      expect(calls() - before).toBeLessThanOrEqual(5)
    },
  )

  test('of a second makes one refresh in a second, however many ask', async () => {
    await session.age(lifetime)
    script({ kind: 'patch', json: { expires_in: 1 } })
    const [before, began] = [calls(), house.clock.now()]
    for (let round = 0; round < 4; round++) {
      const answers = await Promise.all(Array.from({ length: 10 }, () => session.fetch()))
      for (const { status: code } of answers) expect(code).toBe(200)
    }
    expect(calls() - before).toBeLessThanOrEqual(house.clock.now() - began + 1)
  })

  test('by a clock that jumps to and fro makes no refresh of every retrieval', async () => {
    await session.age(lifetime)
    script({ kind: 'patch', json: { expires_in: 60 } })
    const before = calls()
    for (let jump = 0; jump < 10; jump++) {
      expect((await session.fetch()).status).toBe(200)
      house.clock.advance(jump % 2 === 0 ? 600 : -600)
    }
    expect(calls() - before).toBeLessThanOrEqual(2)
  })
})
