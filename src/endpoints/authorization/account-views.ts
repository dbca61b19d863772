import type { FastifyRequest } from 'fastify'
import type { Gateway } from '../../gateway.ts'
import { findBrowserSession } from '../../http/browser-session.ts'
import { interactionUrl } from '../../http/interaction.ts'
import { issuerHost, personLabel } from '../../http/shown.ts'
import type { Html } from '../../lib/html.ts'
import { linkPage } from '../../pages/link.ts'
import { wrongAccountPage } from '../../pages/wrong-account.ts'
import type { FoundIdentity } from '../../storage/documents.ts'
import type { AccountInteraction } from '../../storage/interactions.ts'
import type { AccountTrip } from './account-end.ts'

const formOf = (gateway: Gateway, { id }: AccountInteraction) => ({
  issuerHost: issuerHost(gateway),
  action: interactionUrl(gateway, id),
  fields: {},
})

async function providerOf(gateway: Gateway, id: string | null): Promise<{ name: string }> {
  const provider = id === null ? undefined : await gateway.providers.find(id)
  return { name: provider?.name ?? 'The provider' }
}

/** Somebody else came back than the person who is signed in here. */
export async function switchPage(
  gateway: Gateway,
  request: FastifyRequest,
  interaction: AccountInteraction,
): Promise<Html> {
  const { subjectId, signInProvider } = interaction
  const session = await findBrowserSession(gateway, request)
  return wrongAccountPage({
    ...formOf(gateway, interaction),
    expectedBy: 'person',
    provider: await providerOf(gateway, signInProvider),
    expected: session ? await personLabel(gateway, session.subjectId) : 'somebody else',
    returned: subjectId === null ? 'somebody else' : await personLabel(gateway, subjectId),
  })
}

/** Whoever came back is about to be one more way in. */
export async function foundPage(
  gateway: Gateway,
  interaction: AccountInteraction,
  { provider, label }: FoundIdentity,
): Promise<Html> {
  return linkPage({
    ...formOf(gateway, interaction),
    provider: await providerOf(gateway, provider),
    person: { label: await personLabel(gateway, interaction.subjectId ?? '') },
    found: { label },
  })
}

/** A trip that is there for one account came back with another. */
export function anotherAccountPage(
  gateway: Gateway,
  { interaction, provider }: AccountTrip,
  shown: { expected: string; returned: string },
): Html {
  return wrongAccountPage({
    ...formOf(gateway, interaction),
    ...shown,
    expectedBy: 'connection',
    provider: { name: provider.name },
  })
}
