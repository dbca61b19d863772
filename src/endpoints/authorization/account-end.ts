import type { FastifyReply } from 'fastify'
import type { Gateway } from '../../gateway.ts'
import { PageRefusal } from '../../http/page-refusal.ts'
import { seeOther } from '../../http/send-page.ts'
import { accountUrl } from '../../http/shown.ts'
import type { AccountInteraction } from '../../storage/interactions.ts'
import { admitted } from '../../upstream/admission.ts'
import type { UpstreamIdentity } from '../../upstream/identity.ts'
import { canSignIn, type Provider } from '../../upstream/provider.ts'
import type { UpstreamFailure } from '../../upstream/tokens.ts'
import { type Arrived, discard, recordRefusedSignIn } from './brought.ts'
import { pageFor } from './failure.ts'

/** A trip that a person began on their account page, and where it led. */
export type AccountTrip = { interaction: AccountInteraction; provider: Provider }

export async function end(gateway: Gateway, interaction: AccountInteraction): Promise<void> {
  const now = gateway.clock()
  const ended = { completedAt: now, leg: null, legStateHash: null, sealedLegSecrets: null }
  await gateway.store.interactions.advance(interaction, ended, now)
}

export async function backToAccount(
  gateway: Gateway,
  reply: FastifyReply,
  interaction: AccountInteraction,
  done: 'linked' | '',
): Promise<FastifyReply> {
  await end(gateway, interaction)
  const query = done === '' ? '' : `?done=${done}`
  return seeOther(reply, `${accountUrl(gateway)}${query}`)
}

/** The account page asks what this person signed in anew for. */
export function askAboutDeed(
  gateway: Gateway,
  reply: FastifyReply,
  { id }: AccountInteraction,
): FastifyReply {
  return seeOther(reply, `${accountUrl(gateway)}?asked=${id}`)
}

/** Ends a trip whose account the administrator lets nobody sign in with. */
export async function refuseUnadmitted(gateway: Gateway, trip: AccountTrip, arrived: Arrived): Promise<void> {
  const { provider, interaction } = trip
  if (canSignIn(provider) && admitted(provider, arrived.identity)) return
  await recordRefusedSignIn(gateway, provider, arrived.identity, { outcome: 'not_admitted' })
  await discard(gateway, provider, arrived, interaction.subjectId)
  await stopWith(gateway, trip, { kind: 'policy', code: 'not_admitted' })
}

/** Ends a trip whose account signs somebody else in. */
export async function refuseOwned(
  gateway: Gateway,
  { interaction, provider }: AccountTrip,
  identity: Pick<UpstreamIdentity, 'issuer' | 'subject'>,
): Promise<never> {
  const refused = {
    outcome: 'account_of_somebody_else',
    subjectId: interaction.subjectId ?? undefined,
  } as const
  await recordRefusedSignIn(gateway, provider, identity, refused)
  await end(gateway, interaction)
  const { name: providerName } = provider
  throw new PageRefusal(409, {
    kind: 'account of somebody else',
    providerName,
    begun: 'on the account page',
  })
}

export async function stopWith(
  gateway: Gateway,
  { interaction, provider }: AccountTrip,
  failure: UpstreamFailure,
): Promise<never> {
  await end(gateway, interaction)
  const status = failure.kind === 'config' ? 502 : 400
  const page = pageFor(provider, failure)
  throw new PageRefusal(
    status,
    'providerName' in page && page.kind !== 'provider misconfigured'
      ? { ...page, begun: 'on the account page' }
      : page,
  )
}
