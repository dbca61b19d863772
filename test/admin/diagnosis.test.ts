import { expect, test } from 'vitest'
import { viewOf } from '../../src/endpoints/admin/diagnosis.ts'
import { version } from '../../src/lib/version.ts'
import { openAdminGateway, start } from '../support/admin-gateway.ts'
import { databaseKind } from '../support/database.ts'
import { startTestGateway } from '../support/gateway.ts'

const inForce = {
  sqlite: { kind: 'sqlite', synchronous: 'full', foreign_keys: true, page_size: 8192 },
  postgres: { kind: 'postgres', synchronous_commit: 'on', isolation: 'read committed', read_only: false },
}

test('the gateway tells what is in force, how near its limits are and who may administer', async () => {
  const gateway = await openAdminGateway({ file: { limits: { registrations: 5 } } })
  const password = 'a password of ada’s own'
  await gateway.admin('POST', '/administrators', { name: 'ada', role: 'read', password })
  await gateway.admin('POST', '/administrators', { name: 'bob', role: 'write', password })
  await gateway.admin('PATCH', '/administrators/bob', { enabled: false })
  for (let times = 0; times < 4; times++) gateway.gateway.rates.registrations.take('', start)
  const authorization = `Basic ${Buffer.from(`ada:${password}`).toString('base64')}`
  const read = await gateway.send('GET', '/admin/v1/diagnosis', { headers: { authorization } })
  expect(read.statusCode).toBe(200)
  expect(read.json()).toMatchObject({
    version,
    now: start,
    database: inForce[databaseKind()],
    master_keys: [{ id: 'test', state: 'sealing' }],
    administrators: { token: true, read: 1, write: 0 },
    forwarding: { trusted_proxies: [], believed: 0, disbelieved: 0 },
    token_lifetime: 3600,
    limits: { registrations: 5, authorizations: 2400 },
    connections_ending: [],
    usage: expect.arrayContaining([
      { limit: 'registrations', used: 4, most: 5 },
      { limit: 'authorizations_under_way', used: 0, most: 20_000 },
      { limit: 'unused_clients', used: 0, most: 40_000 },
    ]),
  })
})

test('a master key that is gone, and one that is not the right one, are told from those at hand', async () => {
  const { admin, database } = await openAdminGateway()
  const { keyChecks } = database.tables
  const row = { sealedCheck: 'v1.old.x.y', createdAt: start }
  await database.db
    .insert(keyChecks)
    .values({ masterKeyId: 'old', ...row })
    .returning()
  const states = async () => (await admin('GET', '/diagnosis')).json.master_keys
  expect(await states()).toEqual([
    { id: 'test', state: 'sealing' },
    { id: 'old', state: 'missing' },
  ])
  await database.db.update(keyChecks).set({ sealedCheck: 'v1.test.x.y' }).returning()
  expect(await states()).toContainEqual({ id: 'test', state: 'wrong' })
})

test('requests are counted by whether they say where they come from, and are believed', async () => {
  const from = { 'x-forwarded-for': '203.0.113.7' }
  const forwardings = async (env: Record<string, string>) => {
    const gateway = await startTestGateway({ env: () => env })
    await fetch(`${gateway.url}/healthz`)
    await fetch(`${gateway.url}/healthz`, { headers: from })
    const { forwarding } = await gateway.admin('GET', '/diagnosis')
    await gateway.stop()
    return forwarding
  }
  expect(await forwardings({})).toEqual({
    trusted_proxies: [],
    direct: 2,
    believed: 0,
    disbelieved: 1,
    last_disbelieved: '127.0.0.1',
  })
  expect(await forwardings({ COATCHECK_TRUSTED_PROXIES: '127.0.0.1' })).toEqual({
    trusted_proxies: ['127.0.0.1'],
    direct: 2,
    believed: 1,
    disbelieved: 0,
  })
})

test('a PostgreSQL server is told of by the same words', () => {
  const pool = { open: 2, most: 10, waiting: 0 }
  const same = {
    kind: 'postgres',
    version: '18.1',
    fsync: true,
    isolation: 'read committed',
    bytes: 7,
  } as const
  const server = { open: 3, most: 97, others: 1, gateways: 1 }
  const also = { transport: 'plain', pool, server } as const
  expect(
    viewOf({ ...same, ...also, synchronousCommit: 'on', readOnly: false, pendingMigrations: 0 }),
  ).toEqual({ ...same, ...also, synchronous_commit: 'on', read_only: false })
})
