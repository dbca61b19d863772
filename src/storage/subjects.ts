import { type NewAuditEvent, recordEvent } from './audit-events.ts'
import type { BrowserSession } from './browser-sessions.ts'
import type { Batch, Queries } from './dialect.ts'
import { and, asc, desc, eq, inArray, lt, ne, sql } from './drizzle.ts'
import { type Page, type PageRequest, toPage } from './page.ts'
import { prepared, type Slots } from './prepared.ts'
import { isTaken } from './query-errors.ts'
import { recordedIn } from './recorded.ts'
import type { Tables } from './schema.ts'

export type Subject = Tables['subjects']['$inferSelect']
export type Identity = Tables['identities']['$inferSelect']
export type IdentityKey = Pick<Identity, 'provider' | 'issuer' | 'upstreamSubject'>

/** Who somebody is: what the provider calls them is compared without regard to case. */
export type SubjectFilter = {
  enabled?: boolean | undefined
  provider?: string | undefined
  label?: string | undefined
  email?: string | undefined
}

/** People, and the upstream identities that sign them in. */
export function subjects(db: Queries, tables: Tables, batch: Batch) {
  const { subjects: table, identities } = tables
  const recorded = recordedIn(batch, tables)
  const isIdentity = (key: IdentityKey) =>
    and(
      eq(identities.provider, key.provider),
      eq(identities.issuer, key.issuer),
      eq(identities.upstreamSubject, key.upstreamSubject),
    )

  /** One identity that is all of this; `undefined` where nothing is asked. */
  const identitiesLike = ({ provider, label, email }: SubjectFilter) =>
    and(
      provider === undefined ? undefined : eq(identities.provider, provider),
      label === undefined ? undefined : sql`lower(${identities.label}) = lower(${label})`,
      email === undefined ? undefined : sql`lower(${identities.email}) = lower(${email})`,
    )

  const byId = prepared((queries, of: Slots<{ id: string }>) =>
    queries.select().from(table).where(eq(table.id, of.id)),
  )

  return {
    async find(id: string): Promise<Subject | undefined> {
      const [subject] = await byId(db, { id })
      return subject
    },

    async findIdentity(key: IdentityKey): Promise<Identity | undefined> {
      const [identity] = await db.select().from(identities).where(isIdentity(key))
      return identity
    },

    async listIdentities(subjectId: string): Promise<Identity[]> {
      return await db.select().from(identities).where(eq(identities.subjectId, subjectId))
    },

    async listIdentitiesOfAll(subjectIds: readonly string[]): Promise<Identity[]> {
      if (subjectIds.length === 0) return []
      return await db
        .select()
        .from(identities)
        .where(inArray(identities.subjectId, [...subjectIds]))
        .orderBy(asc(identities.createdAt), asc(identities.provider))
    },

    /** A new subject with its first identity; `undefined` where that identity already signs somebody in. */
    async create(subject: Subject, identity: Identity, event: NewAuditEvent): Promise<Subject | undefined> {
      try {
        const created = await batch((queries) => ({
          guard: queries.insert(table).values(subject).returning(),
          writes: [
            queries.insert(identities).values(identity).returning({ at: identities.createdAt }),
            recordEvent(queries, tables, event),
          ],
        }))
        return created?.guard[0]
      } catch (error) {
        // Nothing of the batch is there then, its audit row neither.
        if (isTaken(error)) return undefined
        throw error
      }
    },

    /**
     * Takes a way to sign in from a subject, but never the last: `false` where it is. Other browsers are signed out,
     * whoever sits there, and `session` is left with the sign-ins that it still has.
     */
    async removeIdentity(
      subjectId: string,
      key: IdentityKey,
      session: Pick<BrowserSession, 'secretHash' | 'signIns'>,
      event: NewAuditEvent,
    ): Promise<boolean> {
      const { browserSessions, interactions } = tables
      const removed = await batch((queries) => ({
        // Two of these could each take the other's last.
        lock: queries
          .update(table)
          .set({ lastSeenAt: sql`${table.lastSeenAt}` })
          .where(eq(table.id, subjectId))
          .returning({ id: table.id }),
        guard: queries
          .delete(identities)
          .where(
            and(
              isIdentity(key),
              eq(identities.subjectId, subjectId),
              sql`(select count(*) from ${identities} as held where held.subject_id = ${subjectId}) > 1`,
            ),
          )
          .returning({ label: identities.label }),
        writes: [
          queries
            .delete(browserSessions)
            .where(
              and(
                eq(browserSessions.subjectId, subjectId),
                ne(browserSessions.secretHash, session.secretHash),
              ),
            )
            .returning({ at: browserSessions.lastSeenAt }),
          queries
            .update(browserSessions)
            .set({ signIns: session.signIns })
            .where(eq(browserSessions.secretHash, session.secretHash))
            .returning({ at: browserSessions.lastSeenAt }),
          queries
            .delete(interactions)
            .where(eq(interactions.subjectId, subjectId))
            .returning({ id: interactions.id }),
          recordEvent(queries, tables, event),
        ],
      }))
      return removed !== undefined
    },

    /** Records a sign-in of a known identity and what the provider calls the person now. */
    async recordSignIn(
      key: IdentityKey,
      seen: Pick<Identity, 'label' | 'email' | 'emailVerified' | 'groups'>,
      now: number,
      event: NewAuditEvent,
    ): Promise<void> {
      await batch((queries) => ({
        guard: queries
          .update(identities)
          .set({ ...seen, lastSignInAt: now })
          .where(isIdentity(key))
          .returning(),
        writes: [
          queries
            .update(table)
            .set({ lastSeenAt: now })
            .where(
              eq(table.id, db.select({ id: identities.subjectId }).from(identities).where(isIdentity(key))),
            )
            .returning({ id: table.id }),
          recordEvent(queries, tables, event),
        ],
      }))
    },

    async setEnabled(id: string, state: Pick<Subject, 'enabled'>, event: NewAuditEvent) {
      const [changed] = await recorded(event, (queries) =>
        queries.update(table).set(state).where(eq(table.id, id)).returning(),
      )
      return changed
    },

    async list(filter: SubjectFilter, page: PageRequest): Promise<Page<Subject>> {
      const identified = identitiesLike(filter)
      const rows = await db
        .select()
        .from(table)
        .where(
          and(
            filter.enabled === undefined ? undefined : eq(table.enabled, filter.enabled),
            identified &&
              inArray(table.id, db.select({ id: identities.subjectId }).from(identities).where(identified)),
            page.cursor === undefined ? undefined : lt(table.id, page.cursor),
          ),
        )
        .orderBy(desc(table.id))
        .limit(page.limit + 1)
      return toPage(rows, page.limit, (row) => row.id)
    },
  }
}
