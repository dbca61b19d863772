import { isDeepStrictEqual } from 'node:util'
import type { Gateway } from '../../gateway.ts'
import { signInProviders } from '../../http/visitor.ts'
import type { Identity, IdentityKey } from '../../storage/subjects.ts'
import type { Provider } from '../../upstream/provider.ts'

/** The providers that a person can sign in with now, by the identities they have. */
export async function waysInOf(gateway: Gateway, subjectId: string): Promise<Provider[]> {
  const identities = await gateway.store.subjects.listIdentities(subjectId)
  const providers = await signInProviders(gateway)
  return providers.filter(({ id }) => identities.some(({ provider }) => provider === id))
}

/** Whether somebody still gets in without one of their identities: one at a provider that is gone opens nothing. */
export function isSpare(
  identity: IdentityKey,
  identities: readonly Identity[],
  providers: readonly Pick<Provider, 'id'>[],
): boolean {
  const others = identities.filter((each) => !isSame(each, identity))
  return others.some(({ provider }) => providers.some(({ id }) => id === provider))
}

export function identityFields(key: IdentityKey) {
  return { provider: key.provider, issuer: key.issuer, upstream_subject: key.upstreamSubject }
}

export function isSame(one: IdentityKey, other: IdentityKey): boolean {
  return isDeepStrictEqual(identityFields(one), identityFields(other))
}
