import { createHash } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { enterAging, type Session } from '../support/aging.ts'
import { type House, type Room, startHouse, upstreamClient } from '../support/house.ts'

// A resource may say that the provider refused a token. That must help against tokens that died early, and must not
// become a way to make the gateway ask providers at will.

let house: House
let room: Room
let session: Session

const tokenRoute = 'POST /login/oauth/access_token'
const probeRoute = 'GET /user'
const hash = (token: unknown) => createHash('sha256').update(String(token)).digest('base64url')

beforeAll(async () => {
  house = await startHouse()
  room = await house.open('room', { providers: [{ provider: 'github', scopes: ['repo'] }] })
})
afterAll(() => house.stop())
beforeEach(async () => {
  house.newPerson()
  session = await enterAging(house, room, 'github')
})
afterEach(() => {
  house.github.control.clearScripts()
  house.github.control.set({ ghesOld: false })
})

const refreshes = () => house.github.calls(tokenRoute).length
const probes = () => house.github.calls(probeRoute).length
const current = async () => String((await session.fetch()).body.access_token)
const reject = (token: string) => session.fetch({ rejected: hash(token) })

/** A session whose connection has no refresh token and no end. */
async function lasting(): Promise<Session> {
  const client = { ...upstreamClient, redirectUris: [`${house.gateway.issuer}/oauth/callback/github`] }
  house.github.control.addClient({ ...client, expiringTokens: false })
  house.github.control.set({ ghesOld: true })
  house.newPerson()
  const made = await enterAging(house, room, 'github')
  house.github.control.addClient({ ...client, expiringTokens: true })
  return made
}

describe('a rejected token', () => {
  test('buys one refresh, and its successor serves', async () => {
    const first = await current()
    const before = refreshes()
    const { status, body } = await reject(first)
    expect(status).toBe(200)
    expect(body.access_token).not.toBe(first)
    expect(refreshes()).toBe(before + 1)
    expect(await current()).toBe(body.access_token)
  })

  test('buys one refresh for fifty who reject it at the same moment, and for those who come late', async () => {
    const first = await current()
    const before = refreshes()
    const answers = await Promise.all(Array.from({ length: 50 }, () => reject(first)))
    expect(new Set(answers.map(({ body }) => body.access_token)).size).toBe(1)
    expect((await reject(first)).body.access_token).toBe(answers[0]?.body.access_token)
    expect(refreshes()).toBe(before + 1)
  })

  test('that is not the stored one buys nothing', async () => {
    const first = await current()
    const before = refreshes()
    for (const token of ['another', `${first} `, '', first.toUpperCase()]) {
      expect((await reject(token)).body.access_token).toBe(first)
    }
    expect(refreshes()).toBe(before)
  })

  test('whose refresh is rejected too is asked about, and dies by the provider’s 401 alone', async () => {
    const second = String((await reject(await current())).body.access_token)
    house.github.control.revoke({ token: second })
    const before = { refreshes: refreshes(), probes: probes() }
    const { status, body } = await reject(second)
    expect(status).toBe(424)
    expect(body).toMatchObject({ error_code: 'needs_reauthorization', reason: 'rejected_by_provider' })
    expect((await session.fetch()).status).toBe(424)
    expect({ refreshes: refreshes(), probes: probes() }).toEqual({ ...before, probes: before.probes + 1 })
  })

  test.each([
    ['accepts it', undefined],
    ['is out of order', 500],
    ['limits us', 429],
    ['forbids it', 403],
    ['does not know the address', 404],
  ])('whose refresh is rejected too lives on where the provider %s', async (_what, status) => {
    const second = String((await reject(await current())).body.access_token)
    if (status !== undefined) {
      house.github.control.script({ on: probeRoute, times: 'always', effect: { kind: 'respond', status } })
    }
    const answer = await reject(second)
    expect(answer.status).toBe(200)
    expect(answer.body.access_token).toBe(second)
  })

  test('over and over costs the provider one refresh, and a question in thirty seconds', async () => {
    let token = await current()
    const before = { refreshes: refreshes(), probes: probes() }
    for (let count = 0; count < 100; count++) token = String((await reject(token)).body.access_token)
    expect(refreshes()).toBe(before.refreshes + 1)
    expect(probes()).toBe(before.probes + 1)
    house.clock.advance(31)
    for (let count = 0; count < 10; count++) token = String((await reject(token)).body.access_token)
    expect(refreshes()).toBe(before.refreshes + 1)
    expect(probes()).toBe(before.probes + 2)
  })

  test('over and over at the same moment costs one question', async () => {
    const second = String((await reject(await current())).body.access_token)
    const before = probes()
    const answers = await Promise.all(Array.from({ length: 50 }, () => reject(second)))
    expect(answers.every(({ status }) => status === 200)).toBe(true)
    expect(probes()).toBe(before + 1)
  })

  test('may be bought again once an ordinary refresh came in between', async () => {
    await reject(await current())
    await session.age(28_801)
    const ordinary = await current()
    const before = refreshes()
    expect((await reject(ordinary)).body.access_token).not.toBe(ordinary)
    expect(refreshes()).toBe(before + 1)
  })

  test('that the provider will not refresh now is not served again', async () => {
    const first = await current()
    house.github.control.script({ on: tokenRoute, times: 'always', effect: { kind: 'respond', status: 503 } })
    const before = refreshes()
    for (let count = 0; count < 5; count++) {
      expect((await reject(first)).body.error_code).toBe('upstream_unavailable')
    }
    expect(refreshes()).toBe(before + 1)
    // Whoever knows nothing against it still gets it.
    expect(await current()).toBe(first)
  })

  test('of a dead grant kills the connection by the refresh’s own answer', async () => {
    const first = await current()
    house.github.control.script({
      on: tokenRoute,
      effect: { kind: 'respond', status: 200, body: { error: 'bad_refresh_token' } },
    })
    expect((await reject(first)).body).toMatchObject({ reason: 'bad_refresh_token' })
  })
})

