/** How a database is doing, as far as can be told at once: what is in force, not what was asked for. */
export type DatabaseCondition = SqliteCondition | PostgresCondition

type Condition = {
  version: string
  /** Of the whole database. */
  bytes: number
  /** What this version of the gateway would still change about the schema. */
  pendingMigrations: number
}

export type SqliteCondition = Condition & {
  kind: 'sqlite'
  /** Absolute, or `:memory:`. */
  path: string
  journalMode: string
  /** Of this connection: it is not kept in the file. */
  synchronous: 'off' | 'normal' | 'full' | 'extra'
  foreignKeys: boolean
  secureDelete: boolean
  pageSize: number
  /** What is still free on its disk. */
  freeBytes: number | undefined
  /** Its files which others on this machine may read or write. */
  exposed: readonly string[]
}

export type PostgresCondition = Condition & {
  kind: 'postgres'
  synchronousCommit: string
  fsync: boolean
  isolation: string
  readOnly: boolean
  /** `local`: over a socket of this machine. */
  transport: 'local' | 'encrypted' | 'plain'
  /** Of this process: how many connections it has, may have, and how many requests wait for one. */
  pool: { open: number; most: number; waiting: number }
  /**
   * Of the server: how many connections everybody has together, and may have who is no superuser; how many of them are no
   * gateway's, and how many gateways there are.
   */
  server: { open: number; most: number; others: number; gateways: number }
}
