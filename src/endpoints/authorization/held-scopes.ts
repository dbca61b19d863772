import type { Gateway } from '../../gateway.ts'
import { grantStanding } from '../../grants/standing.ts'
import type { ClientInteraction } from '../../storage/interactions.ts'
import { offlineAccess } from '../../tokens/scope.ts'
import type { Parties } from './parties.ts'

/**
 * What the person is asked for. A client that steps up often names only what it lacks and puts the new token in the
 * place of the old one, so it keeps what it has at this resource. One that asks for nothing new gets just that.
 * The page shows all of it; once there is a yes, that says what was kept.
 */
export async function withHeldScopes(
  gateway: Gateway,
  { consent, request }: ClientInteraction,
  { client, resource, scopes }: Parties,
  person: { subjectId: string } | undefined,
): Promise<string[]> {
  if (request.kind === 'connect' || !resource) return scopes
  const kept =
    consent?.scopes ?? (person ? await heldScopes(gateway, person.subjectId, client.id, resource.id) : [])
  if (scopes.every((scope) => kept.includes(scope)) && consent === null) return scopes
  const offered = [...Object.keys(resource.document.scopes), offlineAccess]
  return offered.filter((scope) => scopes.includes(scope) || kept.includes(scope))
}

async function heldScopes(
  gateway: Gateway,
  subjectId: string,
  clientId: string,
  resourceId: string,
): Promise<string[]> {
  const now = gateway.clock()
  const limit = gateway.config.limits.sessions_per_client
  const filter = { subjectId, clientId, resourceId, parentId: null }
  const { rows } = await gateway.store.grants.list(filter, { now, state: 'live' }, { limit })
  const held = await Promise.all(
    rows.map(async ({ id }) => {
      const grant = await gateway.store.grants.find(id)
      if (!grant) return []
      return (await grantStanding(gateway, grant, now)).stands ? grant.scopes : []
    }),
  )
  return held.flat()
}
