import { z } from 'zod'
import type { Removed } from '../../storage/removals.ts'
import { ok } from './route.ts'

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
        'client',
        'subject',
        'token_session',
        'connection',
      ]),
      z.string(),
    ),
    token_sessions_ended: z.int(),
    connections_deleted: z.int(),
    revoked_upstream: z.array(z.never()).describe('Empty: nothing is revoked at providers'),
    remaining_upstream: z
      .array(z.strictObject({ provider: z.string(), client_id: z.string(), connections: z.int() }))
      .describe('The grants that providers still know'),
  })
  .meta({ id: 'Receipt' })

const nothingMore: Removed = { tokenSessionsEnded: 0, connectionsDeleted: [] }

/** Nothing is revoked at providers: what they still know is named, so that somebody can end it there. */
export function receipt(deleted: z.output<typeof receiptSchema>['deleted'], removed = nothingMore) {
  const { tokenSessionsEnded, connectionsDeleted } = removed
  return ok({
    deleted,
    token_sessions_ended: tokenSessionsEnded,
    connections_deleted: connectionsDeleted.reduce((sum, { count }) => sum + count, 0),
    revoked_upstream: [],
    remaining_upstream: connectionsDeleted.map(({ provider, upstreamClientId, count }) => ({
      provider,
      client_id: upstreamClientId,
      connections: count,
    })),
  })
}
