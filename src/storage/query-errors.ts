/** What drizzle's builders and handles share in both dialects, and does not declare. */
type Session = { prepareQuery: (...query: unknown[]) => object }
type OfSession = { session: Session }

/**
 * drizzle wraps an error in one whose message holds every parameter of the query: hashes, sealed values,
 * people's names. This makes a handle throw the error itself.
 */
export function unwrapErrors(db: object): void {
  const { session } = db as OfSession
  const prepareQuery = session.prepareQuery.bind(session)
  const queryWithCache = (_sql: string, _params: unknown[], query: () => Promise<unknown>) => query()
  session.prepareQuery = (...query) => Object.assign(prepareQuery(...query), { queryWithCache })
}

/** A statement built from another handle would not be part of the batch; on PostgreSQL nobody would notice. */
export function checkHandle(db: object, statements: readonly object[]): void {
  const { session } = db as OfSession
  if (statements.some((statement) => (statement as OfSession).session !== session)) {
    throw new TypeError('every statement of a batch must be built from the handle the batch is given')
  }
}

/** Whether it was the place of an audit row in its chain that another row has. */
export function isPlaceTaken(error: unknown): boolean {
  if (!isTaken(error) || !(error instanceof Error)) return false
  // PostgreSQL names the index, SQLite the columns.
  return /audit_events[._]chain/.test(error.message)
}

const taken = ['SQLITE_CONSTRAINT_UNIQUE', 'SQLITE_CONSTRAINT_PRIMARYKEY', '23505']

/** Whether a write was refused because another row has what only one row may have. */
export const isTaken = (error: unknown): boolean => hasCode(error, taken)

const orphaned = ['SQLITE_CONSTRAINT_FOREIGNKEY', '23503']

/** Whether a write was refused because a row it refers to is not there any more. */
export const isOrphaned = (error: unknown): boolean => hasCode(error, orphaned)

function hasCode(error: unknown, codes: readonly string[]): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' && codes.includes(code)
}
