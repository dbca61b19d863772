import type { NewAuditEvent } from './audit-events.ts'
import type { Batch, Queries } from './dialect.ts'
import { and, asc, eq, exists, gt, isNull, ne, not, or } from './drizzle.ts'
import { prepared, type Slots } from './prepared.ts'
import { isOrphaned } from './query-errors.ts'
import { recordedIn } from './recorded.ts'
import type { Tables } from './schema.ts'

export type Role = Tables['roles']['$inferSelect']
export type Binding = Tables['bindings']['$inferSelect']
export type BoundRole = { binding: Binding; role: Role }

/** What people may be at a resource, and who is it. */
export function roles(db: Queries, tables: Tables, batch: Batch) {
  const { roles: table, bindings } = tables
  const recorded = recordedIn(batch, tables)
  const forSubject = prepared((queries, of: Slots<{ resourceId: string; subjectId: string; now: number }>) =>
    queries
      .select({ binding: bindings, role: table })
      .from(bindings)
      .innerJoin(table, eq(table.id, bindings.roleId))
      .where(
        and(
          eq(bindings.resourceId, of.resourceId),
          or(ne(bindings.holder, 'subject'), eq(bindings.subjectId, of.subjectId)),
          or(isNull(bindings.expiresAt), gt(bindings.expiresAt, of.now)),
        ),
      )
      .orderBy(asc(bindings.id)),
  )
  return {
    async list(resourceId: string): Promise<Role[]> {
      return await db.select().from(table).where(eq(table.resourceId, resourceId)).orderBy(asc(table.name))
    },

    async find(resourceId: string, name: string): Promise<Role | undefined> {
      const [role] = await db
        .select()
        .from(table)
        .where(and(eq(table.resourceId, resourceId), eq(table.name, name)))
      return role
    },

    async save(role: Role, event: NewAuditEvent): Promise<Role | undefined> {
      const { document, updatedAt } = role
      const [saved] = await recorded(event, (queries) =>
        queries
          .insert(table)
          .values(role)
          .onConflictDoUpdate({ target: [table.resourceId, table.name], set: { document, updatedAt } })
          .returning(),
      )
      return saved
    },

    /** Never one that somebody is bound to. */
    async delete(id: string, event: NewAuditEvent): Promise<boolean> {
      const bound = db.select({ id: bindings.id }).from(bindings).where(eq(bindings.roleId, id))
      const deleted = await recorded(event, (queries) =>
        queries
          .delete(table)
          .where(and(eq(table.id, id), not(exists(bound))))
          .returning({ id: table.id }),
      )
      return deleted.length > 0
    },

    async listBindings(resourceId: string): Promise<BoundRole[]> {
      return await db
        .select({ binding: bindings, role: table })
        .from(bindings)
        .innerJoin(table, eq(table.id, bindings.roleId))
        .where(eq(bindings.resourceId, resourceId))
        .orderBy(asc(bindings.id))
    },

    /** `false` where its role or its subject went at the same moment; nothing is written then. */
    async createBinding(binding: Binding, event: NewAuditEvent): Promise<boolean> {
      try {
        const made = await recorded(event, (queries) =>
          queries.insert(bindings).values(binding).returning({ id: bindings.id }),
        )
        return made.length > 0
      } catch (error) {
        if (isOrphaned(error)) return false
        throw error
      }
    },

    async deleteBinding(
      key: Pick<Binding, 'id' | 'resourceId'>,
      event: NewAuditEvent,
    ): Promise<Binding | undefined> {
      const [deleted] = await recorded(event, (queries) =>
        queries
          .delete(bindings)
          .where(and(eq(bindings.id, key.id), eq(bindings.resourceId, key.resourceId)))
          .returning(),
      )
      return deleted
    },

    /** The bindings of a subject, of everyone, and of every group, that have not ended. */
    async listFor(resourceId: string, subjectId: string, now: number): Promise<BoundRole[]> {
      return await forSubject(db, { resourceId, subjectId, now })
    },
  }
}
