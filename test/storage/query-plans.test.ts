import SqliteDatabase from 'better-sqlite3'
import { getTableName } from 'drizzle-orm'
import { afterAll, expect, test } from 'vitest'
import type { Batch, Queries } from '../../src/storage/dialect.ts'
import { overSqlite } from '../../src/storage/drizzle.ts'
import { readMigrations } from '../../src/storage/migrations.ts'
import { migrate } from '../../src/storage/sqlite/migrate.ts'
import { auditRows } from '../../src/storage/sqlite/open.ts'
import { statementCache } from '../../src/storage/sqlite/statements.ts'
import { tables } from '../../src/storage/sqlite/tables.ts'
import { createStore, type Store } from '../../src/storage/store.ts'

// What a deletion takes with it, and what is counted at every request, is found by an index and never by a walk.

const connection = new SqliteDatabase(':memory:')
migrate(connection, readMigrations('sqlite'))
afterAll(() => connection.close())
const prepared = statementCache(connection)
const { drizzle } = overSqlite()

/** How SQLite would carry out what a repository asks of it; each guard is taken to have let the writes through. */
async function plansOf(ask: (store: Store) => Promise<unknown>): Promise<string[]> {
  const asked: string[] = []
  const db = drizzle(async (sql) => {
    asked.push(sql)
    return { rows: [] }
  }) as unknown as Queries
  const batch = (async (build) => {
    const { guard, writes } = build(db)
    await Promise.all([guard, ...writes])
    return undefined
  }) satisfies Batch
  await ask(createStore(db, tables, batch))
  return asked.map((sql) =>
    prepared(`EXPLAIN QUERY PLAN ${sql}`)
      .all(...[...sql].filter((sign) => sign === '?'))
      .join('\n'),
  )
}

type ForeignKey = { from: string; table: string }

const foreignKeys = Object.values(tables)
  .map((table) => getTableName(table))
  .flatMap((name) =>
    connection
      .prepare<[], ForeignKey>(`PRAGMA foreign_key_list(${name})`)
      .all()
      .map(({ from, table: parent }) => ({ name, from, parent })),
  )

const planOf = (statement: string) =>
  connection
    .prepare<[], { detail: string }>(`EXPLAIN QUERY PLAN ${statement}`)
    .all()
    .map(({ detail }) => detail)
    .join('\n')

test('there are foreign keys', () => {
  expect(foreignKeys.length).toBeGreaterThan(15)
})

test.each([...foreignKeys, { name: 'consents', from: 'resource_id', parent: 'resources' }])(
  'removing a row of $parent finds those of $name by $from',
  ({ name, from }) => {
    const plan = planOf(`DELETE FROM ${name} WHERE ${from} = 'x'`)
    expect(plan).toMatch(/USING (COVERING )?INDEX/)
    expect(plan).not.toContain('SCAN')
  },
)

test('what is under way is counted in an index alone', () => {
  const plan = planOf(
    `SELECT count(*), count(CASE WHEN client_id = 'x' THEN 1 END), min(expires_at) FROM interactions
     WHERE completed_at IS NULL AND expires_at > 1`,
  )
  expect(plan).toContain('USING COVERING INDEX interactions_under_way')
})

test('which connections are idle, and how many end soon, is told from an index before a row is read', () => {
  const refreshable = `FROM connections WHERE status = 'live' AND provider = 'x' AND sealed_refresh_token IS NOT NULL`
  expect(planOf(`SELECT count(*) ${refreshable} AND authorized_at + 9 > 1`)).toContain(
    'INDEX connections_provider (provider=? AND status=?)',
  )
  const idle = planOf(
    `SELECT id ${refreshable} AND upstream_client_id = 'y' AND id > 'z'
     AND 3 * coalesce(refresh_expires_at, refreshed_at + 9) + 2 * refreshed_at <= 1 ORDER BY id LIMIT 9`,
  )
  expect(idle).toContain('INDEX connections_provider (provider=? AND status=? AND id>?)')
  expect(idle).not.toContain('TEMP B-TREE')
  const ending = `SELECT count(*) FROM connections WHERE status = 'live' AND sealed_refresh_token IS NULL
     AND access_expires_at > 1 AND access_expires_at <= 2 GROUP BY provider`
  expect(planOf(ending)).toContain('INDEX connections_not_refreshable')
})

