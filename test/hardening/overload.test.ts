import { connect } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { answerDeadline, type Load } from '../../src/limits/load.ts'
import { askExchange } from '../support/faces.ts'
import { type FailingStore, failingStore } from '../support/failing-store.ts'
import { type Notes, startNotes } from '../support/notes.ts'
import {
  authorizeUrl,
  basic,
  newPkce,
  postToken,
  refresh,
  retrieve,
  signIn,
  type Tokens,
} from '../support/world.ts'

// More to do than can be done: what can best be asked again is let go of first, and never what somebody depends on.

let notes: Notes
let load: Load
let store: FailingStore
let session: Awaited<ReturnType<typeof signIn>>

beforeAll(async () => {
  const limits = { failed_admin_logins_per_address: 10_000, failed_admin_logins_per_name: 10_000 }
  notes = await startNotes({ chores: 'none', file: { limits } })
  session = await signIn(notes)
  const { gateway } = notes.gateway.running()
  load = gateway.load
  store = failingStore(gateway.store)
})
afterAll(() => notes.stop())
afterEach(() => {
  load.noteLag(0)
  store.heal()
})

const ask = (path: string, init: RequestInit = {}) =>
  fetch(`${notes.gateway.issuer}${path}`, { redirect: 'manual', ...init })
const posted = (body: string): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body,
})
const asAdmin = (): RequestInit => ({ headers: { authorization: `Bearer ${notes.gateway.adminToken}` } })
const asResource = (): RequestInit => ({ headers: { authorization: basic(notes.credential) } })

/** Refused for a while, in the form of the place. */
async function expectBusy(response: Response, type: string, told: Record<string, unknown> = {}) {
  const body = await response.text()
  expect([response.status, response.headers.get('retry-after')], body).toEqual([503, '5'])
  expect(response.headers.get('content-type')).toBe(`${type}; charset=utf-8`)
  expect(response.headers.get('cache-control')).toBe('no-store')
  if (type !== 'text/html') expect(JSON.parse(body)).toMatchObject(told)
}

const oauth = { error: 'temporarily_unavailable', error_code: 'gateway_busy', who_must_act: 'nobody' }
const problem = { code: 'busy', status: 503, type: 'urn:coatcheck:problem:busy' }

async function refreshWith(token: string): Promise<void> {
  const refreshed = await refresh(notes, token)
  expect(refreshed.status).toBe(200)
  session = { ...session, tokens: (await refreshed.json()) as Tokens }
}

/** What is served however much there is to do. */
async function expectNeededServed(): Promise<void> {
  for (const path of ['/healthz', '/readyz', '/.well-known/jwks.json']) {
    expect([path, (await ask(path)).status]).toEqual([path, 200])
  }
  expect((await retrieve(notes, session.tsid)).status).toBe(200)
  await refreshWith(session.tokens.refresh_token)
  const unknown = new URLSearchParams({ client_id: notes.clientId, token: 'cc_rt_x' })
  expect((await ask('/oauth/revoke', { method: 'POST', body: unknown })).status).toBe(200)
  expect((await ask('/admin/v1/clients', asAdmin())).status).toBe(200)
}

describe('an event loop that is late', () => {
  test('lets nothing begin, before anything of it is read, and serves the rest', async () => {
    load.noteLag(10_000)
    // No JSON, and no such client: nobody looked.
    const registered = await ask('/oauth/register', posted('not json'))
    expect(registered.headers.get('access-control-allow-origin')).toBe('*')
    await expectBusy(registered, 'application/json', { ...oauth, retry_after: 5 })
    await expectBusy(await ask('/oauth/authorize?client_id=nobody'), 'text/html')
    await expectBusy(
      await ask('/admin/v1/tests', { ...posted('{}'), ...asAdmin() }),
      'application/problem+json',
      problem,
    )
    await expectBusy(await ask('/nothing/here'), 'application/json', oauth)
    // Nor is there a line for each of them that says why.
    expect(notes.gateway.logs()).not.toContain('request failed')
    expect((await ask('/oauth/interactions/int_x')).status).toBe(400)
    await expectNeededServed()
  })

  test('twice as late, lets nothing go on but what somebody depends on', async () => {
    load.noteLag(20_000)
    await expectBusy(await ask('/oauth/interactions/int_x'), 'text/html')
    await expectBusy(await ask('/account'), 'text/html')
    const manifest = { ...posted('{"tools":[]}'), method: 'PUT' }
    await expectBusy(await ask('/v1/tools', manifest), 'application/json', oauth)
    await expectBusy(await ask('/v1/decisions/x', asResource()), 'application/json', oauth)
    await expectNeededServed()
  })

  test('in time again, begins anew', async () => {
    expect((await ask(new URL(authorizeUrl(notes, newPkce().challenge)).pathname)).status).toBe(400)
  })
})

