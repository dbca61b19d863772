import type { FastifyReply } from 'fastify'
import { auditEvent } from '../../audit/event.ts'
import type { OAuthErrorCode } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { PageRefusal } from '../../http/page-refusal.ts'
import { seeOther } from '../../http/send-page.ts'
import type { PageError } from '../../pages/error-text.ts'
import { grantedTooMuch } from '../../upstream/connection-record.ts'
import type { Provider } from '../../upstream/provider.ts'
import type { UpstreamFailure } from '../../upstream/tokens.ts'
import type { Plan } from './plan.ts'
import { refusalOf } from './refusal.ts'

/**
 * What becomes of an interaction when a provider gave nothing. An optional provider is left out and the flow
 * goes on; a needed one ends it: with an error for the client, or for a connect link with a page.
 */
export async function endWithFailure(
  gateway: Gateway,
  reply: FastifyReply,
  plan: Plan,
  provider: Provider,
  failure: UpstreamFailure,
): Promise<FastifyReply> {
  const { interaction } = plan
  const ask = plan.asks.find((candidate) => candidate.provider.id === provider.id)
  if (plan.person && ask && !ask.required) return await leaveOut(gateway, reply, plan, provider)
  await endInteraction(gateway, plan, failure.code)
  if (interaction.request.kind === 'connect') {
    throw new PageRefusal(failure.kind === 'config' ? 502 : 400, pageFor(provider, failure))
  }
  const [code, description] = particular.get(failure.code) ?? answers[failure.kind]
  throw refusalOf(interaction, code, description)
}

/** Ends an interaction without a result; a connect link learns why. */
export async function endInteraction(gateway: Gateway, { interaction }: Plan, reason: string): Promise<void> {
  const now = gateway.clock()
  await gateway.store.interactions.advance(
    interaction,
    { completedAt: now, legStateHash: null, sealedLegSecrets: null },
    now,
  )
  const { request } = interaction
  if (request.kind === 'authorization') return
  const event = auditEvent(now, {
    event: 'connect_link.failed',
    actor: 'gateway',
    outcome: reason,
    provider: request.provider,
    clientId: interaction.clientId,
    resourceId: interaction.resourceId,
  })
  await gateway.store.connectLinks.finish(request.ticketHash, { status: 'failed', reason }, event)
}

async function leaveOut(
  gateway: Gateway,
  reply: FastifyReply,
  { interaction }: Plan,
  provider: Provider,
): Promise<FastifyReply> {
  const { consent } = interaction
  if (consent) {
    const skipped = [...new Set([...consent.skipped, provider.id])]
    await gateway.store.interactions.advance(
      interaction,
      { consent: { ...consent, skipped }, leg: null },
      gateway.clock(),
    )
  }
  return seeOther(reply, `${gateway.config.issuer}/oauth/interactions/${interaction.id}`)
}

type Answer = readonly [OAuthErrorCode, string]

/** What we found out ourselves is told as what it is. */
const particular: ReadonlyMap<string, Answer> = new Map([
  [
    grantedTooMuch,
    ['server_error', 'The provider grants more than it is asked for; an administrator has to look at it'],
  ],
  ['no_site', ['access_denied', 'This account opens no site at the provider']],
])

const answers: Record<UpstreamFailure['kind'], Answer> = {
  denied: ['access_denied', 'The provider was told no'],
  policy: ['access_denied', 'This account is not admitted here, or its organization forbids it'],
  reauth: ['access_denied', 'The provider did not accept its own answer; try again'],
  restart: ['access_denied', 'The provider did not accept its own answer; try again'],
  config: ['server_error', 'The provider refuses this gateway; an administrator has to look at it'],
  transient: ['temporarily_unavailable', 'The provider could not be reached'],
  limited: ['temporarily_unavailable', 'The provider limits how often it may be asked'],
}

export function pageFor({ name: providerName }: Pick<Provider, 'name'>, failure: UpstreamFailure): PageError {
  switch (failure.kind) {
    case 'denied':
      return { kind: failure.code === 'no_site' ? 'no site' : 'denied at provider', providerName }
    case 'policy':
      return { kind: 'not admitted', providerName }
    case 'config':
      return failure.code === grantedTooMuch
        ? { kind: 'granted too much', providerName }
        : { kind: 'provider misconfigured', providerName }
    default:
      return { kind: 'provider trouble', providerName }
  }
}
