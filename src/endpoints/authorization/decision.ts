import type { FastifyReply, FastifyRequest } from 'fastify'
import { auditEvent } from '../../audit/event.ts'
import type { Gateway } from '../../gateway.ts'
import type { ProviderAsk } from '../../grants/asks.ts'
import { endBrowserSession, findBrowserSession, startBrowserSession } from '../../http/browser-session.ts'
import { interactionUrl } from '../../http/interaction.ts'
import { PageRefusal } from '../../http/page-refusal.ts'
import { seeOther, sendPage } from '../../http/send-page.ts'
import { accountUrl, issuerHost } from '../../http/shown.ts'
import type { Parameters } from '../../lib/parameters.ts'
import { donePage } from '../../pages/done.ts'
import type { ConnectRequest } from '../../storage/documents.ts'
import type { ClientInteraction, InteractionChange } from '../../storage/interactions.ts'
import { isAgreed, renderingHash, yesTo } from './consent-memory.ts'
import { endInteraction } from './failure.ts'
import { consentingOf, loadPlan, type Plan } from './plan.ts'
import { refusalOf } from './refusal.ts'
import { pickSite } from './site-choice.ts'

/** What the person said on one of an interaction's pages. It changes the row and goes back to the dispatcher. */
export async function decide(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  interaction: ClientInteraction,
  form: Parameters,
): Promise<FastifyReply> {
  const plan = await loadPlan(gateway, interaction, await findBrowserSession(gateway, request))
  const decision = form.values.get('decision')
  if (interaction.switchesAccount) return await decideSwitch(gateway, request, reply, plan, decision)
  switch (decision) {
    case undefined:
      return form.values.has('site')
        ? await pickSite(gateway, reply, plan, form)
        : await choose(gateway, reply, plan, form.values.get('provider'))
    case 'allow':
      return await allow(gateway, reply, plan, form)
    case 'deny':
      return await deny(gateway, plan)
    case 'back':
      return await stop(gateway, reply, plan)
    case 'switch':
      return await chooseAnother(gateway, request, reply, plan)
    default:
      throw new PageRefusal(400, { kind: 'bad request' })
  }
}

/** Nothing brought, nobody known, and no trip under way. */
const fresh: InteractionChange = {
  subjectId: null,
  authTime: null,
  acr: null,
  switchesAccount: false,
  signInProvider: null,
  connected: {},
  pickedSites: {},
  leg: null,
  legStateHash: null,
  sealedLegSecrets: null,
}

/** Another account. For an authorization it is another person, whose yes is their own. */
async function chooseAnother(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  plan: Plan,
): Promise<FastifyReply> {
  const { request: asked } = plan.interaction
  // Or the provider would silently say the same as before.
  if (asked.kind === 'connect') {
    const request = { ...asked, prompt: ['select_account'] } satisfies ConnectRequest
    return await advance(gateway, reply, plan, { ...fresh, request })
  }
  await endBrowserSession(gateway, request, reply)
  const prompt = [...new Set([...asked.prompt, 'select_account'])]
  return await advance(gateway, reply, plan, { ...fresh, consent: null, request: { ...asked, prompt } })
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
  const { interaction, asks, person } = plan
  const consenting = consentingOf(plan, gateway.clock())
  const wasShown = form.values.get('shown') === renderingHash(consenting)
  if (isAgreed(interaction.consent, consenting) || !wasShown) {
    return seeOther(reply, interactionUrl(gateway, interaction.id))
  }
  const kept = form.all.get('provider') ?? []
  const isKept = (ask: ProviderAsk) => ask.required || kept.includes(ask.provider.id)
  const skipped = asks.filter((ask) => !isKept(ask)).map(({ provider }) => provider.id)
  const connected = asks.flatMap((ask, index) => {
    const connectionId = consenting.connectionIds[index]
    return isKept(ask) && connectionId !== undefined ? [[ask.provider.id, connectionId] as const] : []
  })
  // Whoever is signed in now is the one who said yes, to the accounts that were named, whatever another tab does next.
  return await advance(gateway, reply, plan, {
    consent: yesTo(consenting, skipped, gateway.clock()),
    connected: Object.fromEntries(connected),
    ...person,
  })
}

async function deny(gateway: Gateway, plan: Plan): Promise<never> {
  await endInteraction(gateway, plan, 'denied')
  await recordDenial(gateway, plan)
  const refusal = refusalOf(plan.interaction, 'access_denied', 'The person said no')
  // The person chose to answer, on a page that named where the answer goes.
  if (refusal.redirect) refusal.redirect.follow = 'at once'
  throw refusal
}

/** A no of somebody who signed in. Anybody can say one without, and has no place in the record. */
async function recordDenial(gateway: Gateway, { person, client, resource, scopes }: Plan): Promise<void> {
  if (!person) return
  const { subjectId } = person
  await gateway.store.auditEvents.create(
    auditEvent(gateway.clock(), {
      event: 'consent.denied',
      actor: `subject:${subjectId}`,
      subjectId,
      clientId: client.id,
      resourceId: resource?.id,
      detail: { scopes },
    }),
  )
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
      accountUrl: accountUrl(gateway),
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
  const provider = plan.candidates.find(({ id }) => id === interaction.signInProvider)
  if (decision === 'back') {
    // A connect link is its person's alone, so that whoever stays has no use for it.
    if (interaction.request.kind === 'connect') return await stop(gateway, reply, plan)
    return await advance(gateway, reply, plan, { ...fresh, consent: null })
  }
  const isAsItWas = provider?.signInHash === interaction.request.restedOn
  if (decision !== 'switch' || !person || !provider || !isAsItWas) {
    throw new PageRefusal(400, { kind: 'bad request' })
  }
  await startBrowserSession(gateway, request, reply, {
    subjectId: person.subjectId,
    provider,
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
