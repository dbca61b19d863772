import type { PgColumn, PgTable } from 'drizzle-orm/pg-core'
import type { Database } from './database.ts'
import type { Queries } from './dialect.ts'
import { and, eq, gt, inArray, isNotNull, isNull, lte, or, type SQL } from './drizzle.ts'
import type { Tables } from './schema.ts'

/** Two times to sweep by. */
export type SweepTimes = {
  now: number
  /** What people's sessions hang on goes by this one, where a clock that jumped does no harm; without it, it stays. */
  believed: number | undefined
}

export type SweepLimits = {
  /** Rows that one sweep takes of one kind at most. */
  rows: number
  /** The same of what nobody's session hangs on: as many of these may come in as there are requests. */
  traces: number
  /** Seconds in which a used refresh token may still be answered with its successor. */
  refreshGrace: number
  /** Seconds for which ended grants, and registrations that were used, are kept. */
  endedKept: number
}

export const sweepDefaults: SweepLimits = {
  rows: 1_000,
  traces: 100_000,
  refreshGrace: 30,
  endedKept: 30 * 86_400,
}

/** Rows per statement, so that a sweep never holds up the requests between its statements. */
const chunk = 100

/** Seconds by which the clock of another process may be behind, so that it still reads a row as live. */
const margin = 300
const hour = 3_600
const day = 86_400

/** Seconds for which an address is known as one from where somebody signed in. */
export const placesKept = 7 * day

/** Seconds for which what was taken of a rate is kept: so many may write it that what is kept longer adds up. */
const levelsKept = 600

/** How many rows of each kind a sweep took. */
export type Swept = Record<keyof ReturnType<typeof rulesOf>, number>

/** Takes up to `limit` rows and answers how many it took. */
type Rule = (limit: number) => Promise<number>

/**
 * Deletes what ended long enough ago. Only the size of the database depends on it: whether a row is still good
 * is decided when it is read.
 */
export async function sweep(
  database: Database,
  { now, believed }: SweepTimes,
  { signal, ...limits }: SweepLimits & { signal?: AbortSignal },
): Promise<Swept> {
  const byNow: Record<keyof Swept, Rule> = rulesOf(database, now, limits)
  const byBelieved = believed === undefined ? undefined : rulesOf(database, believed, limits)
  const taken: Partial<Swept> = {}
  for (const name of Object.keys(byNow) as (keyof Swept)[]) {
    const isTrace = traces.has(name)
    const rule = isTrace ? byNow[name] : byBelieved?.[name]
    taken[name] = rule ? await inChunks(isTrace ? limits.traces : limits.rows, rule, signal) : 0
  }
  return taken as Swept
}

/** Of what was used, or is over in minutes. */
const traces: ReadonlySet<keyof Swept> = new Set<keyof Swept>([
  'interactions',
  'codes',
  'sealedSuccessors',
  'usedRefreshTokens',
  'revokedRefreshTokens',
  'connectLinks',
  'usedAssertions',
  'rateLevels',
  'signInPlaces',
  'quotaCounts',
  'stepUps',
  'decisions',
  'exchangedGrants',
])

