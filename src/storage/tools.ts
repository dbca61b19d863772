import type { NewAuditEvent } from './audit-events.ts'
import { recordEvent } from './audit-events.ts'
import type { Batch, Queries } from './dialect.ts'
import { and, asc, eq, getTableColumns, isNull, lte, notInArray, sql } from './drizzle.ts'
import { prepared, type Slots } from './prepared.ts'
import { isOrphaned } from './query-errors.ts'
import { recordedIn } from './recorded.ts'
import type { Tables } from './schema.ts'

export type Tool = Tables['tools']['$inferSelect']
export type BriefTool = Omit<Tool, 'published' | 'reviewed'>
export type Application = Tables['applications']['$inferSelect']

/** What MCP servers publish of their tools, how an administrator opened them, and how far a resource has come. */
export function tools(db: Queries, tables: Tables, batch: Batch) {
  const { tools: table, applications } = tables
  const recorded = recordedIn(batch, tables)
  const byName = prepared((queries, of: Slots<{ resourceId: string; name: string }>) =>
    queries
      .select()
      .from(table)
      .where(and(eq(table.resourceId, of.resourceId), eq(table.name, of.name))),
  )
  const application = prepared((queries, of: Slots<{ resourceId: string }>) =>
    queries.select().from(applications).where(eq(applications.resourceId, of.resourceId)),
  )
  return {
    async find(resourceId: string, name: string): Promise<Tool | undefined> {
      const [tool] = await byName(db, { resourceId, name })
      return tool
    },

    async list(resourceId: string): Promise<Tool[]> {
      return await db.select().from(table).where(eq(table.resourceId, resourceId)).orderBy(asc(table.name))
    },

    /** Without what was published and reviewed: that is long, and a list of tools is not judged by it. */
    async listBriefly(resourceId: string): Promise<BriefTool[]> {
      const { published: _, reviewed: __, ...columns } = getTableColumns(table)
      return await db
        .select(columns)
        .from(table)
        .where(eq(table.resourceId, resourceId))
        .orderBy(asc(table.name))
    },

    async findApplication(resourceId: string): Promise<Application | undefined> {
      const [found] = await application(db, { resourceId })
      return found
    },

    /**
     * Takes what an MCP server publishes now. What it publishes no more stays, as withdrawn, where somebody reviewed it
     * once; the rest goes, or a server could fill the database with names. With an event some of it is news. `false`, and
     * nothing is written, where the resource went at the same moment.
     */
    async publish(
      resourceId: string,
      published: readonly Tool[],
      now: number,
      event: NewAuditEvent | undefined,
    ): Promise<boolean> {
      const stamp = { publishedAt: now, ...(event && { changedAt: now }) }
      const names = published.map(({ name }) => name)
      const isOther = and(
        eq(table.resourceId, resourceId),
        names.length === 0 ? undefined : notInArray(table.name, names),
      )
      const publishing = (queries: Queries) => ({
        guard: queries
          .insert(applications)
          .values({ ...unknownYet, resourceId, ...stamp })
          .onConflictDoUpdate({ target: applications.resourceId, set: stamp })
          .returning({ resourceId: applications.resourceId }),
        writes: [
          ...published.map((tool) => {
            const { published: document, publishedHash, isPublished } = tool
            const set = { published: document, publishedHash, isPublished, changedAt: tool.changedAt }
            return queries
              .insert(table)
              .values(tool)
              .onConflictDoUpdate({ target: [table.resourceId, table.name], set })
              .returning({ name: table.name })
          }),
          queries
            .delete(table)
            .where(and(isOther, isNull(table.reviewedAt)))
            .returning({ name: table.name }),
          queries
            .update(table)
            .set({ isPublished: false, changedAt: now })
            .where(and(isOther, eq(table.isPublished, true)))
            .returning({ name: table.name }),
          ...(event ? [recordEvent(queries, tables, event)] : []),
        ],
      })
      try {
        return (await batch(publishing)) !== undefined
      } catch (error) {
        if (isOrphaned(error)) return false
        throw error
      }
    },

    /** Says how a tool opens; `undefined` where it is not any more what was looked at, or never was. */
    async review(
      key: Pick<Tool, 'resourceId' | 'name'>,
      {
        reviewedHash,
        ...review
      }: Pick<Tool, 'rule' | 'reviewedAt' | 'reviewedBy'> & { reviewedHash: string },
      event: NewAuditEvent,
    ): Promise<Tool | undefined> {
      const [reviewed] = await recorded(event, (queries) =>
        queries
          .update(table)
          .set({ ...review, reviewedHash, reviewed: sql`${table.published}` })
          .where(
            and(
              eq(table.resourceId, key.resourceId),
              eq(table.name, key.name),
              eq(table.publishedHash, reviewedHash),
            ),
          )
          .returning(),
      )
      return reviewed
    },

    /** Forgets a tool that its MCP server publishes no more. */
    async delete(key: Pick<Tool, 'resourceId' | 'name'>, event: NewAuditEvent): Promise<boolean> {
      const deleted = await recorded(event, (queries) =>
        queries
          .delete(table)
          .where(
            and(eq(table.resourceId, key.resourceId), eq(table.name, key.name), eq(table.isPublished, false)),
          )
          .returning({ name: table.name }),
      )
      return deleted.length > 0
    },

    /** Keeps what was found, unless somebody found something else since the probe `before`. */
    async saveProbes(
      resourceId: string,
      found: Pick<Application, 'probes' | 'probedAt' | 'probeDueAt'>,
      before: number | null,
    ): Promise<void> {
      await db
        .insert(applications)
        .values({ ...unknownYet, resourceId, ...found })
        .onConflictDoUpdate({
          target: applications.resourceId,
          set: found,
          setWhere: before === null ? isNull(applications.probedAt) : eq(applications.probedAt, before),
        })
        .returning({ resourceId: applications.resourceId })
    },

    /** The resources to be checked again now, each named to one process alone. */
    async claimProbes(now: number, interval: number): Promise<string[]> {
      const claimed = await db
        .update(applications)
        .set({ probeDueAt: now + interval })
        .where(lte(applications.probeDueAt, now))
        .returning({ resourceId: applications.resourceId })
      return claimed.map(({ resourceId }) => resourceId)
    },

    /** Lets people in; whoever did so first stays named. */
    async activate(
      resourceId: string,
      by: { activatedAt: number; activatedBy: string },
      event: NewAuditEvent,
    ): Promise<void> {
      await recorded(event, (queries) =>
        queries
          .insert(applications)
          .values({ ...unknownYet, resourceId, ...by })
          .onConflictDoUpdate({
            target: applications.resourceId,
            set: {
              activatedAt: sql`coalesce(${applications.activatedAt}, ${by.activatedAt})`,
              activatedBy: sql`coalesce(${applications.activatedBy}, ${by.activatedBy})`,
            },
          })
          .returning({ resourceId: applications.resourceId }),
      )
    },

    /** Closes its tools to everybody but administrators, until it is activated again. */
    async deactivate(resourceId: string, event: NewAuditEvent): Promise<boolean> {
      const closed = await recorded(event, (queries) =>
        queries
          .update(applications)
          .set({ activatedAt: null, activatedBy: null })
          .where(eq(applications.resourceId, resourceId))
          .returning({ resourceId: applications.resourceId }),
      )
      return closed.length > 0
    },
  }
}

const unknownYet = {
  publishedAt: null,
  changedAt: null,
  probes: null,
  probedAt: null,
  probeDueAt: null,
  activatedAt: null,
  activatedBy: null,
}
