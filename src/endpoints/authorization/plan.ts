import type { Gateway } from '../../gateway.ts'
import { allowedScopes, asksFor, isReleasable, type ProviderAsk, serves } from '../../grants/asks.ts'
import { grantStanding } from '../../grants/standing.ts'
import { PageRefusal } from '../../http/page-refusal.ts'
import { lastSignIn } from '../../http/visitor.ts'
import { scopesStill } from '../../policy/tool-policy.ts'
import type { BrowserSession } from '../../storage/browser-sessions.ts'
import type { Connection } from '../../storage/connections.ts'
import type { ConnectRequest } from '../../storage/documents.ts'
import type { ClientInteraction } from '../../storage/interactions.ts'
import type { StepUp } from '../../storage/step-ups.ts'
import { offlineAccess } from '../../tokens/scope.ts'
import { canSignIn, covers, excess, type Provider } from '../../upstream/provider.ts'
import type { Consenting } from './consent-memory.ts'
import { withHeldScopes } from './held-scopes.ts'
import { type Parties, partiesOf } from './parties.ts'
import { refusalOf } from './refusal.ts'
import { provesStepUp, provesStrength, stepUpOf } from './step-up.ts'

/** Whom an interaction is for, as far as this browser has proven it. */
export type Person = { subjectId: string; authTime: number; acr?: string }

/** An interaction with everything its next step may depend on, as it is now. */
export type Plan = Parties & {
  interaction: ClientInteraction
  asks: ProviderAsk[]
  /** The providers that may sign the person in. */
  candidates: Provider[]
  person: Person | undefined
  /** The call of a tool that this sign-in is for. */
  stepUp: StepUp | undefined
  /** The person's connections, the freshest first. */
  held: Connection[]
}

/**
 * Reads what an interaction involves. Throws where client, resource or a required provider was disabled since
 * it began: every step looks again.
 */
export async function loadPlan(
  gateway: Gateway,
  interaction: ClientInteraction,
  session: BrowserSession | undefined,
): Promise<Plan> {
  const parties = await partiesOf(gateway, interaction)
  const stepUp = await stepUpOf(gateway, interaction)
  const involved = await involvedIn(gateway, interaction, parties)
  const asked = stepUp
    ? { ...involved, candidates: involved.candidates.filter(provesStepUp(stepUp)) }
    : involved
  const person = await findPerson(gateway, interaction, asked.candidates, session)
  const wished = await withHeldScopes(gateway, interaction, parties, person)
  const scopes = await withinRoles(gateway, interaction, parties, person, wished)
  // What is kept may need providers that the request alone does not, what no role gives needs none; who may sign in
  // stays as it was.
  const isOther = scopes.length !== parties.scopes.length
  const { asks } = isOther ? await involvedIn(gateway, interaction, { ...parties, scopes }) : asked
  const held = person ? await gateway.store.connections.listOf(person.subjectId) : []
  return { interaction, ...parties, scopes, asks, candidates: asked.candidates, person, stepUp, held }
}

/** Nobody is asked for, or given, what no role of theirs gives them. */
async function withinRoles(
  gateway: Gateway,
  interaction: ClientInteraction,
  { resource }: Parties,
  person: Person | undefined,
  scopes: string[],
): Promise<string[]> {
  if (!person || interaction.request.kind === 'connect') return scopes
  const left = await scopesStill(gateway, { resource, subjectId: person.subjectId }, scopes)
  const ofResource = (some: string[]) => some.some((scope) => scope !== offlineAccess)
  if (ofResource(scopes) && !ofResource(left)) {
    throw refusalOf(interaction, 'access_denied', 'No role of this person gives any of these scopes')
  }
  return left
}

async function involvedIn(
  gateway: Gateway,
  interaction: ClientInteraction,
  parties: Parties,
): Promise<Involved> {
  return interaction.request.kind === 'connect'
    ? await connectAsks(gateway, interaction.request)
    : await authorizationAsks(gateway, interaction, parties)
}

type Involved = Pick<Plan, 'asks' | 'candidates'>

async function authorizationAsks(
  gateway: Gateway,
  interaction: ClientInteraction,
  { resource, scopes }: Parties,
): Promise<Involved> {
  const { providers } = await gateway.providers.list()
  const ableToSignIn = providers.filter(canSignIn)
  if (!resource) return { asks: [], candidates: ableToSignIn }
  const { asks, unavailable } = await asksFor(gateway.providers, resource, scopes)
  if (unavailable.length > 0) {
    throw refusalOf(interaction, 'temporarily_unavailable', 'A provider that is needed is not available')
  }
  const listed = ableToSignIn.filter((provider) => asks.some((ask) => ask.provider.id === provider.id))
  const named = resource.document.sign_in
  if (named) return { asks, candidates: ableToSignIn.filter((provider) => named.includes(provider.id)) }
  return { asks, candidates: listed.length > 0 ? listed : ableToSignIn }
}

