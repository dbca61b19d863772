import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Gateway } from '../../gateway.ts'
import { endBrowserSession, findBrowserSession, startBrowserSession } from '../../http/browser-session.ts'
import { PageRefusal } from '../../http/page-refusal.ts'
import { seeOther, sendPage } from '../../http/send-page.ts'
import type { Parameters } from '../../lib/parameters.ts'
import { donePage } from '../../pages/done.ts'
import type { Interaction, InteractionChange } from '../../storage/interactions.ts'
import { renderingHash } from './consent-memory.ts'
import { interactionUrl } from './dispatch.ts'
import { endInteraction } from './failure.ts'
import { consentingOf, loadPlan, type Plan, refusalOf, yesTo } from './plan.ts'
import { issuerHost } from './views.ts'

/** What the person said on one of an interaction's pages. It changes the row and goes back to the dispatcher. */
export async function decide(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  interaction: Interaction,
  form: Parameters,
): Promise<FastifyReply> {
  const plan = await loadPlan(gateway, interaction, await findBrowserSession(gateway, request))
  const decision = form.values.get('decision')
  if (interaction.switchesAccount) return await decideSwitch(gateway, request, reply, plan, decision)
  switch (decision) {
    case undefined:
      return await choose(gateway, reply, plan, form.values.get('provider'))
    case 'allow':
      return await allow(gateway, reply, plan, form)
    case 'deny':
      return await deny(gateway, plan)
    case 'back':
      return await stop(gateway, reply, plan)
    case 'switch':
      // Another account: who is signed in here steps aside, and the person chooses afresh.
      if (interaction.request.kind === 'authorization') await endBrowserSession(gateway, request, reply)
      return await advance(gateway, reply, plan, fresh)
    default:
      throw new PageRefusal(400, { kind: 'bad request' })
  }
}

/** Nothing decided, nobody known. */
const fresh: InteractionChange = {
  subjectId: null,
  authTime: null,
  switchesAccount: false,
  signInProvider: null,
  connected: {},
  leg: null,
}

async function choose(
  gateway: Gateway,
  reply: FastifyReply,
  plan: Plan,
  provider: string | undefined,
): Promise<FastifyReply> {
  if (!plan.candidates.some(({ id }) => id === provider) || provider === undefined) {
    throw new PageRefusal(400, { kind: 'bad request' })
  }
  return await advance(gateway, reply, plan, { signInProvider: provider })
}

/** A yes counts only for exactly what was on the page; anything else is shown again. */
async function allow(
  gateway: Gateway,
  reply: FastifyReply,
  plan: Plan,
  form: Parameters,
): Promise<FastifyReply> {
  const wasShown = form.values.get('shown') === renderingHash(consentingOf(plan))
  if (plan.interaction.consent !== null || !wasShown) {
    return seeOther(reply, interactionUrl(gateway, plan.interaction.id))
  }
  const kept = form.all.get('provider') ?? []
  const skipped = plan.asks.filter((ask) => !ask.required && !kept.includes(ask.provider.id))
  const consent = yesTo(
    plan,
    skipped.map((ask) => ask.provider.id),
    gateway.clock(),
  )
  // Whoever is signed in now is the one who said yes, whatever another tab does next.
  return await advance(gateway, reply, plan, { consent, ...plan.person })
}

async function deny(gateway: Gateway, plan: Plan): Promise<never> {
  await endInteraction(gateway, plan, 'denied')
  const refusal = refusalOf(plan.interaction, 'access_denied', 'The person said no')
  // The person chose to answer, on a page that named where the answer goes.
  if (refusal.redirect) refusal.redirect.follow = 'at once'
  throw refusal
}

async function stop(gateway: Gateway, reply: FastifyReply, plan: Plan): Promise<FastifyReply> {
  await endInteraction(gateway, plan, 'denied')
  return sendPage(
    reply,
    donePage({
      outcome: 'unchanged',
      provider: { name: plan.asks[0]?.provider.name ?? 'The provider' },
      mcpServer: { name: plan.resource?.document.name ?? '' },
      issuerHost: issuerHost(gateway),
    }),
  )
}

async function decideSwitch(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  plan: Plan,
  decision: string | undefined,
): Promise<FastifyReply> {
  const { person, interaction } = plan
  if (decision === 'back') return await advance(gateway, reply, plan, { ...fresh, consent: null })
  if (decision !== 'switch' || !person || interaction.signInProvider === null) {
    throw new PageRefusal(400, { kind: 'bad request' })
  }
  await startBrowserSession(gateway, request, reply, {
    subjectId: person.subjectId,
    provider: interaction.signInProvider,
    at: person.authTime,
  })
  return await advance(gateway, reply, plan, { switchesAccount: false })
}

async function advance(
  gateway: Gateway,
  reply: FastifyReply,
  { interaction }: Plan,
  change: InteractionChange,
): Promise<FastifyReply> {
  // Where another tab was faster, its state of things is what the person sees next.
  await gateway.store.interactions.advance(interaction, change, gateway.clock())
  return seeOther(reply, interactionUrl(gateway, interaction.id))
}
