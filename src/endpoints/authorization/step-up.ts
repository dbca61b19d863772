import type { Gateway } from '../../gateway.ts'
import type { Parameters } from '../../lib/parameters.ts'
import { stepUpPrefix } from '../../policy/decision-answer.ts'
import type { Client } from '../../storage/clients.ts'
import type { ClientInteraction } from '../../storage/interactions.ts'
import type { Resource } from '../../storage/resources.ts'
import type { StepUp } from '../../storage/step-ups.ts'
import { parseScope } from '../../tokens/scope.ts'
import type { Provider } from '../../upstream/provider.ts'
import { refusalOf } from './refusal.ts'

/** Seconds by which a provider's clock may be behind ours. */
const skew = 60

/**
 * The sign-in for one call that an authorization request is meant to be (RFC 9470 section 4), by a name among its
 * `acr_values`. The others are handed on: they are voluntary (OpenID Connect Core section 3.1.2.1).
 */
export async function askedStepUp(
  gateway: Gateway,
  { values }: Parameters,
  { client, resource }: { client: Client; resource: Resource | undefined },
): Promise<{ stepUpId: string; maxAge: 0 } | undefined> {
  const asked = values.get('acr_values')?.split(' ') ?? []
  const named = asked.find((value) => value.startsWith(stepUpPrefix))
  const stepUp = named && (await openStepUp(gateway, named.slice(stepUpPrefix.length)))
  const isTheirs = stepUp && stepUp.clientId === client.id && stepUp.resourceId === resource?.id
  return isTheirs ? { stepUpId: stepUp.id, maxAge: 0 } : undefined
}

/** What an interaction is to confirm, as long as it still can. Throws where it came too late, or was done before. */
export async function stepUpOf(
  gateway: Gateway,
  interaction: ClientInteraction,
): Promise<StepUp | undefined> {
  const { request } = interaction
  if (request.kind !== 'authorization' || request.stepUpId === undefined) return undefined
  const stepUp = await openStepUp(gateway, request.stepUpId)
  if (!stepUp) throw refusalOf(interaction, 'access_denied', 'The call this sign-in was for is over')
  return stepUp
}

async function openStepUp({ store, clock }: Gateway, id: string): Promise<StepUp | undefined> {
  const stepUp = await store.stepUps.find(id)
  return stepUp && stepUp.authTime === null && stepUp.expiresAt > clock() ? stepUp : undefined
}

/** What a client asks for of the kind of sign-in; values that nobody here could mean are left out. */
export function askedStrengths({ values }: Parameters): string[] | undefined {
  const asked = (parseScope(values.get('acr_values') ?? '') ?? [])
    .filter((value) => !value.startsWith(stepUpPrefix) && value.length <= 255)
    .slice(0, 10)
  return asked.length === 0 ? undefined : asked
}

/** Only a provider that says how somebody signed in there can prove a strength. */
export const provesStrength = ({ descriptor }: Provider): boolean => descriptor.authorization.acr_values

/** Whether a provider can prove what a call demands: that the sign-in is of now, and how strong it is. */
export const provesStepUp =
  ({ rule }: StepUp) =>
  (provider: Provider): boolean =>
    provesFreshness(provider) && (rule.acr_values === undefined || provesStrength(provider))

/** Only a provider that says when somebody signed in there can prove that they did so now. */
const provesFreshness = ({ descriptor }: Provider): boolean => descriptor.authorization.max_age

/** Throws where it is not the person who was asked, a sign-in of before, or a weaker one than is demanded. */
export function requireFreshSignIn(
  interaction: ClientInteraction,
  stepUp: StepUp,
  person: { subjectId: string; authTime: number; acr?: string },
): void {
  if (person.subjectId !== stepUp.subjectId) {
    throw refusalOf(interaction, 'access_denied', 'This sign-in was asked of somebody else')
  }
  if (person.authTime < stepUp.createdAt - skew) {
    throw refusalOf(interaction, 'access_denied', 'The provider did not sign the person in anew')
  }
  const { acr_values: strengths } = stepUp.rule
  if (strengths && !strengths.includes(person.acr ?? '')) {
    throw refusalOf(interaction, 'access_denied', 'The provider did not sign the person in as strongly')
  }
}
