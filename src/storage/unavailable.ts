/**
 * `busy`: another process held the database for too long. `overloaded`: too much is waiting already.
 * `full`, `faulty`, `read_only`, `unreachable`: what the database or its disk answered. `replaced`: the file
 * at the path is no longer the one that was opened. `closed`: this process is stopping.
 * `key_service`: what opens the sealed values does not answer, or refuses.
 */
export type UnavailableReason =
  | 'busy'
  | 'overloaded'
  | 'full'
  | 'faulty'
  | 'read_only'
  | 'unreachable'
  | 'replaced'
  | 'closed'
  | 'key_service'

/**
 * The database cannot answer now. Nobody may be told that a write with this outcome took place, nor that it
 * certainly did not: a connection may break between a commit and its answer.
 */
export class StorageUnavailableError extends Error {
  override name = 'StorageUnavailableError'
  readonly reason: UnavailableReason

  constructor(reason: UnavailableReason, options: { cause?: unknown } = {}) {
    super(`the storage is unavailable: ${reason}`, options)
    this.reason = reason
  }
}
