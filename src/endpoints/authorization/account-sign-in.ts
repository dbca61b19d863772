import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Gateway } from '../../gateway.ts'
import { signIn, subjectOfIdentity } from '../../grants/sign-in.ts'
import { findBrowserSession, signInBrowser, startBrowserSession } from '../../http/browser-session.ts'
import { interactionUrl } from '../../http/interaction.ts'
import { accountPageOutdated, PageRefusal } from '../../http/page-refusal.ts'
import { holderOf } from '../../http/rates.ts'
import { seeOther, sendPage } from '../../http/send-page.ts'
import { personLabel } from '../../http/shown.ts'
import { isRecent } from '../../http/visitor.ts'
import type { AccountRequest } from '../../storage/documents.ts'
import { canSignIn } from '../../upstream/provider.ts'
import {
  type AccountTrip,
  askAboutDeed,
  backToAccount,
  end,
  refuseUnadmitted,
  stopWith,
} from './account-end.ts'
import { anotherAccountPage } from './account-views.ts'
import { type Arrived, authTimeOf, discard, recordRefusedSignIn } from './brought.ts'

type SignInTrip = AccountTrip & { wish: Extract<AccountRequest, { purpose: 'sign_in' }> }
type ProofTrip = AccountTrip & { wish: Extract<AccountRequest, { purpose: 'prove' }> }

export async function finishSignIn(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  trip: SignInTrip,
  arrived: Arrived,
): Promise<FastifyReply> {
  await refuseUnadmitted(gateway, trip, arrived)
  const { provider, interaction, wish } = trip
  const now = gateway.clock()
  const subject = await signIn(gateway.store, provider, arrived.identity, now)
  if (!subject.enabled) {
    const refused = { outcome: 'subject_disabled', subjectId: subject.id } as const
    await recordRefusedSignIn(gateway, provider, arrived.identity, refused)
    await discard(gateway, provider, arrived)
    return await stopWith(gateway, trip, { kind: 'policy', code: 'subject_disabled' })
  }
  gateway.meter.count('signIns', { provider: provider.id, outcome: 'signed_in' })
  const at = authTimeOf(arrived.tokens, now)
  const session = await findBrowserSession(gateway, request)
  if (session && session.subjectId !== subject.id) {
    const request = { ...wish, restedOn: provider.signInHash }
    const change = { request, subjectId: subject.id, authTime: at, switchesAccount: true, leg: null }
    await gateway.store.interactions.advance(interaction, change, now)
    return seeOther(reply, interactionUrl(gateway, interaction.id))
  }
  const signedIn = { subjectId: subject.id, provider, at, identity: arrived.identity }
  if (!(await signInBrowser(gateway, request, reply, signedIn))) throw accountPageOutdated()
  gateway.returning.note(holderOf(request), subject.id)
  return await backToAccount(gateway, reply, interaction, '')
}

/** The person said that they meant to come back as somebody else. */
export async function switchPerson(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  { interaction, wish }: Omit<SignInTrip, 'provider'>,
): Promise<FastifyReply> {
  const { subjectId, authTime, signInProvider } = interaction
  const provider = signInProvider === null ? undefined : await gateway.providers.find(signInProvider)
  const isAsItWas = provider && canSignIn(provider) && provider.signInHash === wish.restedOn
  if (subjectId === null || authTime === null || !isAsItWas) throw accountPageOutdated()
  const subject = await gateway.store.subjects.find(subjectId)
  if (!subject?.enabled) throw accountPageOutdated()
  await startBrowserSession(gateway, request, reply, { subjectId, provider, at: authTime })
  return await backToAccount(gateway, reply, interaction, '')
}

/** Whoever is signed in did so anew, by any of their ways in; whoever else came back becomes nobody by it. */
export async function finishProof(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  trip: ProofTrip,
  arrived: Arrived,
): Promise<FastifyReply> {
  await refuseUnadmitted(gateway, trip, arrived)
  const { provider, interaction, wish } = trip
  const { identity, tokens } = arrived
  const now = gateway.clock()
  const subjectId = await subjectOfIdentity(gateway.store, provider, identity)
  if (subjectId === undefined || subjectId !== interaction.subjectId) {
    gateway.meter.count('signIns', { provider: provider.id, outcome: 'wrong_account' })
    const refused = { outcome: 'wrong_account', subjectId: interaction.subjectId ?? undefined } as const
    await recordRefusedSignIn(gateway, provider, identity, refused)
    await discard(gateway, provider, arrived, interaction.subjectId)
    const expected = await personLabel(gateway, interaction.subjectId ?? '')
    const page = anotherAccountPage(gateway, trip, { expected, returned: identity.label })
    return sendPage(reply, page, 409)
  }
  gateway.meter.count('signIns', { provider: provider.id, outcome: 'signed_in' })
  await signIn(gateway.store, provider, identity, now)
  const authTime = authTimeOf(tokens, now)
  const signedIn = { subjectId, provider, at: authTime, identity }
  if (!(await signInBrowser(gateway, request, reply, signedIn))) throw accountPageOutdated()
  if (!isRecent(gateway, { authTime })) {
    await end(gateway, interaction)
    throw new PageRefusal(400, { kind: 'not signed in anew', providerName: provider.name })
  }
  const proven = { request: { ...wish, state: 'proven' as const }, leg: null }
  await gateway.store.interactions.advance(interaction, proven, now)
  return askAboutDeed(gateway, reply, interaction)
}
