import { randomBytes } from 'node:crypto'
import { type Chains, createChains } from './audit-links.ts'
import type { DatabaseCondition } from './condition.ts'
import type { Batch, Queries } from './dialect.ts'
import type { StoredCheck } from './key-checks.ts'
import { type PostgresAddress, postgresAddress } from './postgres/address.ts'
import type { Tables } from './schema.ts'
import type { IsSealedUnder } from './sealed-use.ts'
import type { GateEvent, GateOptions } from './sqlite/gate.ts'

export type Database = {
  db: Queries
  tables: Tables
  batch: Batch
  /** The chains of audit rows this process writes; until they are told another key, one that nobody will know. */
  chains: Chains
  /** Resolves when a row could be written and read; rejects with `StorageUnavailableError`. */
  ping(): Promise<void>
  /** Rejects with `StorageUnavailableError`, or with `SchemaMismatchError` where the schema is of another version. */
  condition(): Promise<DatabaseCondition>
  /** How many writes wait for a commit (SQLite), or requests for a connection (PostgreSQL). */
  waiting(): number
  /** How often this process committed a batch: while it stands still, nobody here changed anything. */
  commits(): number
  /** What can be told of its size at once, however large it is. Rejects with `StorageUnavailableError`. */
  extent(): Promise<Extent>
  /** Lets nothing more in, answers what is under way, and closes. */
  close(): Promise<void>
}

/** `auditRows` is what PostgreSQL estimates, and SQLite numbered. */
export type Extent = { bytes: number; auditRows: number }

/**
 * Told of the key checks that are there before anything is written, migrations included, and may ask under which keys
 * something is sealed; what it throws stops it all.
 */
export type BeforeMigrations = (checks: readonly StoredCheck[], isSealedUnder: IsSealedUnder) => Promise<void>

export type DatabaseOptions = Partial<Omit<GateOptions, 'audit'>> & {
  beforeMigrations?: BeforeMigrations
  /**
   * `read`: for a look at it as it is. Nothing is created, no migration is run, and no write goes well. `complete`: for
   * who brought its rows and has yet to take away `incompleteMark`; no migration is run.
   */
  access?: Access
  /** PostgreSQL alone: how many connections this process may have, and the seconds a statement may take. */
  connections?: number
  timeout?: number
}

export const defaultConnections = 10
export const defaultTimeout = 10

export type Access = 'read' | 'write' | 'complete'

export type DatabaseAddress = { kind: 'sqlite'; path: string } | { kind: 'postgres'; server: PostgresAddress }

/** Opens a database and brings its schema up to date: `sqlite:path`, `sqlite::memory:` or `postgres://...`. */
export async function openDatabase(url: string, options: DatabaseOptions = {}): Promise<Database> {
  const address = databaseAddress(url)
  let commits = 0
  const all = {
    patience: 5_000,
    capacity: 4_096,
    connections: defaultConnections,
    timeout: defaultTimeout,
    beforeMigrations: async () => {},
    access: 'write' as const,
    chains: createChains({ key: randomBytes(32), heads: [] }),
    ...options,
    observe: (event: GateEvent) => {
      if (event.kind === 'committed') commits += 1
      options.observe?.(event)
    },
  }
  const counted = (database: Omit<Database, 'commits'>) => ({ ...database, commits: () => commits })
  // Loaded when needed: nobody should pay for the driver of a database that is not used.
  switch (address.kind) {
    case 'sqlite': {
      const { openSqlite } = await import('./sqlite/open.ts')
      return counted(await openSqlite(address.path, all))
    }
    case 'postgres': {
      const { openPostgres } = await import('./postgres/open.ts')
      return counted(await openPostgres(address.server, all))
    }
  }
}

/** Throws a `TypeError` that says what a database URL looks like, and does not repeat the URL: it may hold a password. */
export function databaseAddress(url: string): DatabaseAddress {
  if (/^postgres(ql)?:\/\//.test(url)) return { kind: 'postgres', server: postgresAddress(url) }
  const path = /^sqlite:(?!\/\/[^/])(?:\/\/)?(.+)$/.exec(url)?.[1]
  if (path) return { kind: 'sqlite', path }
  throw new TypeError('a database URL is sqlite:path/to/file, sqlite::memory: or postgres://user@host/name')
}
