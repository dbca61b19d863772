import { afterAll, beforeAll, expect, test } from 'vitest'
import { auditEvent } from '../../src/audit/event.ts'
import type { Connection } from '../../src/storage/connections.ts'
import { type Database, openDatabase } from '../../src/storage/database.ts'
import { createStore, type Store } from '../../src/storage/store.ts'
import { client, grant, subject } from './rows.ts'

let database: Database
let store: Store
const gate = { commits: 0 }
const session = { id: 'grant', drawnOn: 'grant' }

beforeAll(async () => {
  database = await openDatabase('sqlite::memory:', {
    observe: ({ kind }) => {
      if (kind === 'committed') gate.commits++
    },
  })
  const { db, tables, batch } = database
  store = createStore(db, tables, batch)
  await db.insert(tables.subjects).values(subject('ada')).returning()
  await db.insert(tables.clients).values(client('editor')).returning()
  await db.insert(tables.grants).values(grant('grant')).returning()
  await db
    .insert(tables.connections)
    .values({ ...connection, version: 1 })
    .returning()
})
afterAll(() => database.close())

const connection: Omit<Connection, 'version'> = {
  id: 'connection',
  subjectId: 'ada',
  provider: 'github',
  issuer: 'https://github.test',
  upstreamSubject: '1',
  accountId: 'acct_1',
  accountLabel: 'ada',
  scopes: [],
  tokenEndpoint: 'https://github.test/token',
  upstreamClientId: 'coatcheck',
  sealedAccessToken: '',
  sealedRefreshToken: null,
  tokenType: 'bearer',
  accessExpiresAt: null,
  accessLifetime: null,
  refreshExpiresAt: null,
  status: 'live',
  statusReason: null,
  statusSince: 0,
  createdAt: 0,
  authorizedAt: 0,
  refreshedAt: 0,
  sites: null,
  lastUsedAt: null,
  lastUsedBy: null,
}

test('the use of a client is written once an hour, and costs no commit in between', async () => {
  const touch = async (now: number) => {
    const before = gate.commits
    const found = await store.clients.find('editor', now)
    await store.clients.touch(found ?? client('editor'), now, null)
    return { commits: gate.commits - before, at: (await store.clients.find('editor', now))?.lastUsedAt }
  }
  expect(await touch(1_000_000)).toEqual({ commits: 1, at: 1_000_000 })
  expect(await touch(1_003_600)).toEqual({ commits: 0, at: 1_000_000 })
  expect(await touch(1_003_601)).toEqual({ commits: 1, at: 1_003_601 })
})

test('every release is recorded in one commit; the use of a connection is written once a minute', async () => {
  const release = async (now: number) => {
    const before = gate.commits
    const read = await store.connections.find('connection')
    const event = auditEvent(now, { event: 'upstream_token.released', actor: 'resource:one' })
    await store.grants.recordRelease(session, read ?? connection, now, event)
    const [used, noted] = [await store.connections.find('connection'), await store.grants.find('grant')]
    const { rows } = await store.auditEvents.list({ event: 'upstream_token.released' }, { limit: 10 })
    return {
      commits: gate.commits - before,
      recorded: rows.length,
      connection: used?.lastUsedAt,
      grant: noted?.lastUsedAt,
    }
  }
  expect(await release(1_000)).toEqual({ commits: 1, recorded: 1, connection: 1_000, grant: 1_000 })
  expect(await release(1_059)).toEqual({ commits: 1, recorded: 2, connection: 1_000, grant: 1_059 })
  expect(await release(1_060)).toEqual({ commits: 1, recorded: 3, connection: 1_060, grant: 1_060 })
})

test('a session that was revoked releases nothing, and nothing is recorded', async () => {
  const event = auditEvent(2_000, { event: 'grant.revoked', actor: 'admin:ada' })
  await store.grants.revoke('grant', 'by_administrator', 2_000, event)
  const released = auditEvent(2_001, { event: 'upstream_token.released', actor: 'resource:two' })
  expect(await store.grants.recordRelease(session, connection, 2_001, released)).toBe(false)
  const { rows } = await store.auditEvents.list({ actor: 'resource:two' }, { limit: 10 })
  expect(rows).toEqual([])
})