describe('more requests under way than may be', () => {
  test('refuse everything else, on every face, and the process stays alive and ready', async () => {
    const many = Array.from({ length: 2_000 }, () => ({ since: 0, giveUp: () => {} }))
    for (const each of many) load.begin(each)
    await expectBusy(await ask('/oauth/revoke', { method: 'POST' }), 'application/json', oauth)
    await expectBusy(await ask('/oauth/introspect', { method: 'POST' }), 'application/json', oauth)
    const path = `/v1/token-sessions/${session.tsid}/tokens/github`
    await expectBusy(await ask(path, asResource()), 'application/json', oauth)
    const { credential, tsid, tokens } = { ...notes, ...session }
    const exchange = { credential, tsid, userToken: tokens.access_token, provider: 'github' }
    expect(await askExchange(notes.gateway, exchange)).toMatchObject({
      status: 503,
      body: { ...oauth, retry_after: 5 },
    })
    await expectBusy(await ask('/admin/v1/clients', asAdmin()), 'application/problem+json', problem)
    expect([(await ask('/healthz')).status, (await ask('/readyz')).status]).toEqual([200, 200])
    for (const each of many) load.end(each)
    await expectNeededServed()
    expect(load.underWay()).toBe(0)
  })

  test('count none that is still coming in', async () => {
    const { port } = new URL(notes.gateway.issuer)
    const sockets = Array.from({ length: 20 }, () => {
      const socket = connect(Number(port), 'localhost')
      socket.write('POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n')
      socket.write('content-type: application/x-www-form-urlencoded\r\n\r\na=1')
      return socket
    })
    await ask('/healthz')
    expect(load.underWay()).toBe(0)
    for (const socket of sockets) socket.destroy()
  })
})

describe('who does not take what they asked for', () => {
  const begin = () =>
    `${new URL(authorizeUrl(notes, newPkce().challenge)).pathname}?client_id=${notes.clientId}`
  const asked = (path: string) => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`
  const sent = (message: string) => {
    const socket = connect(Number(new URL(notes.gateway.issuer).port), 'localhost')
    socket.write(message)
    return socket
  }

  test('has answers wait behind a slow one on their connection, and keeps nobody out', async () => {
    const release = store.hold(['clients.find'])
    const socket = sent(asked(begin()) + asked('/account').repeat(500))
    while (!store.calls().includes('clients.find')) await turn()
    while (load.underWay() > 1) await turn()
    expect(load.underWay()).toBe(1)
    socket.destroy()
    release()
    while (load.underWay() > 0) await turn()
  })

  test('goes away, and what is still done for them counts', async () => {
    const release = store.hold(['clients.find'])
    const sockets = Array.from({ length: 20 }, () => sent(asked(begin())))
    while (store.calls().filter((call) => call === 'clients.find').length < 20) await turn()
    for (const socket of sockets) socket.destroy()
    await ask('/healthz')
    expect(load.underWay()).toBe(20)
    release()
    while (load.underWay() > 0) await turn()
  })
})

test('what takes too long is given up, told so, and what it did is found by who asks again', async () => {
  const release = store.hold(['refreshTokens.rotate'])
  const old = session.tokens.refresh_token
  const waiting = refresh(notes, old)
  while (!store.calls().includes('refreshTokens.rotate')) await turn()
  load.endOverdue(performance.now() + answerDeadline)
  const given = await waiting
  await expectBusy(given, 'application/json', oauth)
  release()
  while (!notes.gateway.logs().includes('already sent')) await turn()
  await refreshWith(old)
})

describe('two hundred at once', () => {
  /** What everybody else is answered meanwhile. */
  async function others(): Promise<number[]> {
    const all = Array.from({ length: 30 }, async () => [
      (await ask('/.well-known/jwks.json')).status,
      (await retrieve(notes, session.tsid)).status,
    ])
    return (await Promise.all(all)).flat()
  }
  const served = Array(60).fill(200)

  test('with wrong secrets at the token endpoint keep nobody else from being answered', async () => {
    const wrong = { grant_type: 'refresh_token', refresh_token: 'x', client_id: notes.clientId }
    const floods = Array.from({ length: 200 }, () => postToken(notes, { ...wrong, client_secret: 'wrong' }))
    expect(await others()).toEqual(served)
    const statuses = (await Promise.all(floods)).map(({ status }) => status)
    expect(new Set(statuses)).toEqual(new Set([401]))
  })

  test('with wrong passwords of an administrator are verified a few at a time, and the rest is told to wait', async () => {
    const password = 'correct horse battery staple'
    await notes.gateway.admin('POST', '/administrators', { name: 'ada', role: 'write', password })
    const headers = { authorization: basic({ id: 'ada', secret: 'wrong' }) }
    const floods = Array.from({ length: 200 }, () => ask('/admin/v1/clients', { headers }))
    expect(await others()).toEqual(served)
    const answers = await Promise.all(floods)
    const statuses = answers.map(({ status }) => status)
    expect(new Set(statuses)).toEqual(new Set([401, 503]))
    for (const each of answers) {
      const { status, headers } = each
      if (status === 503) expect(headers.get('retry-after'), await each.text()).toBe('1')
    }
  })
})

test('a store that is away is a 503 that says when to come back, on every face', async () => {
  store.arm(['providers.list', 'browserSessions.find', 'clients.find', 'resources.findCredential'], 'before')
  const told = async (path: string, init?: RequestInit) => {
    const response = await ask(path, init)
    await response.arrayBuffer()
    return [response.status, response.headers.get('retry-after')]
  }
  const form = new URLSearchParams({ grant_type: 'refresh_token', client_id: notes.clientId })
  expect(await told('/oauth/token', { method: 'POST', body: form })).toEqual([503, '5'])
  expect(await told('/admin/v1/providers', asAdmin())).toEqual([503, '5'])
  expect(await told(`/v1/token-sessions/${session.tsid}`, asResource())).toEqual([503, '5'])
  expect(await told(`/oauth/authorize?client_id=${notes.clientId}`)).toEqual([503, '5'])
})
