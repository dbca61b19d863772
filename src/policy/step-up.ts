import type { StepUpRule } from '../storage/documents.ts'
import type { Store } from '../storage/store.ts'
import type { ProviderRegistry } from '../upstream/registry.ts'

export type CanStepUp = (subjectId: string, rule: StepUpRule) => Promise<boolean>

/**
 * Whether some provider this person signs in with proves what a rule demands. To send somebody where nothing is proven
 * would end in a claim that nobody checked.
 */
export function createCanStepUp({
  store,
  providers,
}: {
  store: Pick<Store, 'subjects'>
  providers: ProviderRegistry
}): CanStepUp {
  return async (subjectId, { acr_values }) => {
    // No descriptor can say yet that its provider proves a strength.
    if (acr_values !== undefined) return false
    const identities = await store.subjects.listIdentities(subjectId)
    const known = await Promise.all(identities.map(({ provider }) => providers.find(provider)))
    return known.some((provider) => provider?.enabled && provider.descriptor.authorization.max_age)
  }
}
