import type { Gateway } from '../../gateway.ts'
import type { ProviderAsk } from '../../grants/asks.ts'
import { hasStandingConsent, isAgreed } from './consent-memory.ts'
import type { Standing } from './next-step.ts'
import { connectionFor, consentingOf, type Plan } from './plan.ts'
import { siteChoice } from './site-choice.ts'

/** What the dispatcher needs to know of a plan. */
export async function standingOf(gateway: Gateway, plan: Plan): Promise<Standing> {
  const { interaction, person, candidates, asks } = plan
  const consenting = consentingOf(plan, gateway.clock())
  const isConsented =
    isAgreed(interaction.consent, consenting) || (await hasStandingConsent(gateway, consenting))
  return {
    subject: person ? 'known' : 'unknown',
    switchesAccount: interaction.switchesAccount,
    signIn: {
      candidates: candidates.map(({ id }) => id),
      chosen: interaction.signInProvider ?? undefined,
    },
    consent: isConsented ? 'given' : 'open',
    asks: await Promise.all(
      asks.map(async (ask) => ({ provider: ask.provider.id, state: await stateOf(gateway, plan, ask) })),
    ),
  }
}

type AskState = Standing['asks'][number]['state']

async function stateOf(gateway: Gateway, plan: Plan, ask: ProviderAsk): Promise<AskState> {
  if (connectionFor(plan, ask, gateway.clock()) !== undefined) {
    return (await siteChoice(gateway, plan, ask)).state === 'open' ? 'which site' : 'connected'
  }
  return plan.interaction.consent?.skipped.includes(ask.provider.id) ? 'left out' : 'open'
}
