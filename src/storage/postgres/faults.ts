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
  ['25P04', 'busy'], // transaction timeout
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
  if (!isOfDriver(error)) return error
  return new StorageUnavailableError(waitedInVain(error) ? 'overloaded' : 'unreachable', { cause: error })
}

/** The driver throws plain errors, its own or the system's, when a connection fails, and no others. */
const isOfDriver = (error: Error) => error.name === 'Error' || error.name === 'AggregateError'

/** All connections were others' for as long as anybody waits. The driver has words for it, and no code. */
export const waitedInVain = (error: unknown): boolean =>
  error instanceof Error && error.message === 'timeout exceeded when trying to connect'

const noAnswer = 'Query read timeout'

/**
 * The server chose this transaction to give way to another one; the same again may well succeed. Of class 40 but
 * 40003, which does not know what became of it.
 */
export const gaveWay = (error: unknown): boolean => /^40(?!003)/.test(stateOf(error) ?? '')

/** The server, or what limits it for this user or database, has all the connections that it takes. */
export const hasNoRoom = (error: unknown): boolean => stateOf(error) === '53300'

/** A session had no statement of a name it had been told, or one it had not been: it is another's session, too. */
export const lostStatement = (error: unknown): boolean => ['26000', '42P05'].includes(stateOf(error) ?? '')

/** A pooler that does not know what a session was to be told as it starts. */
export const refusedStart = (error: unknown): boolean => stateOf(error) === '08P01'

const stateOf = (error: unknown) => (error instanceof pg.DatabaseError ? error.code : undefined)

/**
 * What an error says of the connection on which it was answered. `silent`: no answer came in time; so will none to
 * whoever tries again. `wrong`: it works, and leads to a server that takes no writes.
 */
export function connectionAfter(error: unknown): 'sound' | 'broken' | 'silent' | 'wrong' {
  const state = stateOf(error)
  if (state === '25006') return 'wrong'
  if (state !== undefined) return ended.some((each) => state.startsWith(each)) ? 'broken' : 'sound'
  if (!(error instanceof Error) || !isOfDriver(error)) return 'sound'
  return error.message === noAnswer ? 'silent' : 'broken'
}

/**
 * The server closes the connection after these; or it has not what its session was told, or that is planned for another
 * schema (0A000), and better begins anew.
 */
const ended = ['08', '57P', '25P03', '25P04', '26000', '42P05', '0A000']
