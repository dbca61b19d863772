import type { FastifyRequest } from 'fastify'
import type { Gateway } from '../../gateway.ts'
import { findBrowserSession } from '../../http/browser-session.ts'
import { accountUrl, clientShown, issuerHost, mcpServerShown, personLabel } from '../../http/shown.ts'
import type { Html } from '../../lib/html.ts'
import { choosePage } from '../../pages/choose.ts'
import { consentPage } from '../../pages/consent.ts'
import { wrongAccountPage } from '../../pages/wrong-account.ts'
import type { AuthorizationRequest } from '../../storage/documents.ts'
import { renderingHash } from './consent-memory.ts'
import { consentingOf, type Plan } from './plan.ts'
import { providersAsked } from './views.ts'

const actionOf = (gateway: Gateway, { interaction }: Plan) =>
  `${gateway.config.issuer}/oauth/interactions/${interaction.id}`

/** Where to sign in. A connect link has its client too: the one whose session it was made for. */
export function showChoice(gateway: Gateway, plan: Plan): Html {
  return choosePage({
    client: clientShown(plan.client, redirectOf(plan)),
    providers: plan.candidates.map(({ id, name }) => ({ id, name })),
    issuerHost: issuerHost(gateway),
    action: actionOf(gateway, plan),
    fields: {},
    ...(plan.resource ? { mcpServer: mcpServerShown(plan.resource) } : {}),
  })
}

/** The question before anything goes upstream. The form carries a hash of what was shown. */
export async function showConsent(gateway: Gateway, plan: Plan): Promise<Html> {
  const { client, resource, scopes, person, candidates, interaction, stepUp } = plan
  const signsInAt = candidates.find(({ id }) => id === interaction.signInProvider) ?? candidates[0]
  return consentPage({
    client: clientShown(client, redirectOf(plan)),
    scopes: scopes.flatMap((id) => {
      const sentence = sentenceOf(plan, id)
      return sentence === undefined ? [] : [{ id, sentence }]
    }),
    providers: providersAsked(gateway, plan),
    person: person
      ? { state: 'signed in', label: await personLabel(gateway, person.subjectId) }
      : { state: 'signs in at', providerName: signsInAt?.name ?? '' },
    issuerHost: issuerHost(gateway),
    action: actionOf(gateway, plan),
    fields: { shown: renderingHash(consentingOf(plan, gateway.clock())) },
    accountUrl: accountUrl(gateway),
    ...(resource ? { mcpServer: mcpServerShown(resource) } : {}),
    ...(stepUp ? { confirms: { tool: stepUp.tool } } : {}),
  })
}

/** The person who came back is not the one who was signed in here. */
export async function showSwitch(gateway: Gateway, request: FastifyRequest, plan: Plan): Promise<Html> {
  const session = await findBrowserSession(gateway, request)
  const provider = plan.candidates.find(({ id }) => id === plan.interaction.signInProvider)
  return wrongAccountPage({
    expectedBy: 'person',
    provider: { name: provider?.name ?? 'The provider' },
    expected: session ? await personLabel(gateway, session.subjectId) : 'somebody else',
    returned: plan.person ? await personLabel(gateway, plan.person.subjectId) : 'somebody else',
    issuerHost: issuerHost(gateway),
    action: actionOf(gateway, plan),
    fields: {},
  })
}

const offlineSentence = 'Stay signed in while you are away'

function sentenceOf({ resource }: Plan, scope: string): string | undefined {
  if (scope === 'offline_access') return offlineSentence
  const scopes = resource?.document.scopes ?? {}
  return Object.hasOwn(scopes, scope) ? scopes[scope] : undefined
}

function redirectOf({ interaction, client }: Plan): AuthorizationRequest['redirectUri'] {
  const { request } = interaction
  return request.kind === 'authorization' ? request.redirectUri : (client.metadata.redirect_uris[0] ?? '')
}