function rulesOf({ db, tables }: Database, now: number, { refreshGrace, endedKept }: SweepLimits) {
  const { interactions, codes, refreshTokens, connectLinks, browserSessions, grants, clients } = tables
  const { usedAssertions, registrationTokens, quotaCounts, stepUps, decisions } = tables
  const { rateLevels, signInPlaces } = tables
  const deleteEnded = (table: PgTable, key: PgColumn, ended: SQL | undefined) => (limit: number) =>
    deleteSome(db, { table, key, ended, limit })

  return {
    interactions: deleteEnded(interactions, interactions.id, lte(interactions.expiresAt, now - margin)),

    // Kept for a day, so that a used one presented again is known for what it is.
    codes: deleteEnded(codes, codes.codeHash, lte(codes.expiresAt, now - day)),

    sealedSuccessors: (limit: number) => forgetSuccessors(db, tables, now - refreshGrace - margin, limit),

    // A used one is kept as long as one that was not, so that a second use is noticed.
    usedRefreshTokens: deleteEnded(
      refreshTokens,
      refreshTokens.tokenHash,
      and(isNotNull(refreshTokens.usedAt), lte(refreshTokens.expiresAt, now - margin)),
    ),

    refreshTokens: deleteEnded(
      refreshTokens,
      refreshTokens.tokenHash,
      and(isNull(refreshTokens.usedAt), lte(refreshTokens.expiresAt, now - margin)),
    ),

    // Those of revoked grants need not wait for their end. What a day of sweeps missed goes with the grant.
    revokedRefreshTokens: deleteEnded(
      refreshTokens,
      refreshTokens.tokenHash,
      inArray(
        refreshTokens.grantId,
        db
          .select({ id: grants.id })
          .from(grants)
          .where(and(gt(grants.revokedAt, now - day), lte(grants.revokedAt, now))),
      ),
    ),

    // For a day their state can be asked for.
    connectLinks: deleteEnded(connectLinks, connectLinks.ticketHash, lte(connectLinks.expiresAt, now - day)),

    browserSessions: deleteEnded(
      browserSessions,
      browserSessions.secretHash,
      lte(browserSessions.expiresAt, now - margin),
    ),

    registrationTokens: deleteEnded(
      registrationTokens,
      registrationTokens.id,
      lte(registrationTokens.expiresAt, now - margin),
    ),

    // From its end on an assertion is refused for its age.
    usedAssertions: deleteEnded(
      usedAssertions,
      usedAssertions.assertionHash,
      lte(usedAssertions.expiresAt, now - margin),
    ),

    // By then every bucket has long been full; and none is as far ahead but by a clock that was wrong.
    rateLevels: deleteEnded(
      rateLevels,
      rateLevels.keyHash,
      or(lte(rateLevels.changedAt, now - levelsKept), gt(rateLevels.changedAt, now + hour)),
    ),

    signInPlaces: deleteEnded(
      signInPlaces,
      signInPlaces.addressHash,
      or(lte(signInPlaces.at, now - placesKept), gt(signInPlaces.at, now + hour)),
    ),

    quotaCounts: deleteEnded(quotaCounts, quotaCounts.id, lte(quotaCounts.expiresAt, now - margin)),

    stepUps: deleteEnded(stepUps, stepUps.id, lte(stepUps.expiresAt, now - margin)),

    decisions: deleteEnded(decisions, decisions.id, lte(decisions.expiresAt, now - margin)),

    grants: deleteEnded(
      grants,
      grants.id,
      or(lte(grants.expiresAt, now - endedKept), lte(grants.revokedAt, now - endedKept)),
    ),

    // As many as one server may call another; who asks what happened finds them in the audit record.
    exchangedGrants: deleteEnded(
      grants,
      grants.id,
      and(isNotNull(grants.parentId), lte(grants.expiresAt, now - day)),
    ),

    clients: deleteEnded(
      clients,
      clients.id,
      and(
        // A published one that an administrator disabled would come back enabled, were it forgotten.
        or(eq(clients.origin, 'dynamic'), and(eq(clients.origin, 'document'), eq(clients.enabled, true))),
        or(
          and(isNull(clients.lastUsedAt), lte(clients.expiresAt, now - margin)),
          lte(clients.expiresAt, now - endedKept),
        ),
      ),
    ),
  }
}

/** Goes on in small statements, between which requests are answered, until nothing is left, all is taken or it is over. */
async function inChunks(rows: number, rule: Rule, signal: AbortSignal | undefined): Promise<number> {
  let taken = 0
  while (taken < rows && !signal?.aborted) {
    const limit = Math.min(chunk, rows - taken)
    const count = await rule(limit)
    taken += count
    if (count < limit) break
  }
  return taken
}

type Ended = { table: PgTable; key: PgColumn; ended: SQL | undefined; limit: number }

async function deleteSome(db: Queries, { table, key, ended, limit }: Ended): Promise<number> {
  const some = db.select({ key }).from(table).where(ended).limit(limit)
  // Said twice: between finding a row and locking it, PostgreSQL may see it come to life again.
  const deleted = await db
    .delete(table)
    .where(and(inArray(key, some), ended))
    .returning({ key })
  return deleted.length
}

async function forgetSuccessors(db: Queries, tables: Tables, usedBefore: number, limit: number) {
  const { tokenHash, sealedSuccessor, usedAt } = tables.refreshTokens
  const some = db
    .select({ tokenHash })
    .from(tables.refreshTokens)
    .where(and(isNotNull(sealedSuccessor), lte(usedAt, usedBefore)))
    .limit(limit)
  const forgotten = await db
    .update(tables.refreshTokens)
    .set({ sealedSuccessor: null })
    .where(inArray(tokenHash, some))
    .returning({ tokenHash })
  return forgotten.length
}
