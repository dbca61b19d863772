import { isDeepStrictEqual } from 'node:util'
import { type Author, auditEvent } from '../audit/event.ts'
import type { ProblemField } from '../errors.ts'
import { isLoopbackHost } from '../lib/address.ts'
import { canonicalUri } from '../lib/canonical-uri.ts'
import { pointerOf } from '../lib/json-pointer.ts'
import type { ResourceDocument } from '../storage/documents.ts'
import type { Resource } from '../storage/resources.ts'
import type { Store } from '../storage/store.ts'
import { accessErrors, scopesInUse } from './resource-change.ts'
import type { ResourceDefinition } from './resource-definition.ts'

export type ResourceRegistration = {
  store: Pick<Store, 'resources' | 'grants' | 'tools' | 'roles'>
  rules: ResourceRules
}

export type ResourceRules = {
  readonly issuer: string
  readonly issuerIsLoopback: boolean
  /** What a resource may ask of a provider; absent: there is none of that id that could be used. */
  findProvider(id: string): Promise<ProviderOnOffer | undefined>
}

export type ProviderOnOffer = {
  /** The scopes an administrator lets this gateway ask for; absent: any. */
  readonly scopes: readonly string[] | undefined
  readonly forbiddenScopes: readonly string[]
  readonly signsIn: boolean
}

/** What a definition would make of a resource, everything checked and nothing written. */
export type ResourcePlan =
  | PlannedResource
  | { outcome: 'unchanged'; row: Resource }
  | { outcome: 'refused'; errors: readonly ProblemField[] }
  /** Another resource, or people's sessions at this one, stand in the way. */
  | { outcome: 'conflict'; errors: readonly ProblemField[] }
  /** The configuration file has it, or would take what was set up through the admin API. */
  | { outcome: 'read_only' }

/** What another resource takes, so that nobody else can have it. */
export type Neighbour = {
  readonly id: string
  readonly uri: string
  readonly isDefault: boolean
  readonly scopes: readonly string[]
}

export type PlannedResource = { outcome: 'planned'; before: Resource | undefined; row: Resource }

export type ResourceSaved =
  | { outcome: 'saved'; row: Resource; created: boolean }
  /** Another resource got its URI since it was looked at; nothing was written. */
  | { outcome: 'conflict'; errors: readonly ProblemField[] }

/** Creates or replaces a resource. Its URI is the `aud` of its tokens, and stays while any of them may be in use. */
export async function saveResource(
  parts: ResourceRegistration,
  id: string,
  definition: ResourceDefinition,
  by: Author,
): Promise<ResourceSaved | Exclude<ResourcePlan, PlannedResource>> {
  const all = await parts.store.resources.list()
  const others = all.filter((resource) => resource.id !== id).map(neighbour)
  const before = all.find((resource) => resource.id === id)
  const plan = await planResource(parts, { id, definition, before, others }, by)
  return plan.outcome === 'planned' ? await writeResource(parts, plan, by) : plan
}

/** `others` are the resources that will stand beside it. */
export async function planResource(
  { store, rules }: ResourceRegistration,
  wish: {
    id: string
    definition: ResourceDefinition
    before: Resource | undefined
    others: readonly Neighbour[]
  },
  by: Author,
): Promise<ResourcePlan> {
  const { id, definition, before, others } = wish
  if (before && before.origin !== by.origin) return { outcome: 'read_only' }
  const uri = checkUri(definition.resource, rules)
  const errors = [
    ...(typeof uri === 'string' ? [] : uri.errors),
    ...(await providerErrors(definition, rules)),
    ...(await signInErrors(definition, rules)),
    ...callerErrors(id, definition, others),
    ...accessErrors(definition, before),
  ]
  if (typeof uri !== 'string' || errors.length > 0) return { outcome: 'refused', errors }

  const row = rowOf(id, uri, definition, before, by)
  const conflicts = conflictsWith(row, others)
  if (before && before.uri !== uri && (await store.grants.countLive({ resourceId: id }, by.now)) > 0) {
    conflicts.push({ pointer: '/resource', message: 'cannot change while people have sessions there' })
  }
  if (before) conflicts.push(...(await scopesInUse(store, before, row)))
  if (conflicts.length > 0) return { outcome: 'conflict', errors: conflicts }
  return before && isDeepStrictEqual(describedResource(before), describedResource(row))
    ? { outcome: 'unchanged', row: before }
    : { outcome: 'planned', before, row }
}

