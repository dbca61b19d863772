import type { ClientBase } from 'pg'
import type { Access, BeforeMigrations } from '../database.ts'
import { type StoredCheck, selectChecks } from '../key-checks.ts'
import { sealedUse } from '../sealed-use.ts'
import type { PostgresAddress } from './address.ts'
import { connectTo, type Limits, type Wish } from './connect.ts'
import { refusedStart } from './faults.ts'
import { UnfitServerError } from './fitness.ts'
import { migrate, withoutLimit } from './migrate.ts'

const sealedPlaces = `SELECT table_name || '.' || column_name AS place FROM information_schema.columns WHERE table_schema = current_schema() AND column_name LIKE 'sealed\\_%'`

export type Session = {
  /** What the way to the server lets a session say as it starts. */
  limits: Limits
  /** Whether that, or the server itself, limits how long a statement takes. */
  isBounded: boolean
  /** What a session is told as it starts is in force: there is no pooler that would give it to others. */
  lasts: boolean
}

type Before = { access: Access; beforeMigrations: BeforeMigrations }

/** Looks at the server, and brings the schema up to date, without a limit of time. */
export async function prepare(
  address: PostgresAddress,
  wish: Wish & { limits: Limits },
  { access, beforeMigrations }: Before,
): Promise<{ session: Session }> {
  const { client, limits } = await connectWithLimits(address, wish)
  try {
    const { rows } = await client.query<{ durability: string; isBounded: boolean; lasts: boolean }>(
      `SELECT current_setting('synchronous_commit') AS durability,
        current_setting('statement_timeout') <> '0' AS "isBounded",
        (SELECT source = 'client' FROM pg_settings WHERE name = 'statement_timeout') AS "lasts"`,
    )
    if (rows[0]?.durability === 'off' && access === 'write') {
      throw new UnfitServerError(
        'the PostgreSQL server says synchronous_commit = off: it would forget answered writes',
      )
    }
    await beforeMigrations(
      await storedChecks(client),
      sealedUse((statement) => unlimited(client, statement), sealedPlaces),
    )
    if (access === 'write') await migrate(client)
    return { session: { limits, isBounded: rows[0]?.isBounded === true, lasts: rows[0]?.lasts === true } }
  } finally {
    await client.end()
  }
}

/** A pooler in transaction mode may know none of the limits, and refuse a session that begins with them. */
async function connectWithLimits(address: PostgresAddress, { limits, ...wish }: Wish & { limits: Limits }) {
  try {
    return { client: await connectTo(address, { ...wish, limits }), limits }
  } catch (error) {
    if (!refusedStart(error)) throw error
    return { client: await connectTo(address, wish), limits: {} }
  }
}

async function storedChecks(client: ClientBase): Promise<StoredCheck[]> {
  const found = await client.query<{ name: string | null }>(`SELECT to_regclass('key_checks') AS name`)
  if (found.rows[0]?.name === null) return []
  return (await client.query<StoredCheck>(selectChecks)).rows
}

async function unlimited(client: ClientBase, statement: string) {
  await client.query(`BEGIN READ ONLY; ${withoutLimit}`)
  const { rows } = await client.query<Record<string, unknown>>(statement)
  await client.query('COMMIT')
  return rows
}
