import type { Gateway } from '../gateway.ts'
import { newId } from '../lib/secret.ts'
import type { Interaction } from '../storage/interactions.ts'

export const interactionUrl = ({ config }: Pick<Gateway, 'config'>, id: string) =>
  `${config.issuer}/oauth/interactions/${id}`

/** Begins an interaction of one browser; nothing of it is decided but what is given here. */
export async function beginInteraction(
  gateway: Gateway,
  begun: Pick<Interaction, 'browserHash' | 'clientId' | 'resourceId' | 'request' | 'consent'> &
    Partial<Pick<Interaction, 'signInProvider' | 'subjectId'>>,
): Promise<string> {
  const now = gateway.clock()
  const id = newId('int_')
  await gateway.store.interactions.create({
    id,
    signInProvider: null,
    subjectId: null,
    ...begun,
    authTime: null,
    acr: null,
    switchesAccount: false,
    connected: {},
    pickedSites: {},
    leg: null,
    legStateHash: null,
    sealedLegSecrets: null,
    createdAt: now,
    expiresAt: now + gateway.config.lifetimes.interaction,
    completedAt: null,
    version: 1,
  })
  return id
}

/** Seconds until one ends of those under way, where there are as many as there may be. */
export async function secondsToEnd(
  { store, clock, config, headroom }: Gateway,
  clientId: string,
): Promise<number> {
  const ofThisClient = `interactions of ${clientId}`
  if (headroom.take('interactions') && headroom.take(ofThisClient)) return 0
  const now = clock()
  const { authorizations_under_way: most, authorizations_under_way_per_client: mostOfClient } = config.limits
  const { all, ofClient, nextEnds, nextOfClientEnds } = await store.interactions.countUnderWay(clientId, now)
  headroom.note('interactions', most - all - 1)
  headroom.note(ofThisClient, mostOfClient - ofClient - 1)
  return Math.max(all < most ? 0 : nextEnds - now, ofClient < mostOfClient ? 0 : nextOfClientEnds - now)
}
