import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { ConnectionOptions } from 'node:tls'
import pg, { type ClientBase, type ClientConfig, type QueryConfig } from 'pg'
import { StorageUnavailableError } from '../unavailable.ts'
import type { PostgresAddress, PostgresHost } from './address.ts'

// The driver would give 64-bit integers as text. Ours are seconds and counts, far below 2^53.
pg.types.setTypeParser(pg.types.builtins.INT8, Number)

export type Wish = {
  /** What others see of it in `pg_stat_activity`. */
  name: string
  /** A standby is passed over where a primary is wanted. */
  server: 'primary' | 'any'
  /** Milliseconds until a host that does not answer is given up. */
  patience: number
  /** Time limits that a session has from its start. */
  limits?: Limits
}

/** Milliseconds. */
export type Limits = Pick<
  ClientConfig,
  'statement_timeout' | 'lock_timeout' | 'idle_in_transaction_session_timeout'
>

/** Of a gateway: which of several it is. */
export const applicationName = `coatcheck ${hostname()
  .replace(/[^\w.-]/g, '_')
  .slice(0, 40)}:${process.pid}`

export function clientConfig(
  address: PostgresAddress,
  { host, port }: PostgresHost,
  wish: Wish,
): ClientConfig {
  const { user, password, database, options } = address
  return {
    ...{ host, port, user, password, database, options },
    ssl: tlsOf(address),
    application_name: wish.name,
    connectionTimeoutMillis: wish.patience,
    keepAlive: true,
    ...wish.limits,
  }
}

function tlsOf({ protection, files }: PostgresAddress): false | ConnectionOptions {
  const read = (path: string | undefined) => (path === undefined ? undefined : readFileSync(path, 'utf8'))
  const own = { ca: read(files.ca), cert: read(files.cert), key: read(files.key) }
  switch (protection) {
    case 'none':
      return false
    case 'encrypted':
      return { ...own, rejectUnauthorized: false }
    case 'ca':
      return { ...own, checkServerIdentity: () => undefined }
    case 'full':
      return own
  }
}

/**
 * Whom to ask where nothing is written: a standby, where the URL names no other host. Of several it would be there by
 * the order of their names, and nobody would have chosen it.
 */
export const whoIsLookedAt = ({ hosts }: PostgresAddress): Wish['server'] =>
  hosts.length > 1 ? 'primary' : 'any'

/** A connection of its own, to the first of the hosts that has what is wanted. */
export async function connectTo(address: PostgresAddress, wish: Wish): Promise<pg.Client> {
  let failure: unknown
  for (const host of address.hosts) {
    const client = new pg.Client(clientConfig(address, host, wish))
    client.on('error', ignore)
    try {
      await client.connect()
      await refuseUnwished(client, wish)
      return client
    } catch (error) {
      await client.end()
      failure = error
    }
  }
  throw failure
}

/**
 * A standby answers with what was, and takes nothing. Who lets somebody in may answer nothing at all: a pooler before a
 * server that stands still.
 */
export async function refuseUnwished(client: ClientBase, { server, patience }: Wish): Promise<void> {
  if (server === 'any') return
  const asked = within(patience, { text: 'SELECT pg_is_in_recovery() AS standby' })
  const { rows } = await client.query<{ standby: boolean }>(asked)
  if (rows[0]?.standby) throw new StorageUnavailableError('read_only')
}

/** A statement whose answer is waited for no longer than this; the driver does not declare it. */
export const within = <Statement extends QueryConfig>(
  milliseconds: number,
  statement: Statement,
): Statement => Object.assign({}, statement, { query_timeout: Math.max(1, Math.ceil(milliseconds)) })

/**
 * A connection that breaks says so to whoever waits for an answer on it. But an event nobody listens for would end
 * the process.
 */
export function ignore(): void {}
