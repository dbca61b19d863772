import { ConfigError } from '../config/config.ts'
import { ArchiveError } from '../storage/archive/format.ts'
import { WrongMasterKey } from '../storage/key-check.ts'
import { SchemaMismatchError } from '../storage/migrations.ts'
import { UnfitServerError } from '../storage/postgres/fitness.ts'
import { StorageUnavailableError } from '../storage/unavailable.ts'
import { WorkersError } from '../workers/workers-error.ts'
import { AdminApiError } from './admin-api.ts'

/** Whose messages say what to do. */
const known = [
  AdminApiError,
  ArchiveError,
  WrongMasterKey,
  SchemaMismatchError,
  UnfitServerError,
  WorkersError,
]

/** What a failed command tells: every error of the configuration, one line for what we know, else the stack. */
export function explain(error: unknown): string {
  if (error instanceof ConfigError) return [`${error.message}:`, ...error.errors].join('\n  ')
  if (known.some((kind) => error instanceof kind) && error instanceof Error) return error.message
  if (error instanceof StorageUnavailableError) {
    return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
  }
  if (!(error instanceof Error)) return String(error)
  return isOfAddress(error) ? error.message : (error.stack ?? error.message)
}

/** `COATCHECK_HOST` or `COATCHECK_PORT` is taken, forbidden, or not of this machine; Node's message says which. */
const isOfAddress = (error: Error) =>
  'syscall' in error && (error.syscall === 'listen' || error.syscall === 'bind')
