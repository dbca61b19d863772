import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Gateway } from '../../gateway.ts'
import { findBrowserSession } from '../../http/browser-session.ts'
import { interactionUrl } from '../../http/interaction.ts'
import { PageRefusal } from '../../http/page-refusal.ts'
import { holderOf } from '../../http/rates.ts'
import { seeOther, sendPage } from '../../http/send-page.ts'
import type { Leg } from '../../storage/documents.ts'
import type { ClientInteraction } from '../../storage/interactions.ts'
import type { Provider } from '../../upstream/provider.ts'
import { yesTo } from './consent-memory.ts'
import { endWithFailure } from './failure.ts'
import { startLeg } from './leg.ts'
import { nextStep, type Step } from './next-step.ts'
import { consentingOf, loadPlan, type Plan } from './plan.ts'
import { refusalOf } from './refusal.ts'
import { respond } from './respond.ts'
import { showChoice, showConsent, showSwitch } from './show.ts'
import { showSites } from './site-choice.ts'
import { standingOf } from './standing.ts'

/** Takes an interaction its next step: a page, a trip upstream, or the answer. Every step ends up here again. */
export async function dispatch(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  interaction: ClientInteraction,
): Promise<FastifyReply> {
  const plan = await loadPlan(gateway, interaction, await findBrowserSession(gateway, request))
  const step = nextStep(await standingOf(gateway, plan))
  refuseIfSilent(plan, step)
  switch (step.step) {
    case 'nobody_can_sign_in':
      throw refusalOf(interaction, 'access_denied', 'No provider is set up that could sign anybody in')
    case 'choose':
      return sendPage(reply, showChoice(gateway, plan))
    case 'confirm_switch':
      return sendPage(reply, await showSwitch(gateway, request, plan))
    case 'consent':
      return sendPage(reply, await showConsent(gateway, plan))
    case 'connect':
      return await goUpstream(gateway, reply, plan, step)
    case 'pick_site':
      return sendPage(reply, await showSites(gateway, plan, step.provider))
    case 'respond':
      if (plan.person) gateway.returning.note(holderOf(request), plan.person.subjectId)
      return await respond(gateway, reply, plan)
  }
}

/** OpenID Connect Core section 3.1.2.1: `prompt=none` shows nothing and goes nowhere. */
function refuseIfSilent({ interaction, person }: Plan, { step }: Step): void {
  const { request } = interaction
  if (request.kind === 'connect' || !request.prompt.includes('none') || step === 'respond') return
  const missing = step === 'consent' ? 'consent_required' : 'interaction_required'
  throw refusalOf(
    interaction,
    person ? missing : 'login_required',
    'The person has to act, and prompt is none',
  )
}

async function goUpstream(
  gateway: Gateway,
  reply: FastifyReply,
  plan: Plan,
  step: Extract<Step, { step: 'connect' }>,
): Promise<FastifyReply> {
  const now = gateway.clock()
  const ask = plan.asks.find(({ provider }) => provider.id === step.provider)
  const provider = ask?.provider ?? plan.candidates.find(({ id }) => id === step.provider)
  if (!provider) throw new PageRefusal(400, { kind: 'expired' })
  const isLeftOut = plan.interaction.consent?.skipped.includes(provider.id)
  const keepsTokens = ask !== undefined && !isLeftOut
  const leg: Leg = {
    provider: provider.id,
    purpose: step.purpose,
    // One trip where the provider that signs the person in is needed anyway.
    keep: keepsTokens ? 'tokens' : 'identity',
    scopes: keepsTokens ? ask.scopes : [],
    reconsent: plan.interaction.leg?.reconsent ?? false,
  }
  const started = await startLeg(gateway, plan.interaction, provider, leg, {
    prompts: promptsFor(plan, provider, step),
    // Another tab may sign somebody else in meanwhile: what comes back is for whoever went, on the yes they gave.
    settled: { consent: plan.interaction.consent ?? yesTo(consentingOf(plan, now), [], now), ...plan.person },
  })
  switch (started.outcome) {
    case 'started':
      return seeOther(reply, started.url.href)
    case 'overtaken':
      return seeOther(reply, interactionUrl(gateway, plan.interaction.id))
    case 'failed':
      return await endWithFailure(gateway, reply, plan, provider, started.failure)
  }
}

type Prompt = 'login' | 'select_account'

/** What the person must see at the provider, even if it knows them. */
function promptsFor(
  { interaction: { request } }: Plan,
  { descriptor: { authorization } }: Provider,
  { purpose }: Pick<Leg, 'purpose'>,
): Prompt[] {
  if (request.kind === 'connect') {
    return request.accountId === undefined ? (request.prompt ?? []) : ['select_account']
  }
  if (purpose === 'connect') return []
  const { prompt, maxAge, acrValues } = request
  const mustAct =
    prompt.includes('login') ||
    (maxAge !== undefined && !authorization.max_age) ||
    // A provider may be content with the weaker sign-in it remembers: the values are voluntary.
    (acrValues !== undefined && authorization.acr_values)
  // Where a provider cannot be asked for a password, an account picked by hand is as near as it gets.
  const acting: Prompt[] = mustAct ? [authorization.prompts.login ? 'login' : 'select_account'] : []
  return prompt.includes('select_account') ? [...acting, 'select_account'] : acting
}
