import SqliteDatabase from 'better-sqlite3'
import { StorageUnavailableError, type UnavailableReason } from '../unavailable.ts'

/** Primary result codes that speak of the file, its disk or its other users, not of the statement. */
const reasons: Record<string, UnavailableReason> = {
  BUSY: 'busy',
  LOCKED: 'busy',
  PROTOCOL: 'busy',
  FULL: 'full',
  READONLY: 'read_only',
  CANTOPEN: 'unreachable',
  PERM: 'unreachable',
  IOERR: 'faulty',
  CORRUPT: 'faulty',
  NOTADB: 'faulty',
  NOMEM: 'faulty',
}

/** The typed error for a fault of the database; any other error comes back as it is. */
export function asUnavailable(error: unknown): unknown {
  const reason = reasonOf(error)
  return reason ? new StorageUnavailableError(reason, { cause: error }) : error
}

/** Whether another connection holds what was asked for, so that the same attempt may succeed later. */
export function isBusy(error: unknown): boolean {
  return reasonOf(error) === 'busy'
}

function reasonOf(error: unknown): UnavailableReason | undefined {
  if (!(error instanceof SqliteDatabase.SqliteError)) return undefined
  // Extended codes append a detail to the primary one: SQLITE_IOERR_FSYNC.
  const [, primary = ''] = error.code.split('_')
  return reasons[primary]
}