test('which refreshes were interrupted is told from the leases there are, however many connections', async () => {
  const [plan = ''] = await plansOf(({ connectionEnds }) => connectionEnds.listInterrupted(1, 1))
  expect(plan.match(/(SCAN|SEARCH) \w+/g)?.slice(0, 2)).toEqual([
    'SEARCH refresh_leases',
    'SEARCH connections',
  ])
})

const event = { id: 'x', event: 'session.revoked', at: 1, actor: 'x', outcome: 'done', detail: {} }

test.each<[string, (store: Store) => Promise<unknown>]>([
  ['a session', ({ grants }) => grants.revoke('x', 'why', 1, event)],
  ['all sessions of a person', ({ grants }) => grants.endAll({ subjectId: 'x' }, 'why', 1, event)],
  [
    'connections no other session uses',
    ({ removals }) => removals.unusedConnections({ grantId: 'x' }, 1, event),
  ],
  [
    'connections of a client alone',
    ({ removals }) => removals.unusedConnections({ clientId: 'x' }, 1, event),
  ],
  ['a connection', ({ removals }) => removals.connection('x', 1, event)],
  ['a person', ({ removals }) => removals.subject('x', 1, event)],
  ['what would be kept', ({ removals }) => removals.keptConnections({ grantId: 'x' }, 1)],
])('ending %s walks through nothing that grows', async (_name, end) => {
  const plans = await plansOf(end)
  expect(plans).not.toEqual([])
  for (const plan of plans) expect(plan).not.toMatch(/SCAN (?!exchanged\b)(?!\(?subquery)/i)
})

test('registrations nobody used are counted in an index alone, and the oldest of them found in it', () => {
  const unused = `FROM clients WHERE origin = 'dynamic' AND invited = 0 AND last_used_at IS NULL`
  expect(planOf(`SELECT count(*), min(created_at) ${unused}`)).toContain('INDEX clients_unused')
  const oldest = planOf(`SELECT id ${unused} AND created_at <= 1 ORDER BY created_at LIMIT 1`)
  expect(oldest).toContain('INDEX clients_unused')
  expect(oldest).not.toContain('TEMP B-TREE')
})

test('what was exchanged from a grant is found in an index, however much of it has ended', () => {
  const plan = planOf(
    `UPDATE grants SET revoked_at = 1 WHERE id IN (
       WITH RECURSIVE exchanged(id) AS (
         SELECT grants.id FROM grants WHERE grants.id = 'x'
         UNION ALL
         SELECT grants.id FROM grants INNER JOIN exchanged ON grants.parent_id = exchanged.id
         WHERE grants.revoked_at IS NULL AND grants.expires_at > 1
       ) SELECT id FROM exchanged)`,
  )
  expect(plan).toContain('INDEX grants_parent (parent_id=? AND revoked_at=? AND expires_at>?)')
  expect(plan).not.toContain('SCAN grants')
  expect(planOf('DELETE FROM grants WHERE parent_id IS NOT NULL AND expires_at <= 1')).toContain(
    'INDEX grants_',
  )
})

test('connections are counted in an index alone, however large their rows are', () => {
  const some = `SELECT provider FROM connections WHERE provider = 'x' AND status = 'live' LIMIT 9`
  expect(planOf(`SELECT count(*) FROM (${some})`)).toContain('USING COVERING INDEX connections_provider')
  expect(planOf(`SELECT min(provider) FROM connections WHERE provider > 'x'`)).toMatch(
    /SEARCH .*COVERING INDEX/,
  )
})

test('the rows of the audit log are told by its ends', () => {
  const plan = planOf(auditRows)
  expect(plan.match(/SEARCH audit_events/g)).toHaveLength(2)
  expect(plan).not.toContain('SCAN audit_events')
})
