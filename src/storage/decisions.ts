import type { Queries } from './dialect.ts'
import { and, desc, eq, lt } from './drizzle.ts'
import { type Page, type PageRequest, toPage } from './page.ts'
import { isOrphaned } from './query-errors.ts'
import type { Tables } from './schema.ts'

export type Decision = Tables['decisions']['$inferSelect']

export type DecisionFilter = {
  resourceId?: string | undefined
  subjectId?: string | undefined
  clientId?: string | undefined
  tool?: string | undefined
  allowed?: boolean | undefined
}

/** What was decided about calls of tools, and why. */
export function decisions(db: Queries, { decisions: table }: Tables) {
  /** Of a resource that went meanwhile nothing is kept, and of the others everything. */
  async function record(made: readonly Decision[]): Promise<void> {
    if (made.length === 0) return
    try {
      await db
        .insert(table)
        .values([...made])
        .onConflictDoNothing()
        .returning({ id: table.id })
    } catch (error) {
      if (!isOrphaned(error)) throw error
      if (made.length > 1) for (const each of made) await record([each])
    }
  }

  return {
    record,

    async find(id: string): Promise<Decision | undefined> {
      const [found] = await db.select().from(table).where(eq(table.id, id))
      return found
    },

    /** The latest first. */
    async list(filter: DecisionFilter, page: PageRequest): Promise<Page<Decision>> {
      const { resourceId, subjectId, clientId, tool, allowed } = filter
      const rows = await db
        .select()
        .from(table)
        .where(
          and(
            resourceId === undefined ? undefined : eq(table.resourceId, resourceId),
            subjectId === undefined ? undefined : eq(table.subjectId, subjectId),
            clientId === undefined ? undefined : eq(table.clientId, clientId),
            tool === undefined ? undefined : eq(table.tool, tool),
            allowed === undefined ? undefined : eq(table.allowed, allowed),
            page.cursor === undefined ? undefined : lt(table.id, page.cursor),
          ),
        )
        .orderBy(desc(table.id))
        .limit(page.limit + 1)
      return toPage(rows, page.limit, ({ id }) => id)
    },
  }
}
