import { type NewAuditEvent, recordEvent } from './audit-events.ts'
import type { Batch, Queries } from './dialect.ts'
import { and, asc, eq, inArray, ne, notExists, sql } from './drizzle.ts'
import { prepared, type Slots } from './prepared.ts'
import { isTaken } from './query-errors.ts'
import { recordedIn } from './recorded.ts'
import type { Tables } from './schema.ts'

export type Resource = Tables['resources']['$inferSelect']
export type ResourceCredential = Tables['resourceCredentials']['$inferSelect']

/** Any number but that of the migrations. On PostgreSQL no row is there to be locked by who makes a first default. */
const defaultLock = 7_265_728_432

/** To select from where nothing is read. */
const nothing = sql`(select 1) as one_row`

/** MCP servers, and what they authenticate with when they call us. */
export function resources(db: Queries, tables: Tables, batch: Batch) {
  const { resources: table, resourceCredentials: credentials, applications } = tables
  const recorded = recordedIn(batch, tables)
  const credentialById = prepared((queries, of: Slots<{ id: string }>) =>
    queries
      .select({ credential: credentials, resource: table })
      .from(credentials)
      .innerJoin(table, eq(table.id, credentials.resourceId))
      .where(eq(credentials.id, of.id)),
  )
  const byId = prepared((queries, of: Slots<{ id: string }>) =>
    queries.select().from(table).where(eq(table.id, of.id)),
  )
  const byUri = prepared((queries, of: Slots<{ uri: string }>) =>
    queries.select().from(table).where(eq(table.uri, of.uri)),
  )
  const isDefaultBeside = (id: string) =>
    and(
      ne(table.id, id),
      eq(table.enabled, true),
      // JSON's `true` is 1 in SQLite.
      sql`cast(${table.document} ->> 'default' as text) in ('true', '1')`,
    )
  const all = prepared((queries) => queries.select().from(table).orderBy(asc(table.id)))
  return {
    async find(id: string): Promise<Resource | undefined> {
      const [resource] = await byId(db, { id })
      return resource
    },

    async findByUri(uri: string): Promise<Resource | undefined> {
      const [resource] = await byUri(db, { uri })
      return resource
    },

    list: async (): Promise<Resource[]> => await all(db, {}),

    /**
     * Creates or replaces; `undefined` where another resource has its URI, or is the default that it would be, and nothing
     * is written then.
     */
    async save(resource: Resource, event: NewAuditEvent): Promise<Resource | undefined> {
      const { id, createdAt: _, ...current } = resource
      const write = (queries: Queries) =>
        queries
          .insert(table)
          .values(resource)
          .onConflictDoUpdate({ target: table.id, set: current })
          .returning()
      const isDefault = resource.enabled && resource.document.default === true
      try {
        const saved = await batch((queries) => ({
          ...(isDefault && {
            lock: queries.select({ locked: sql`pg_advisory_xact_lock(${defaultLock})` }).from(nothing),
          }),
          guard: queries
            .select({ free: sql<number>`1` })
            .from(nothing)
            .where(
              isDefault
                ? notExists(queries.select({ id: table.id }).from(table).where(isDefaultBeside(id)))
                : undefined,
            ),
          writes: [forgetProbes(queries, resource), write(queries), recordEvent(queries, tables, event)],
        }))
        return saved?.rows[1][0]
      } catch (error) {
        // PostgreSQL takes one `on conflict`, and to look first would leave an instant in between.
        if (isTaken(error)) return undefined
        throw error
      }
    },

    /** A credential together with the resource it belongs to. */
    async findCredential(
      id: string,
    ): Promise<{ credential: ResourceCredential; resource: Resource } | undefined> {
      const [found] = await credentialById(db, { id })
      return found
    },

    async listCredentials(resourceId: string): Promise<ResourceCredential[]> {
      return await db
        .select()
        .from(credentials)
        .where(eq(credentials.resourceId, resourceId))
        .orderBy(asc(credentials.createdAt), asc(credentials.id))
    },

    async createCredential(credential: ResourceCredential, event: NewAuditEvent): Promise<void> {
      await recorded(event, (queries) =>
        queries.insert(credentials).values(credential).returning({ id: credentials.id }),
      )
    },

    async deleteCredential(
      key: Pick<ResourceCredential, 'id' | 'resourceId'>,
      event: NewAuditEvent,
    ): Promise<ResourceCredential | undefined> {
      const [deleted] = await recorded(event, (queries) =>
        queries
          .delete(credentials)
          .where(and(eq(credentials.id, key.id), eq(credentials.resourceId, key.resourceId)))
          .returning(),
      )
      return deleted
    },
  }

  /** What was found of an MCP server says nothing of one that stands at another URI. Before that is written. */
  function forgetProbes(queries: Queries, { id, uri }: Resource) {
    const moved = queries
      .select({ id: table.id })
      .from(table)
      .where(and(eq(table.id, id), ne(table.uri, uri)))
    return queries
      .update(applications)
      .set({ probes: null, probedAt: null })
      .where(inArray(applications.resourceId, moved))
      .returning({ id: applications.resourceId })
  }
}
