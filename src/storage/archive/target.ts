import { databaseAddress } from '../database.ts'
import { incompleteMark, type Migration, pendingMigrations, readMigrations } from '../migrations.ts'
import {
  ArchiveError,
  type ArchiveHeader,
  type ArchiveRow,
  type ArchiveTable,
  checkCounts,
  type ReadArchive,
  type RowCounts,
  readArchive,
} from './format.ts'

/** A database that rows are brought into. Whoever else opens it from `begin` to `complete` is told that it is not complete. */
export type Target = {
  kind: 'sqlite' | 'postgres'
  /**
   * Makes the tables these migrations make, and begins the one transaction of all rows. Throws `ArchiveError` where
   * anything is there, unless it is what an attempt left that did not come to its end.
   */
  begin(migrations: readonly Migration[]): Promise<void>
  insert(table: ArchiveTable, rows: readonly ArchiveRow[]): Promise<void>
  count(tables: readonly ArchiveTable[]): Promise<RowCounts>
  /** Ends the transaction, and runs these migrations, of which some may have been run. Throws where a row has no parent. */
  commit(migrations: readonly Migration[]): Promise<void>
  /** Takes away what says that it is not complete. */
  complete(): Promise<void>
  close(): Promise<void>
  /** The typed error for a fault of the database; any other error as it is. */
  explained(error: unknown): unknown
}

async function openTarget(url: string): Promise<Target> {
  const address = databaseAddress(url)
  switch (address.kind) {
    case 'sqlite': {
      if (address.path === ':memory:') throw new ArchiveError('a database in memory is its process’s alone')
      const { openSqliteTarget } = await import('../sqlite/target.ts')
      return openSqliteTarget(address.path)
    }
    case 'postgres': {
      const { openPostgresTarget } = await import('../postgres/target.ts')
      return await openPostgresTarget(address.server)
    }
  }
}

/** What this version knows of what the archive's database has had. Throws `SchemaMismatchError` for another history. */
function migrationsBefore(
  { migrations }: ArchiveHeader,
  kind: 'sqlite' | 'postgres',
  known: readonly Migration[],
): Migration[] {
  const pending = pendingMigrations(known, migrations[kind])
  return known.filter((migration) => !pending.includes(migration))
}

/**
 * Brings an archive into an empty database, which it leaves marked as not complete: `completeDatabase` is for when
 * nothing is left to be done about it. What breaks off begins anew the next time.
 */
export async function importArchive(
  url: string,
  chunks: AsyncIterable<Uint8Array>,
  migrationsOf: typeof readMigrations = readMigrations,
): Promise<ReadArchive> {
  const target = await openTarget(url)
  const known = migrationsOf(target.kind)
  try {
    const read = await readArchive(chunks, {
      header: async (header) =>
        await target.begin([incompleteMark, ...migrationsBefore(header, target.kind, known)]),
      rows: target.insert,
    })
    checkCounts(await target.count(read.header.tables), read.rows)
    await target.commit([incompleteMark, ...known])
    return read
  } catch (error) {
    throw target.explained(error)
  } finally {
    await target.close()
  }
}

/** From here on anybody may open it. */
export async function completeDatabase(url: string): Promise<void> {
  const target = await openTarget(url)
  try {
    await target.complete()
  } finally {
    await target.close()
  }
}
