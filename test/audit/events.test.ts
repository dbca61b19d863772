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

test('a gateway that stops ends its chain, and the next one names it', async () => {
  await world.gateway.restart()
  await signIn(world)
  const [ended] = await events('event=audit.chain_ended')
  const [started] = await events('event=audit.chain_started')
  expect(started?.detail.heads).toMatchObject([{ chain: ended?.chain, seq: ended?.seq, mac: ended?.mac }])
})