describe('a rejected token without a refresh token', () => {
  test('is asked about, and lives on where the provider accepts it', async () => {
    session = await lasting()
    const token = await current()
    const before = { refreshes: refreshes(), probes: probes() }
    for (let count = 0; count < 20; count++) expect((await reject(token)).body.access_token).toBe(token)
    expect({ refreshes: refreshes(), probes: probes() }).toEqual({ ...before, probes: before.probes + 1 })
  })

  test('dies where the provider says 401, without a refresh', async () => {
    session = await lasting()
    const token = await current()
    house.github.control.revoke({ token })
    const before = refreshes()
    expect((await reject(token)).status).toBe(424)
    expect((await session.fetch()).status).toBe(424)
    expect(refreshes()).toBe(before)
  })

  test('dies for fifty at the same moment by one question', async () => {
    session = await lasting()
    const token = await current()
    house.github.control.revoke({ token })
    const before = probes()
    const answers = await Promise.all(Array.from({ length: 50 }, () => reject(token)))
    expect(answers.every(({ status }) => status === 424)).toBe(true)
    expect((await session.fetch()).status).toBe(424)
    expect(probes()).toBe(before + 1)
  })
})

test('a token from a token endpoint of another host is not shown to the provider as it is now', async () => {
  session = await lasting()
  const token = await current()
  const { connections } = house.gateway.running().gateway.store
  const { listForGrant } = connections
  connections.listForGrant = async (grantId) =>
    (await listForGrant(grantId)).map((row) => ({ ...row, tokenEndpoint: 'https://old.test/token' }))
  const before = probes()
  expect((await reject(token)).status).toBe(200)
  connections.listForGrant = listForGrant
  expect(probes()).toBe(before)
})

test('an Atlassian token that died with its companion is replaced once', async () => {
  const jira = await house.open('jira', {
    providers: [{ provider: 'atlassian', scopes: ['read:jira-work'] }],
  })
  house.newPerson()
  session = await enterAging(house, jira, 'atlassian')
  const first = await current()
  house.atlassian.control.revoke({ token: first })
  const { status, body } = await reject(first)
  expect(status).toBe(200)
  const answer = await fetch(`${house.atlassian.api}/me`, {
    headers: { authorization: `Bearer ${body.access_token}` },
  })
  expect(answer.status).toBe(200)
})
