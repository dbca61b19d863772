import { afterAll, beforeAll, expect, test } from 'vitest'
import { sha256 } from '../../src/lib/secret.ts'
import {
  authorizeUrl,
  newBrowser,
  newPkce,
  refresh,
  retrieve,
  signIn,
  startWorld,
  type World,
} from '../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.stop())

type Row = { event: string; outcome: string; detail: Record<string, unknown> } & Record<string, unknown>

async function events(query: string): Promise<Row[]> {
  return (await world.gateway.admin<{ items: Row[] }>('GET', `/audit-events?limit=200&${query}`)).items
}

test('a flow leaves a row for each of its steps, with whose, for whom and where', async () => {
  const { tokens, tsid } = await signIn(world)
  await retrieve(world, tsid)
  await refresh(world, tokens.refresh_token)
  const seen = new Map((await events('')).map((row) => [row.event, row]))
  for (const event of [
    'subject.created',
    'connection.saved',
    'grant.created',
    'token.issued',
    'token.refreshed',
  ]) {
    expect(seen.get(event), event).toMatchObject({
      outcome: 'ok',
      subject_id: expect.stringMatching(/^sub_/),
    })
  }
  expect(seen.get('upstream_token.released')).toMatchObject({
    outcome: 'ok',
    actor: `resource:${world.credential.id}`,
    client_id: world.clientId,
    resource_id: 'notes',
    provider: 'github',
    detail: { scopes: expect.arrayContaining(['repo']) },
  })
  const { rows } = await world.gateway
    .running()
    .gateway.store.auditEvents.list({ event: 'upstream_token.released' }, { limit: 1 })
  expect(rows[0]?.tsidHash).toBe(sha256(tsid))
})

test('a refused release is recorded with why, once a minute', async () => {
  const { tsid } = await signIn(world)
  for (let index = 0; index < 3; index++) {
    expect((await retrieve(world, tsid, { query: { scope: 'admin:org' } })).status).toBe(403)
  }
  const refused = await events('event=upstream_token.refused')
  expect(refused).toMatchObject([
    {
      outcome: 'not_allowed',
      actor: `resource:${world.credential.id}`,
      client_id: world.clientId,
      resource_id: 'notes',
      provider: 'github',
      detail: { scopes: ['admin:org'] },
    },
  ])
  world.clock.advance(61)
  await retrieve(world, tsid, { query: { scope: 'admin:org' } })
  expect(await events('event=upstream_token.refused')).toHaveLength(2)
  // A session the resource does not have is none of its business, and has no place in the record.
  expect((await retrieve(world, 'ts_nobody', { query: { scope: 'admin:org' } })).status).toBe(404)
  expect(await events('event=upstream_token.refused')).toHaveLength(2)
})

test('a no of somebody who is signed in is recorded', async () => {
  const { browser } = await signIn(world)
  await browser.walk(authorizeUrl(world, newPkce().challenge, { prompt: 'consent' }), ['deny'])
  expect(await events('event=consent.denied')).toMatchObject([
    { subject_id: expect.stringMatching(/^sub_/), client_id: world.clientId, resource_id: 'notes' },
  ])
})

test('a sign-in of somebody who may not is recorded', async () => {
  await signIn(world)
  const people = await world.gateway.admin<{ items: { id: string }[] }>('GET', '/subjects')
  const { id } = people.items[0] ?? { id: '' }
  await world.gateway.admin('PATCH', `/subjects/${id}`, { enabled: false })
  await newBrowser().walk(authorizeUrl(world, newPkce().challenge), ['allow'])
  await world.gateway.admin('PATCH', `/subjects/${id}`, { enabled: true })
  expect(await events('event=subject.refused')).toMatchObject([
    {
      outcome: 'subject_disabled',
      subject_id: id,
      provider: 'github',
      detail: { upstream_subject: expect.any(String) },
    },
  ])
})

test('failed logins of administrators enter the record together, and cannot fill it', async () => {
  const fail = async () =>
    await fetch(`${world.gateway.issuer}/admin/v1/providers`, { headers: { authorization: 'Bearer wrong' } })
  for (let index = 0; index < 5; index++) await fail()
  expect(await events('event=administrator.refused')).toMatchObject([{ detail: { failures: 1 } }])
  world.clock.advance(61)
  await fail()
  expect((await events('event=administrator.refused')).map(({ detail }) => detail.failures)).toEqual([5, 1])
})

test('failed authentications of clients and MCP servers enter the record together, and cannot fill it', async () => {
  const { issuer } = world.gateway
  const post = async (path: string, body: Record<string, string>, headers = {}) =>
    await fetch(`${issuer}${path}`, { method: 'POST', headers, body: new URLSearchParams(body) })
  const basic = (id: string, secret: string) => ({
    authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
  })
  const nobody = { grant_type: 'refresh_token', client_id: 'nobody', client_secret: 'guess' }
  expect((await post('/oauth/token', nobody)).status).toBe(401)
  for (const secret of ['one', 'two', 'three']) {
    await post('/oauth/token', { ...nobody, client_id: world.clientId, client_secret: secret })
    await post('/oauth/introspect', { token: 'x' }, basic(world.credential.id, secret))
    await post('/oauth/token', { grant_type: 'x' }, basic(`${world.credential.id}x`, secret))
  }
  const refused = async () =>
    (await events('event=caller.refused')).map(({ outcome, detail }) => [outcome, detail])
  expect(await refused()).toEqual([
    ['wrong_resource_credential', { failures: 1, names: [world.credential.id] }],
    ['wrong_client_credential', { failures: 1 }],
  ])
  world.clock.advance(61)
  await world.gateway.running().gateway.failures.record('due')
  expect((await refused()).slice(0, -2)).toEqual([
    ['wrong_resource_credential', { failures: 5, names: [world.credential.id] }],
    ['wrong_client_credential', { failures: 3, names: [world.clientId] }],
  ])
  await world.gateway.running().gateway.failures.record('all')
  expect(await refused()).toHaveLength(4)
})

test('what was counted is recorded when a gateway stops, and a clock that is put back silences nothing', async () => {
  const fail = async () =>
    await fetch(`${world.gateway.issuer}/oauth/introspect`, { method: 'POST', body: new URLSearchParams() })
  const counted = async () => (await events('event=caller.refused')).map(({ detail }) => detail.failures)
  const before = (await counted()).length
  world.clock.advance(61)
  await fail()
  world.clock.advance(-7200)
  await fail()
  await fail()
  world.clock.advance(7200)
  expect((await counted()).length).toBe(before + 2)
  await world.gateway.restart()
  expect((await counted()).length).toBe(before + 3)
})

test('a gateway that stops ends its chain, and the next one names it', async () => {
  await world.gateway.restart()
  await signIn(world)
  const [ended] = await events('event=audit.chain_ended')
  const [started] = await events('event=audit.chain_started')
  const head = { chain: ended?.chain, seq: ended?.seq, mac: ended?.mac }
  expect(started?.detail.heads).toContainEqual(head)
})
