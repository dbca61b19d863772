/**
 * - `refused_url`, `refused_address`: nothing was sent.
 * - `deadline`, `too_large`, `encoded`, `malformed`: the answer was not taken.
 * - `unreachable`: name, connection or TLS failed, or the connection broke.
 */
export type FetchErrorCode =
  | 'refused_url'
  | 'refused_address'
  | 'deadline'
  | 'too_large'
  | 'encoded'
  | 'malformed'
  | 'unreachable'

/** Why there is no answer. The message names no more of the URL than its host. */
export class FetchError extends Error {
  override name = 'FetchError'
  readonly code: FetchErrorCode

  constructor(code: FetchErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
