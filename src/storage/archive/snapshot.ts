import { databaseAddress } from '../database.ts'
import { ArchiveError, type Snapshot } from './format.ts'

/**
 * `shared`: beside whoever uses the database. `alone`: nobody else may, from now until it is closed. `stopped`: the same,
 * on the word of a person that none of the connections there are is a gateway's.
 */
export type SnapshotUse = 'shared' | 'alone'

export type OpenSnapshot = Snapshot & {
  kind: 'sqlite' | 'postgres'
  /** Writes down that all of it is elsewhere now, where it was opened `alone`; that counts once what is answered is called. */
  markMoved(): Promise<() => Promise<void>>
  close(): Promise<void>
}

/** One state of a database of this version, to be read while others write. Throws `ArchiveError` for another version. */
export async function openSnapshot(url: string, use: SnapshotUse | 'stopped'): Promise<OpenSnapshot> {
  const address = databaseAddress(url)
  switch (address.kind) {
    case 'sqlite': {
      if (address.path === ':memory:') throw new ArchiveError('a database in memory is its process’s alone')
      const { openSqliteSnapshot } = await import('../sqlite/snapshot.ts')
      // Its locks tell for certain.
      return openSqliteSnapshot(address.path, use === 'stopped' ? 'alone' : use)
    }
    case 'postgres': {
      const { openPostgresSnapshot } = await import('../postgres/snapshot.ts')
      return await openPostgresSnapshot(address.server, use)
    }
  }
}
