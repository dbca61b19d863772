import pg from 'pg'
import { ArchiveError, type ArchiveTable, archiveTables } from '../archive/format.ts'
import type { Target } from '../archive/target.ts'
import { type Applied, createMigrationsTable, incompleteMark, selectMigrations } from '../migrations.ts'
import { notEmpty } from '../sqlite/target.ts'
import type { PostgresAddress } from './address.ts'
import { connectTo, ignore } from './connect.ts'
import { asUnavailable } from './faults.ts'
import { migrate, withoutLimit } from './migrate.ts'
import { tables } from './tables.ts'

/** Any number, as long as no other lock has it: two at once would each begin anew what the other began. */
const targetLock = 7_265_728_432

type ForeignKey = { table: string; name: string; definition: string }

const selectForeignKeys = `SELECT conrelid::regclass::text AS "table", quote_ident(conname) AS name,
  pg_get_constraintdef(oid) AS definition
  FROM pg_constraint WHERE contype = 'f' AND connamespace = current_schema()::regnamespace`

const wish = { name: 'coatcheck archive', server: 'primary', patience: 10_000 } as const

export async function openPostgresTarget(address: PostgresAddress): Promise<Target> {
  const locked = await takeLock(address)
  const client = await connectTo(address, wish).catch(async (error) => {
    await locked.end()
    throw asUnavailable(error)
  })
  let foreignKeys: ForeignKey[] = []
  return {
    kind: 'postgres',
    async begin(migrations) {
      await takeEmpty(client)
      await migrate(client, migrations)
      foreignKeys = (await client.query<ForeignKey>(selectForeignKeys)).rows
      await client.query(`BEGIN; ${withoutLimit}`)
      // Rows come in any order: what binds them is checked once, in the end.
      for (const { table, name } of foreignKeys) {
        await client.query(`ALTER TABLE ${table} DROP CONSTRAINT ${name}`)
      }
    },
    async insert({ name, columns }, rows) {
      const names = columns.map((column) => `"${column.name}"`).join(', ')
      const objects = rows.map((row) =>
        Object.fromEntries(columns.map((column, index) => [column.name, row[index]])),
      )
      await client.query(
        `INSERT INTO "${name}" (${names}) SELECT ${names} FROM json_populate_recordset(NULL::"${name}", $1)`,
        [JSON.stringify(objects)],
      )
    },
    async count(wanted) {
      const counts: Record<string, number> = {}
      for (const { name } of wanted) {
        const { rows } = await client.query<{ count: number }>(`SELECT count(*)::int AS count FROM "${name}"`)
        counts[name] = rows[0]?.count ?? 0
      }
      return counts
    },
    async commit(migrations) {
      for (const { table, name, definition } of foreignKeys) {
        await client.query(`ALTER TABLE ${table} ADD CONSTRAINT ${name} ${definition}`).catch(asOrphan)
      }
      await client.query('COMMIT')
      await migrate(client, migrations)
      // Until the server looks at the tables by itself it would plan as for empty ones.
      await client.query(`BEGIN; ${withoutLimit}; ANALYZE; COMMIT`)
    },
    async complete() {
      await client.query('DELETE FROM applied_migrations WHERE tag = $1', [incompleteMark.tag])
    },
    async close() {
      await client.end()
      // A pooler would hang up on its server, and the lock be held until that found out.
      await locked.query('ROLLBACK').catch(ignore)
      await locked.end()
    },
    explained: asUnavailable,
  }
}

/**
 * Held by a transaction of a connection that does nothing else, since what is written takes several, and a pooler would
 * not keep a lock from one to the next.
 */
async function takeLock(address: PostgresAddress): Promise<pg.Client> {
  const client = await connectTo(address, wish).catch((error) => {
    throw asUnavailable(error)
  })
  try {
    await client.query(`BEGIN; ${withoutLimit}`)
    const { rows } = await client.query<{ taken: boolean }>(
      `SELECT pg_try_advisory_xact_lock(${targetLock}) AS taken`,
    )
    if (!rows[0]?.taken) throw new ArchiveError('something else is written into that database')
    return client
  } catch (error) {
    await client.end()
    throw asUnavailable(error)
  }
}

function asOrphan(error: unknown): never {
  const isOrphan = error instanceof pg.DatabaseError && error.code === '23503'
  throw isOrphan ? new ArchiveError('the archive has rows without their parent') : error
}

/** In one transaction: whatever is there without a row goes, and the mark is set. */
async function takeEmpty(client: pg.Client): Promise<void> {
  await client.query(`BEGIN; ${withoutLimit}`)
  try {
    const known = await existing(client, archiveTables(tables))
    const full: ArchiveTable[] = []
    for (const table of known) {
      const { rows } = await client.query(`SELECT 1 FROM "${table.name}" LIMIT 1`)
      if (rows.length > 0) full.push(table)
    }
    if (full.length > 0 && !(await isMarked(client))) throw notEmpty(full)
    for (const { name } of known) await client.query(`DROP TABLE "${name}" CASCADE`)
    await client.query('DROP TABLE IF EXISTS applied_migrations')
    await client.query(createMigrationsTable)
    await client.query('INSERT INTO applied_migrations (tag, hash) VALUES ($1, $2)', [
      incompleteMark.tag,
      incompleteMark.hash,
    ])
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
}

async function existing(client: pg.Client, all: readonly ArchiveTable[]): Promise<ArchiveTable[]> {
  const { rows } = await client.query<{ name: string }>(
    'SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema()',
  )
  return all.filter((table) => rows.some(({ name }) => name === table.name))
}

async function isMarked(client: pg.Client): Promise<boolean> {
  const found = await client.query<{ name: string | null }>(
    `SELECT to_regclass('applied_migrations') AS name`,
  )
  if (found.rows[0]?.name === null) return false
  return (await client.query<Applied>(selectMigrations)).rows.some(({ tag }) => tag === incompleteMark.tag)
}