export async function writeResource(
  { store }: { store: Pick<Store, 'resources'> },
  { before, row }: PlannedResource,
  { actor, now }: Author,
): Promise<ResourceSaved> {
  const event = auditEvent(now, {
    event: 'resource.saved',
    actor,
    resourceId: row.id,
    detail: { ...(before && { before: describedResource(before) }), after: describedResource(row) },
  })
  const saved = await store.resources.save(row, event)
  if (saved) return { outcome: 'saved', row: saved, created: !before }
  const others = (await store.resources.list()).filter(({ id }) => id !== row.id)
  const errors = conflictsWith(row, others.map(neighbour))
  return { outcome: 'conflict', errors: errors.length > 0 ? errors : [taken] }
}

/** Who took it is gone again already. */
const taken: ProblemField = { pointer: '/resource', message: 'was taken by another resource at that moment' }

/** A disabled resource is nobody's default. */
export function neighbour({ id, uri, document, enabled }: Resource): Neighbour {
  return { id, uri, isDefault: enabled && document.default === true, scopes: Object.keys(document.scopes) }
}

/** A resource as an administrator wrote it. */
export function describedResource({
  uri,
  document,
  enabled,
}: Pick<Resource, 'uri' | 'document' | 'enabled'>) {
  return { resource: uri, ...document, enabled }
}

function checkUri(
  text: string,
  { issuer, issuerIsLoopback }: ResourceRules,
): string | { errors: ProblemField[] } {
  const refuse = (message: string) => ({ errors: [{ pointer: '/resource', message }] })
  const uri = canonicalUri(text)
  if (uri === undefined) return refuse('must be an absolute http(s) URI without fragment or user name')
  const { protocol, hostname } = new URL(uri)
  if (protocol !== 'https:' && !(issuerIsLoopback && isLoopbackHost(hostname))) {
    return refuse('must be https; http is for loopback under a loopback issuer')
  }
  if (uri === canonicalUri(issuer)) return refuse('is the gateway itself')
  return uri
}

async function providerErrors({ providers }: ResourceDefinition, rules: ResourceRules) {
  const found = await Promise.all(providers.map(({ provider }) => rules.findProvider(provider)))
  return providers.flatMap(({ scopes }, index): ProblemField[] => {
    const provider = found[index]
    if (!provider) return [{ pointer: `/providers/${index}/provider`, message: 'is not set up here' }]
    return scopes.flatMap((scope, position) => {
      const message = scopeFault(provider, scope)
      return message ? [{ pointer: `/providers/${index}/scopes/${position}`, message }] : []
    })
  })
}

function scopeFault({ scopes, forbiddenScopes }: ProviderOnOffer, scope: string): string | undefined {
  if (forbiddenScopes.includes(scope)) return 'breaks at this provider'
  return scopes && !scopes.includes(scope) ? 'is not among the scopes of the provider' : undefined
}

async function signInErrors({ sign_in: ids = [] }: ResourceDefinition, rules: ResourceRules) {
  const found = await Promise.all(ids.map((id) => rules.findProvider(id)))
  return found.flatMap((provider, index): ProblemField[] => {
    const pointer = `/sign_in/${index}`
    if (!provider) return [{ pointer, message: 'is not set up here' }]
    return provider.signsIn ? [] : [{ pointer, message: 'cannot sign people in' }]
  })
}

function callerErrors(
  id: string,
  { callers = [] }: ResourceDefinition,
  others: readonly Neighbour[],
): ProblemField[] {
  return callers.flatMap(({ resource, for: opens }, index): ProblemField[] => {
    const pointer = `/callers/${index}`
    if (resource === id) return [{ pointer: `${pointer}/resource`, message: 'is this resource itself' }]
    const caller = others.find((other) => other.id === resource)
    if (!caller) return [{ pointer: `${pointer}/resource`, message: 'is not set up here' }]
    return Object.keys(opens)
      .filter((scope) => !caller.scopes.includes(scope))
      .map((scope) => ({ pointer: pointer + pointerOf(['for', scope]), message: 'is no scope there' }))
  })
}

function conflictsWith(row: Resource, others: readonly Neighbour[]): ProblemField[] {
  const { isDefault } = neighbour(row)
  return others.flatMap((other) => [
    ...(other.uri === row.uri ? [{ pointer: '/resource', message: `is the URI of ${other.id}` }] : []),
    ...(isDefault && other.isDefault
      ? [{ pointer: '/default', message: `${other.id} is the default already` }]
      : []),
  ])
}

function rowOf(
  id: string,
  uri: string,
  definition: ResourceDefinition,
  before: Resource | undefined,
  by: Author,
): Resource {
  const { resource: _, enabled, ...said } = definition
  // As it comes back from the database: without the members that are undefined.
  const document: ResourceDocument = JSON.parse(JSON.stringify(said))
  const createdAt = before?.createdAt ?? by.now
  return { id, uri, document, origin: by.origin, enabled, createdAt, updatedAt: by.now }
}