/**
 * A connect link asks for one provider, and may be used by its subject alone, by any of their identities; never
 * longer than its token session lasts.
 */
async function connectAsks(gateway: Gateway, request: ConnectRequest): Promise<Involved> {
  const provider = await gateway.providers.find(request.provider)
  const grant = await gateway.store.grants.find(request.grantId)
  const standing = grant && (await grantStanding(gateway, grant, gateway.clock()))
  const allowed =
    provider && standing?.stands && standing.resource && allowedScopes(standing.resource, provider)
  if (!provider?.enabled || !grant || !allowed || excess(provider, request.scopes, allowed).length > 0) {
    throw new PageRefusal(410, { kind: 'expired' })
  }
  const identities = await gateway.store.subjects.listIdentities(grant.subjectId)
  const found = await Promise.all(identities.map((identity) => gateway.providers.find(identity.provider)))
  const able = found.filter((candidate) => candidate !== undefined).filter(canSignIn)
  return {
    asks: [{ provider, scopes: request.scopes, required: true }],
    candidates: [...new Map(able.map((candidate) => [candidate.id, candidate])).values()],
  }
}

/**
 * The subject bound to the interaction, else the one signed in here, if that sign-in is good enough. A yes that was
 * given before anybody was known is that of whoever signs in by it, and of nobody who signs in by another way.
 */
async function findPerson(
  gateway: Gateway,
  interaction: ClientInteraction,
  candidates: readonly Provider[],
  session: BrowserSession | undefined,
): Promise<Person | undefined> {
  const isAwaited = interaction.consent !== null && interaction.request.kind === 'authorization'
  const person =
    interaction.subjectId !== null && interaction.authTime !== null
      ? {
          subjectId: interaction.subjectId,
          authTime: interaction.authTime,
          ...(interaction.acr !== null && { acr: interaction.acr }),
        }
      : session && !isAwaited && (await signedInEnough(gateway, interaction, candidates, session))
  if (!person) return undefined
  const subject = await gateway.store.subjects.find(person.subjectId)
  if (subject?.enabled) return person
  throw refusalOf(interaction, 'access_denied', 'This person may not sign in here any more')
}

async function signedInEnough(
  gateway: Gateway,
  { request }: ClientInteraction,
  candidates: readonly Provider[],
  session: BrowserSession,
): Promise<Person | undefined> {
  const authTime = lastSignIn(session, candidates, gateway.clock())
  if (authTime === undefined) return undefined
  const person = { subjectId: session.subjectId, authTime }
  if (request.kind === 'connect') {
    const grant = await gateway.store.grants.find(request.grantId)
    return grant?.subjectId === person.subjectId ? person : undefined
  }
  // OpenID Connect Core section 3.1.2.1: each of these asks for more than a sign-in from before.
  if (request.prompt.includes('login') || request.prompt.includes('select_account')) return undefined
  // One that is asked for a call is made for it.
  if (request.stepUpId !== undefined) return undefined
  // How strong a sign-in of before was is not kept.
  if (request.acrValues && candidates.some(provesStrength)) return undefined
  const isTooOld = request.maxAge !== undefined && gateway.clock() - person.authTime > request.maxAge
  return isTooOld ? undefined : person
}

/** The connection that serves an ask: what this flow brought, or what the person had. */
export function connectionFor(plan: Plan, ask: ProviderAsk, now: number): string | undefined {
  const { [ask.provider.id]: broughtId } = plan.interaction.connected
  const brought = plan.held.find(({ id }) => id === broughtId)
  // Still there, this person's, and enough, should an administrator have changed what that is.
  const allowed = (plan.resource && allowedScopes(plan.resource, ask.provider)) ?? ask.scopes
  const isOfUse = brought?.status === 'live' && isReleasable(ask.provider, brought, allowed)
  if (isOfUse && covers(ask.provider, brought.scopes, ask.scopes)) return brought.id
  // A connect link is there because what the person has does not do.
  if (plan.interaction.request.kind === 'connect') return undefined
  if (plan.interaction.consent?.skipped.includes(ask.provider.id)) return undefined
  return plan.held.find((connection) => serves(ask, connection, now))?.id
}

export function consentingOf(plan: Plan, now: number): Consenting {
  const { interaction, client, resource, scopes, asks, person, stepUp } = plan
  const connectionIds = asks.map((ask) => connectionFor(plan, ask, now))
  return { request: interaction.request, client, resource, scopes, asks, person, stepUp, connectionIds }
}
