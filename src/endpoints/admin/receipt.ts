import { z } from 'zod'
import type { CountedConnections, KeptConnections, Removed } from '../../storage/removals.ts'
import type { CarriedOut, RevocationResult } from '../../upstream/revocation-queue.ts'
import { ok } from './route.ts'

const counted = {
  provider: z.string(),
  client_id: z.string().describe('Of this gateway at the provider'),
  connections: z.int(),
}

/** What a deletion ended, and where. */
export const receiptSchema = z
  .strictObject({
    deleted: z.partialRecord(
      z.enum([
        'administrator',
        'provider',
        'resource',
        'registration_token',
        'resource_credential',
        'tool',
        'role',
        'binding',
        'quota',
        'client',
        'subject',
        'token_session',
        'connection',
      ]),
      z.string(),
    ),
    token_sessions_ended: z.int(),
    connections_deleted: z.int(),
    revoked_upstream: z
      .array(z.strictObject({ ...counted, outcome: z.enum(['revoked', 'already_gone']) }))
      .describe('What the providers revoked, or no longer knew'),
    queued_upstream: z
      .array(z.strictObject(counted))
      .describe(
        'What providers have yet to be told; it is tried for three days, and the audit log says what came of it',
      ),
    remaining_upstream: z
      .array(
        z.strictObject({
          ...counted,
          reason: z.enum([
            'needed_by_another_connection',
            'unsupported',
            'provider_changed',
            'given_up',
            'in_use',
            'kept_for_the_next_session',
          ]),
        }),
      )
      .describe('What providers still know, and why'),
  })
  .meta({ id: 'Receipt' })

type Receipt = z.output<typeof receiptSchema>
type Remaining = Receipt['remaining_upstream'][number]

/** What ended here, what came of it at providers so far, and which connections go on. */
export type Ended = Removed & { carriedOut?: readonly CarriedOut[]; kept?: readonly KeptConnections[] }

const nothingMore: Ended = { tokenSessionsEnded: 0, connectionsDeleted: [] }

export function receipt(deleted: Receipt['deleted'], ended = nothingMore) {
  const { tokenSessionsEnded, connectionsDeleted, carriedOut = [], kept = [] } = ended
  const told = carriedOut.filter(({ result }) => result !== 'queued')
  const groups = [...Map.groupBy(told, (each) => JSON.stringify(each)).values()].flatMap((group) =>
    group.slice(0, 1).map((first) => ({ ...first, count: group.length })),
  )
  return ok({
    deleted,
    token_sessions_ended: tokenSessionsEnded,
    connections_deleted: connectionsDeleted.reduce((sum, { count }) => sum + count, 0),
    revoked_upstream: groups.flatMap((group) =>
      isOver(group.result) ? [{ ...countOf(group), outcome: group.result }] : [],
    ),
    queued_upstream: connectionsDeleted.flatMap((group) => {
      const count = group.count - told.filter((each) => isSame(each, group)).length
      return count > 0 ? [countOf({ ...group, count })] : []
    }),
    remaining_upstream: [
      ...groups.flatMap(({ result, ...group }): Remaining[] =>
        isOver(result) || result === 'queued' ? [] : [{ ...countOf(group), reason: result }],
      ),
      ...kept.map(
        (group): Remaining => ({
          ...countOf(group),
          reason: group.use === 'in use' ? 'in_use' : 'kept_for_the_next_session',
        }),
      ),
    ],
  })
}

function isOver(result: RevocationResult): result is 'revoked' | 'already_gone' {
  return result === 'revoked' || result === 'already_gone'
}

type Origin = Omit<CountedConnections, 'count'>

const isSame = (one: Origin, other: Origin) =>
  one.provider === other.provider && one.upstreamClientId === other.upstreamClientId

function countOf({ provider, upstreamClientId, count }: CountedConnections) {
  return { provider, client_id: upstreamClientId, connections: count }
}
