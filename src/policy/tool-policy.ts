import type { Clock } from '../lib/clock.ts'
import type { Resource } from '../storage/resources.ts'
import type { BoundRole } from '../storage/roles.ts'
import type { Store } from '../storage/store.ts'
import { offlineAccess } from '../tokens/scope.ts'
import { givenScopes, type HeldRole, type ToolPolicy } from './decision.ts'

type PolicyStore = Pick<Store, 'tools' | 'roles' | 'quotas' | 'subjects'>
type Whose = { resource: Resource; subjectId: string; now: number }

/** Everything a call of one tool by one subject is judged by, as it is now. */
export async function getToolPolicy(store: PolicyStore, toolName: string, whose: Whose): Promise<ToolPolicy> {
  const { resource } = whose
  const [tool, application, roles, quotas] = await Promise.all([
    store.tools.find(resource.id, toolName),
    store.tools.findApplication(resource.id),
    rolesHeld(store, whose),
    store.quotas.list(resource.id),
  ])
  return { ...accessOf(resource), isActive: (application?.activatedAt ?? null) !== null, tool, roles, quotas }
}

/** The same for every tool a resource ever published, by one look at the store. */
export async function getToolPolicies(store: PolicyStore, whose: Whose): Promise<ToolPolicy[]> {
  const { resource } = whose
  const [tools, application, roles] = await Promise.all([
    store.tools.listBriefly(resource.id),
    store.tools.findApplication(resource.id),
    rolesHeld(store, whose),
  ])
  const isActive = (application?.activatedAt ?? null) !== null
  return tools.map((tool) => ({ ...accessOf(resource), isActive, tool, roles, quotas: [] }))
}

/** Of these scopes those that a subject may have at a resource now; what belongs to no resource stays. */
export async function scopesStill(
  { store, clock }: { store: Pick<Store, 'roles' | 'subjects'>; clock: Clock },
  { resource, subjectId }: { resource: Resource | undefined; subjectId: string },
  scopes: readonly string[],
): Promise<string[]> {
  if (!resource) return [...scopes]
  const within = await scopesWithin(store, resource, subjectId, clock())
  return scopes.filter((scope) => scope === offlineAccess || within.has(scope))
}

/**
 * The scopes of a resource a subject may have now, whatever is asked for. Conditions are no matter here: a call is
 * judged by them, and a token outlives the hour and the place it was issued in.
 */
export async function scopesWithin(
  store: Pick<Store, 'roles' | 'subjects'>,
  resource: Resource,
  subjectId: string,
  now: number,
): Promise<Set<string>> {
  const access = accessOf(resource)
  const roles = access.access === 'everyone' ? [] : await rolesHeld(store, { resource, subjectId, now })
  return givenScopes(access, roles)
}

/** The roles a subject holds at a resource: by itself, as one of everyone, or by a group a provider named. */
export async function rolesHeld(
  store: Pick<Store, 'roles' | 'subjects'>,
  { resource, subjectId, now }: Whose,
): Promise<HeldRole[]> {
  const bound = await store.roles.listFor(resource.id, subjectId, now)
  const isByGroup = ({ binding }: BoundRole) => binding.holder === 'group'
  const identities = bound.some(isByGroup) ? await store.subjects.listIdentities(subjectId) : []
  const isMember = ({ groupProvider, groupName }: BoundRole['binding']) =>
    identities.some(({ provider, groups }) => provider === groupProvider && groups.includes(groupName ?? ''))
  return bound
    .filter((each) => !isByGroup(each) || isMember(each.binding))
    .map(({ binding, role }) => ({
      bindingId: binding.id,
      role: role.name,
      document: role.document,
      conditions: binding.conditions,
    }))
}

function accessOf({ document }: Resource): Pick<ToolPolicy, 'access' | 'resourceScopes'> {
  return { access: document.access ?? 'everyone', resourceScopes: Object.keys(document.scopes) }
}
