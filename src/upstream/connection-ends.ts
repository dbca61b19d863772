import type { RefreshLife } from '../storage/connection-ends.ts'
import type { Connection } from '../storage/connections.ts'
import type { Descriptor } from './descriptor.ts'
import type { ProviderRegistry } from './registry.ts'

export type ConnectionEnds = {
  /** When it ends if nobody uses it. */
  idleEndsAt?: number
  /** When it ends whatever is done, and the person has to connect again. */
  endsAt?: number
}

/** What a descriptor says of the life of refresh tokens; one that never changes keeps the end it came with. */
export function refreshLifeOf({ refresh }: Pick<Descriptor, 'refresh'>): RefreshLife {
  return {
    idleLifetime: refresh.idle_lifetime,
    absoluteLifetime: refresh.absolute_lifetime,
    toldEnd: refresh.reuse_window === 'unlimited' ? 'stays' : 'moves',
  }
}

/** By provider. One whose descriptor no longer resolves is as absent as an unknown one. */
export async function refreshLives(
  registry: Pick<ProviderRegistry, 'list'>,
): Promise<ReadonlyMap<string, RefreshLife>> {
  const { providers } = await registry.list()
  return new Map(providers.map(({ id, descriptor }) => [id, refreshLifeOf(descriptor)]))
}

/**
 * When a live connection ends, as far as is known; of one whose provider is unknown, no more than its row says.
 * What the provider told with a refresh token counts before what is known of all of them.
 */
export function endsOf(
  connection: Pick<
    Connection,
    'status' | 'sealedRefreshToken' | 'accessExpiresAt' | 'refreshExpiresAt' | 'refreshedAt' | 'authorizedAt'
  >,
  life: RefreshLife | undefined,
): ConnectionEnds {
  const { status, sealedRefreshToken, accessExpiresAt, refreshedAt, authorizedAt } = connection
  if (status !== 'live') return {}
  if (sealedRefreshToken === null) return accessExpiresAt === null ? {} : { endsAt: accessExpiresAt }
  if (!life) return {}
  const told = connection.refreshExpiresAt ?? undefined
  const idleEndsAt = (life.toldEnd === 'moves' ? told : undefined) ?? plus(refreshedAt, life.idleLifetime)
  const ends = [plus(authorizedAt, life.absoluteLifetime), life.toldEnd === 'stays' ? told : undefined]
  const known = ends.filter((end) => end !== undefined)
  return {
    ...(idleEndsAt !== undefined && { idleEndsAt }),
    ...(known.length > 0 && { endsAt: Math.min(...known) }),
  }
}

function plus(from: number, lifetime: number | undefined): number | undefined {
  return lifetime === undefined ? undefined : from + lifetime
}
