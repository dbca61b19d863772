import pg from 'pg'
import { StorageUnavailableError, type UnavailableReason } from '../unavailable.ts'

/** SQLSTATEs, or the first characters of their class, that do not speak of the statement. */
const reasons: readonly (readonly [state: string, reason: UnavailableReason])[] = [
  ['08', 'unreachable'], // connection exception
  ['28', 'unreachable'], // invalid authorization
  ['3D000', 'unreachable'], // no such database
  ['57P', 'unreachable'], // shutting down, crashed, not up yet
  ['25006', 'read_only'], // a standby answers
  ['40', 'busy'], // deadlock, serialization failure
  ['55P03', 'busy'], // lock not available
  ['57014', 'busy'], // statement timeout
  ['25P03', 'busy'], // idle in transaction timeout
  ['53100', 'full'], // disk full
  ['53', 'overloaded'], // too many connections, out of memory
  ['58', 'faulty'], // system error
  ['XX', 'faulty'], // internal error, corrupted data
]

/**
 * The typed error for a fault of the server or the way to it. An error of the server that speaks of a
 * statement comes back without what it quotes of rows; any other error comes back as it is.
 */
export function asUnavailable(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  if (error instanceof pg.DatabaseError) {
    Object.assign(error, { detail: undefined, where: undefined })
    const reason = reasons.find(([state]) => error.code?.startsWith(state))?.[1]
    return reason ? new StorageUnavailableError(reason, { cause: error }) : error
  }
  // The driver throws plain errors, its own or the system's, when a connection fails, and no others.
  const ofDriver = error.name === 'Error' || error.name === 'AggregateError'
  return ofDriver ? new StorageUnavailableError('unreachable', { cause: error }) : error
}

/** The server chose this transaction to give way to another one; the same again may well succeed. */
export function gaveWay(error: unknown): boolean {
  const cause = error instanceof StorageUnavailableError ? error.cause : undefined
  return cause instanceof pg.DatabaseError && cause.code?.startsWith('40') === true
}
