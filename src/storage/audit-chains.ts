import { type Cut, checkpointEvent, type Head, namingEvents } from './audit-chain.ts'
import { type AuditEvent, type NewAuditEvent, recordEvent } from './audit-events.ts'
import type { Batch, Queries } from './dialect.ts'
import { and, asc, desc, eq, gt, inArray, lt, lte, ne, notInArray } from './drizzle.ts'
import type { Tables } from './schema.ts'

/** The record chain by chain, for whoever verifies, exports or shortens it. */
export function auditChains(db: Queries, tables: Tables, batch: Batch) {
  const { auditEvents: events, auditCuts: cuts } = tables
  const head = { chain: events.chain, seq: events.seq, mac: events.mac }

  async function find(chain: string): Promise<Head | undefined> {
    const [last] = await db
      .select(head)
      .from(events)
      .where(eq(events.chain, chain))
      .orderBy(desc(events.seq))
      .limit(1)
    return last ?? (await findCut(chain))
  }

  async function findCut(chain: string): Promise<Cut | undefined> {
    const [cut] = await db.select().from(cuts).where(eq(cuts.chain, chain))
    return cut
  }

  return {
    /** Where a chain stands: at its last row, or where all of it was taken by retention, there. */
    findHead: find,
    findCut,

    /**
     * The chain that follows in the order of their ids; without one, the first, whatever it is called: nobody may have
     * a name under which rows are passed over. Each is found by itself: there may be very many rows.
     */
    async next(after: string | undefined): Promise<string | undefined> {
      const follows = (chain: typeof events.chain | typeof cuts.chain) =>
        after === undefined ? undefined : gt(chain, after)
      const [[row], [cut]] = await Promise.all([
        db
          .select({ chain: events.chain })
          .from(events)
          .where(follows(events.chain))
          .orderBy(asc(events.chain))
          .limit(1),
        db
          .select({ chain: cuts.chain })
          .from(cuts)
          .where(follows(cuts.chain))
          .orderBy(asc(cuts.chain))
          .limit(1),
      ])
      return [row, cut].flatMap((found) => (found ? [found.chain] : [])).toSorted()[0]
    },

    /** The rows of a chain that follow a number, in their order. */
    async rows(chain: string, after: number, limit: number): Promise<AuditEvent[]> {
      return await db
        .select()
        .from(events)
        .where(and(eq(events.chain, chain), gt(events.seq, after)))
        .orderBy(asc(events.seq))
        .limit(limit)
    },

    /** A row that stands where the chain has no more, or never had any. */
    async findStray(chain: string, upTo: number): Promise<AuditEvent | undefined> {
      const [stray] = await db
        .select()
        .from(events)
        .where(and(eq(events.chain, chain), lte(events.seq, upTo)))
        .limit(1)
      return stray
    },

    async findLink(chain: string, seq: number): Promise<Head | undefined> {
      const [link] = await db
        .select(head)
        .from(events)
        .where(and(eq(events.chain, chain), eq(events.seq, seq)))
      return link
    },

    /** The rows which name where chains stood, the youngest first, before one of them. Who wrote them is not looked at. */
    async listNaming(before: string | undefined, limit: number): Promise<AuditEvent[]> {
      return await db
        .select()
        .from(events)
        .where(
          and(
            inArray(events.event, [...namingEvents]),
            before === undefined ? undefined : lt(events.id, before),
          ),
        )
        .orderBy(desc(events.id))
        .limit(limit)
    },

    /** Whether something stands in a chain behind a row that is more than a look at the chains. */
    async hasNews({ chain, seq }: Pick<Head, 'chain' | 'seq'>): Promise<boolean> {
      const [row] = await db
        .select({ seq: events.seq })
        .from(events)
        .where(and(eq(events.chain, chain), gt(events.seq, seq), ne(events.event, checkpointEvent)))
        .limit(1)
      return row !== undefined
    },

    /** The chain of the oldest row before an id, among those that are not left out. */
    async findOldest(before: string, without: readonly string[]): Promise<string | undefined> {
      const [oldest] = await db
        .select({ chain: events.chain })
        .from(events)
        .where(and(lt(events.id, before), notInArray(events.chain, [...without, ''])))
        .orderBy(asc(events.id))
        .limit(1)
      return oldest?.chain
    },

    /** Takes a chain's rows up to a cut; false where another process has cut it since `read`. */
    async cut(read: Cut | undefined, cut: Cut, event: NewAuditEvent): Promise<boolean> {
      const taken = await batch((queries) => ({
        guard: read
          ? queries
              .update(cuts)
              .set(cut)
              .where(and(eq(cuts.chain, read.chain), eq(cuts.seq, read.seq)))
              .returning()
          : queries.insert(cuts).values(cut).onConflictDoNothing().returning(),
        writes: [
          queries
            .delete(events)
            // What was put in before the chain's beginning was never verified, and is not tidied away.
            .where(and(eq(events.chain, cut.chain), gt(events.seq, read?.seq ?? 0), lte(events.seq, cut.seq)))
            .returning({ seq: events.seq }),
          recordEvent(queries, tables, event),
        ],
      }))
      return taken !== undefined
    },
  }
}
