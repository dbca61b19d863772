import type { Queries } from './dialect.ts'
import type { AccountRequest, AuthorizationRequest, ConnectRequest } from './documents.ts'
import { and, eq, gt, isNull, type SQL, sql } from './drizzle.ts'
import { inColumns, prepared, type Slots } from './prepared.ts'
import type { Tables } from './schema.ts'

export type Interaction = Tables['interactions']['$inferSelect']

/** What a step may change. */
export type InteractionChange = Partial<
  Pick<
    Interaction,
    | 'request'
    | 'signInProvider'
    | 'subjectId'
    | 'authTime'
    | 'acr'
    | 'switchesAccount'
    | 'consent'
    | 'connected'
    | 'pickedSites'
    | 'leg'
    | 'legStateHash'
    | 'sealedLegSecrets'
    | 'completedAt'
  >
>

/** One that a client began, or that follows a connect link of one of its sessions. */
export type ClientInteraction = Interaction & {
  clientId: string
  request: AuthorizationRequest | ConnectRequest
}

/** One that a person began on their account page. */
export type AccountInteraction = Interaction & { request: AccountRequest }

export function isOfAccount(interaction: Interaction): interaction is AccountInteraction {
  return interaction.request.kind === 'account'
}

/** Whatever does not begin on the account page has a client. */
export function isOfClient(interaction: Interaction): interaction is ClientInteraction {
  return interaction.request.kind !== 'account' && interaction.clientId !== null
}

export type UnderWay = { all: number; ofClient: number; nextEnds: number; nextOfClientEnds: number }

/** Authorization requests and connect links under way, each bound to one browser. */
export function interactions(db: Queries, { interactions: table }: Tables) {
  const underWay = (now: number | SQL<number>) => and(isNull(table.completedAt), gt(table.expiresAt, now))
  const insert = prepared((queries, of: Slots<Interaction>) =>
    queries.insert(table).values(inColumns(table, of)).returning({ id: table.id }),
  )
  const byId = prepared((queries, of: Slots<{ id: string; now: number }>) =>
    queries
      .select()
      .from(table)
      .where(and(eq(table.id, of.id), underWay(of.now))),
  )
  return {
    async create(interaction: Interaction): Promise<void> {
      await insert(db, interaction)
    },

    async find(id: string, now: number): Promise<Interaction | undefined> {
      const [interaction] = await byId(db, { id, now })
      return interaction
    },

    /** How many are under way, of everybody and of one client, and when the next of each ends by itself. */
    async countUnderWay(clientId: string, now: number): Promise<UnderWay> {
      const { expiresAt } = table
      const isTheirs = eq(table.clientId, clientId)
      const [counted] = await db
        .select({
          all: sql<number>`count(*)`.mapWith(Number),
          ofClient: sql<number>`count(case when ${isTheirs} then 1 end)`.mapWith(Number),
          nextEnds: sql<number>`min(${expiresAt})`.mapWith(Number),
          nextOfClientEnds: sql<number>`min(case when ${isTheirs} then ${expiresAt} end)`.mapWith(Number),
        })
        .from(table)
        .where(underWay(now))
      return counted ?? { all: 0, ofClient: 0, nextEnds: 0, nextOfClientEnds: 0 }
    },

    async findByState(legStateHash: string, now: number): Promise<Interaction | undefined> {
      const [interaction] = await db
        .select()
        .from(table)
        .where(and(eq(table.legStateHash, legStateHash), underWay(now)))
      return interaction
    },

    /**
     * Takes one step from the state of the row that was read; `undefined` where another step was faster. This
     * is also what lets an upstream state be used once: taking it clears its hash.
     */
    async advance<Kind extends Interaction>(
      from: Kind,
      change: InteractionChange,
      now: number,
    ): Promise<Kind | undefined> {
      const [interaction] = await db
        .update(table)
        .set({ ...change, version: sql`${table.version} + 1` })
        .where(and(eq(table.id, from.id), eq(table.version, from.version), underWay(now)))
        .returning()
      // A step never makes another kind of it.
      return interaction as Kind | undefined
    },
  }
}
