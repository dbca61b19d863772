import { type NewAuditEvent, recordEvent } from './audit-events.ts'
import type { Code } from './codes.ts'
import type { ConnectLink } from './connect-links.ts'
import type { Consent } from './consents.ts'
import type { Batch, Queries } from './dialect.ts'
import { and, eq, gt, inArray, isNull, sql } from './drizzle.ts'
import type { Grant, GrantConnection } from './grants.ts'
import type { Interaction } from './interactions.ts'
import { isTaken } from './query-errors.ts'
import type { Tables } from './schema.ts'
import type { Identity } from './subjects.ts'

/** The ways an interaction ends with a result, each once and in one batch with what it brings about. */
export function completions(tables: Tables, batch: Batch) {
  const { grants, grantConnections, codes, interactions, identities, consents, connectLinks, stepUps } =
    tables

  const end = (queries: Queries, interaction: Interaction, now: number) =>
    queries
      .update(interactions)
      .set({
        completedAt: now,
        legStateHash: null,
        sealedLegSecrets: null,
        version: sql`${interactions.version} + 1`,
      })
      .where(
        and(
          eq(interactions.id, interaction.id),
          eq(interactions.version, interaction.version),
          isNull(interactions.completedAt),
          gt(interactions.expiresAt, now),
        ),
      )
      .returning({ id: interactions.id })

  return {
    /**
     * Ends an interaction with a grant and its code, once: `undefined` where it had ended already. A sign-in that was
     * asked for before one call is made with it.
     */
    async withCode(
      interaction: Interaction,
      made: {
        grant: Grant
        connectionIds: Record<string, string>
        /** The sites they are for, by provider. */
        siteIds?: Record<string, string>
        code: Code
        consent: Consent
        stepUp?: { id: string; authTime: number }
      },
      now: number,
      event: NewAuditEvent,
    ): Promise<Grant | undefined> {
      const { grant, code, consent, stepUp } = made
      const { subjectId: _, clientId: __, redirectUri: ___, resourceId: ____, ...yes } = consent
      const completed = await batch((queries) => ({
        guard: end(queries, interaction, now),
        writes: [
          queries.insert(grants).values(grant).returning({ id: grants.id }),
          queries.insert(codes).values(code).returning({ at: codes.createdAt }),
          queries
            .insert(consents)
            .values(consent)
            .onConflictDoUpdate({
              target: [consents.subjectId, consents.clientId, consents.redirectUri, consents.resourceId],
              set: yes,
            })
            .returning({ at: consents.grantedAt }),
          recordEvent(queries, tables, event),
          ...(stepUp === undefined
            ? []
            : [
                queries
                  .update(stepUps)
                  .set({ authTime: stepUp.authTime })
                  .where(and(eq(stepUps.id, stepUp.id), isNull(stepUps.authTime), gt(stepUps.expiresAt, now)))
                  .returning({ id: stepUps.id }),
              ]),
          ...Object.entries(made.connectionIds).map(([provider, connectionId]) =>
            queries
              .insert(grantConnections)
              .values({ grantId: grant.id, connectionId, provider, siteId: made.siteIds?.[provider] ?? null })
              .returning({ id: grantConnections.grantId }),
          ),
        ],
      }))
      return completed && grant
    },

    /** Ends an interaction with one more way to sign in; `taken`: that identity signs somebody in already. */
    async withIdentity(
      interaction: Interaction,
      identity: Identity,
      now: number,
      event: NewAuditEvent,
    ): Promise<'added' | 'taken' | 'overtaken'> {
      try {
        const completed = await batch((queries) => ({
          guard: end(queries, interaction, now),
          writes: [
            queries.insert(identities).values(identity).returning({ at: identities.createdAt }),
            recordEvent(queries, tables, event),
          ],
        }))
        return completed ? 'added' : 'overtaken'
      } catch (error) {
        // Nothing of the batch is there then, its audit row neither.
        if (isTaken(error)) return 'taken'
        throw error
      }
    },

    /** Ends an interaction that repaired a connection; the grants that drew on the dead one draw on the new one. */
    async withRepair(
      interaction: Interaction,
      moved: readonly { removed: string; added: GrantConnection }[],
      now: number,
      event: NewAuditEvent,
    ): Promise<boolean> {
      const completed = await batch((queries) => ({
        guard: end(queries, interaction, now),
        writes: [
          ...moved.flatMap(({ removed, added }) => [
            queries
              .delete(grantConnections)
              .where(
                and(eq(grantConnections.grantId, added.grantId), eq(grantConnections.connectionId, removed)),
              )
              .returning(),
            queries.insert(grantConnections).values(added).onConflictDoNothing().returning(),
          ]),
          recordEvent(queries, tables, event),
        ],
      }))
      return completed !== undefined
    },

    /** Ends the interaction of a connect link: the session may draw on the connection from now on. */
    async withConnection(
      interaction: Interaction,
      made: { added: GrantConnection; replaced: readonly string[]; ticketHash: string },
      now: number,
      event: NewAuditEvent,
    ): Promise<boolean> {
      const { added, replaced } = made
      const done: Pick<ConnectLink, 'status'> = { status: 'completed' }
      const completed = await batch((queries) => ({
        guard: end(queries, interaction, now),
        writes: [
          queries
            .update(connectLinks)
            .set(done)
            .where(eq(connectLinks.ticketHash, made.ticketHash))
            .returning(),
          queries
            .delete(grantConnections)
            .where(
              and(
                eq(grantConnections.grantId, added.grantId),
                inArray(grantConnections.connectionId, [...replaced]),
              ),
            )
            .returning(),
          queries
            .insert(grantConnections)
            .values(added)
            .onConflictDoUpdate({
              target: [grantConnections.grantId, grantConnections.connectionId],
              set: { siteId: added.siteId },
            })
            .returning(),
          recordEvent(queries, tables, event),
        ],
      }))
      return completed !== undefined
    },
  }
}
