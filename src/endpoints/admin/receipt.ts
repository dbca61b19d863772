import { Problem } from '../../errors.ts'
import type { Removed } from '../../storage/removals.ts'

/** What there is of a kind to delete. */
export type Deleted = Partial<
  Record<
    | 'administrator'
    | 'provider'
    | 'resource'
    | 'registration_token'
    | 'resource_credential'
    | 'client'
    | 'subject'
    | 'token_session'
    | 'connection',
    string
  >
>

/**
 * What a deletion ended, and where. Nothing is revoked at providers: what they still know is named, so that it can
 * be ended there, by the person or by whoever administers the client.
 */
export function receipt(deleted: Deleted, removed: Removed) {
  const { tokenSessionsEnded, connectionsDeleted } = removed
  return {
    deleted,
    token_sessions_ended: tokenSessionsEnded,
    connections_deleted: connectionsDeleted.reduce((sum, { count }) => sum + count, 0),
    revoked_upstream: [],
    remaining_upstream: connectionsDeleted.map(({ provider, upstreamClientId, count }) => ({
      provider,
      client_id: upstreamClientId,
      connections: count,
    })),
  }
}

export function notFound(what: string): Problem {
  return new Problem(404, 'not_found', `There is no such ${what}`)
}

export function readOnly(): Problem {
  return new Problem(409, 'read_only', 'This comes from the configuration file', {
    detail: 'It is changed there; once the file no longer declares it, it may be deleted here.',
  })
}
