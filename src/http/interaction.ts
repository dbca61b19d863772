import type { Gateway } from '../gateway.ts'
import { newId } from '../lib/secret.ts'
import type { Interaction } from '../storage/interactions.ts'

export const interactionUrl = ({ config }: Pick<Gateway, 'config'>, id: string) =>
  `${config.issuer}/oauth/interactions/${id}`

/** Begins an interaction of one browser; nothing of it is decided but what is given here. */
export async function beginInteraction(
  gateway: Gateway,
  begun: Pick<Interaction, 'browserHash' | 'clientId' | 'resourceId' | 'request' | 'consent'>,
): Promise<string> {
  const now = gateway.clock()
  const id = newId('int_')
  await gateway.store.interactions.create({
    id,
    ...begun,
    signInProvider: null,
    subjectId: null,
    authTime: null,
    switchesAccount: false,
    connected: {},
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
