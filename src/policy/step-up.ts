import type { ResourceDocument, StepUpRule } from '../storage/documents.ts'
import type { Resource } from '../storage/resources.ts'
import type { Store } from '../storage/store.ts'
import { canSignIn, type Provider } from '../upstream/provider.ts'
import type { ProviderRegistry } from '../upstream/registry.ts'

/** Whose sign-in it would be, for which resource, with what their token has. */
export type SteppingUp = { subjectId: string; scopes: readonly string[]; resource: Resource }

/** Whether somebody can make a sign-in that a rule demands; where not, nobody is sent to make one. */
export type CanStepUp = (who: SteppingUp, rule: StepUpRule) => Promise<boolean>

/**
 * Whether some provider this person signs in with at this resource proves what a rule demands. To send somebody where
 * nothing is proven would end in a claim that nobody checked, and where they may not sign in, in an error.
 */
export function createCanStepUp({
  store,
  providers,
}: {
  store: Pick<Store, 'subjects'>
  providers: ProviderRegistry
}): CanStepUp {
  return async ({ subjectId, scopes, resource }, { acr_values }) => {
    const [identities, all] = await Promise.all([store.subjects.listIdentities(subjectId), providers.list()])
    return admittedBy(resource.document, scopes, all.providers.filter(canSignIn)).some(
      ({ id, descriptor: { authorization } }) =>
        authorization.max_age &&
        (acr_values === undefined || authorization.acr_values) &&
        identities.some(({ provider }) => provider === id),
    )
  }
}

/** Of those that can sign people in the ones a resource takes: as it says, else those it needs, else all. */
function admittedBy(
  { sign_in: named, providers }: ResourceDocument,
  scopes: readonly string[],
  able: readonly Provider[],
): readonly Provider[] {
  if (named) return able.filter(({ id }) => named.includes(id))
  const involved = providers.filter((each) => each.for?.some((scope) => scopes.includes(scope)) ?? true)
  const needed = able.filter(({ id }) => involved.some(({ provider }) => provider === id))
  return needed.length > 0 ? needed : able
}
