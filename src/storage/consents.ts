import type { Queries } from './dialect.ts'
import { and, eq } from './drizzle.ts'
import type { Tables } from './schema.ts'

export type Consent = Tables['consents']['$inferSelect']
export type ConsentKey = Pick<Consent, 'subjectId' | 'clientId' | 'redirectUri' | 'resourceId'>

/** Recorded yeses. They are written by the completion of an interaction, see `completions.withCode`. */
export function consents(db: Queries, { consents: table }: Tables) {
  return {
    async find(key: ConsentKey): Promise<Consent | undefined> {
      const [consent] = await db
        .select()
        .from(table)
        .where(
          and(
            eq(table.subjectId, key.subjectId),
            eq(table.clientId, key.clientId),
            eq(table.redirectUri, key.redirectUri),
            eq(table.resourceId, key.resourceId),
          ),
        )
      return consent
    },

    /** Whether this subject ever said yes to this client at this redirect URI, for whichever resource. */
    async exists(key: Omit<ConsentKey, 'resourceId'>): Promise<boolean> {
      const found = await db
        .select({ at: table.grantedAt })
        .from(table)
        .where(
          and(
            eq(table.subjectId, key.subjectId),
            eq(table.clientId, key.clientId),
            eq(table.redirectUri, key.redirectUri),
          ),
        )
        .limit(1)
      return found.length > 0
    },
  }
}
