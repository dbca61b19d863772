import { isDeepStrictEqual } from 'node:util'
import { type Author, auditEvent } from '../audit/event.ts'
import type { ProblemField } from '../errors.ts'
import { type Place, SealError, type Sealer } from '../lib/seal.ts'
import { equalSecrets } from '../lib/secret.ts'
import type { UrlRules } from '../lib/upstream-url.ts'
import type { ProviderDocument } from '../storage/documents.ts'
import type { ProviderRow } from '../storage/providers.ts'
import type { Store } from '../storage/store.ts'
import type { Descriptor } from './descriptor.ts'
import type { Provider } from './provider.ts'
import type { ProviderDefinition } from './provider-definition.ts'
import { DescriptorError, destinations, resolveDescriptor } from './resolve-descriptor.ts'

export type ProviderRegistration = {
  store: Pick<Store, 'providers'>
  sealer: Sealer
  rules: UrlRules & { readonly issuerIsLoopback: boolean }
}

/** What a definition would make of a provider, everything checked and nothing written. */
export type ProviderPlan =
  | PlannedProvider
  | { outcome: 'unchanged'; row: ProviderRow; descriptor: Descriptor }
  | { outcome: 'refused'; errors: readonly ProblemField[] }
  /** The configuration file has it, or would take what was set up through the admin API. */
  | { outcome: 'read_only' }

export type PlannedProvider = {
  outcome: 'planned'
  before: ProviderRow | undefined
  row: Omit<ProviderRow, 'version'>
  descriptor: Descriptor
  secret: 'none' | 'kept' | 'new'
  /** The client or an address became another one. */
  moved: boolean
}

export type ProviderSaved =
  | { outcome: 'saved'; row: ProviderRow; created: boolean; connectionsEnded: number }
  /** Somebody else changed it in the meantime; nothing was written. */
  | { outcome: 'overtaken' }

/**
 * Creates or replaces a provider. An omitted `client_secret` keeps the stored one, which never goes to another
 * client or address than it was entered for; nor do the tokens of connections, which then need reauthorization.
 */
export async function saveProvider(
  parts: ProviderRegistration,
  id: string,
  definition: ProviderDefinition,
  by: Author,
): Promise<ProviderSaved | Exclude<ProviderPlan, PlannedProvider>> {
  const plan = await planProvider(parts, id, definition, by)
  return plan.outcome === 'planned' ? await writeProvider(parts, plan, by) : plan
}

export async function planProvider(
  parts: ProviderRegistration,
  id: string,
  definition: ProviderDefinition,
  by: Author,
): Promise<ProviderPlan> {
  const before = await parts.store.providers.find(id)
  if (before && before.origin !== by.origin) return { outcome: 'read_only' }
  const { descriptor, errors: descriptorErrors } = tryResolve(definition, parts.rules)
  const moved = before !== undefined && hasMoved(before, definition.client_id, descriptor, parts.rules)
  const errors = [
    ...descriptorErrors,
    ...scopeErrors(definition, descriptor),
    ...admitErrors(definition, parts.rules),
    ...(descriptor ? secretErrors(definition, before, moved) : []),
  ]
  if (!descriptor || errors.length > 0) return { outcome: 'refused', errors }

  const { sealed, secret } = await sealedSecret(parts.sealer, id, definition.client_secret, before)
  const row = {
    id,
    document: documentOf(definition),
    clientId: definition.client_id,
    sealedClientSecret: sealed,
    origin: by.origin,
    enabled: definition.enabled,
    createdAt: before?.createdAt ?? by.now,
    updatedAt: by.now,
  }
  return before && secret !== 'new' && isDeepStrictEqual(described(before), described(row))
    ? { outcome: 'unchanged', row: before, descriptor }
    : { outcome: 'planned', before, row, descriptor, secret, moved }
}

export async function writeProvider(
  { store }: Pick<ProviderRegistration, 'store'>,
  plan: PlannedProvider,
  { actor, now }: Author,
): Promise<ProviderSaved> {
  const { before, row, secret, moved } = plan
  const event = auditEvent(now, {
    event: 'provider.saved',
    actor,
    provider: row.id,
    detail: {
      ...(before && { before: described(before) }),
      after: described(row),
      client_secret: secret,
      ...(moved && { connections: 'need reauthorization' }),
    },
  })
  if (!before) {
    const created = await store.providers.save(row, event)
    return { outcome: 'saved', row: created, created: true, connectionsEnded: 0 }
  }
  const death = moved ? { reason: 'provider_changed', at: now } : undefined
  const replaced = await store.providers.replace(before, row, event, death)
  return replaced ? { outcome: 'saved', created: false, ...replaced } : { outcome: 'overtaken' }
}

/** What resources may ask of a provider. */
export function onOffer({ descriptor, scopes }: Pick<Provider, 'descriptor' | 'scopes'>) {
  return { scopes, forbiddenScopes: descriptor.scopes.forbidden, signsIn: descriptor.identity.sign_in }
}

/** What may be told of a provider's row: everything but its secret. */
export function described({ document, clientId, enabled }: Omit<ProviderRow, 'version'>) {
  const { descriptor, variables, scopes, admit } = document
  return { descriptor, variables, client_id: clientId, ...(scopes && { scopes }), admit, enabled }
}

function tryResolve(
  { descriptor, variables }: Pick<ProviderDefinition, 'descriptor' | 'variables'>,
  rules: UrlRules,
): { descriptor?: Descriptor; errors: ProblemField[] } {
  try {
    return { descriptor: resolveDescriptor(descriptor, variables, rules), errors: [] }
  } catch (error) {
    if (!(error instanceof DescriptorError)) throw error
    const errors = error.errors.map(({ pointer, message }) => ({
      pointer: pointer.startsWith('/variables/') ? pointer : `/descriptor${pointer}`,
      message,
    }))
    return { errors }
  }
}

function scopeErrors({ scopes = [] }: ProviderDefinition, descriptor: Descriptor | undefined) {
  return scopes.flatMap((scope, index) => {
    const refuse = (message: string) => [{ pointer: `/scopes/${index}`, message }]
    if (descriptor?.scopes.forbidden.includes(scope)) return refuse('breaks at this provider')
    return scopes.indexOf(scope) < index ? refuse('stands here twice') : []
  })
}

function admitErrors({ admit }: ProviderDefinition, rules: ProviderRegistration['rules']): ProblemField[] {
  if (admit !== undefined || rules.issuerIsLoopback) return []
  const message = 'is required with a public issuer: say "anyone", or who may sign in'
  return [{ pointer: '/admit', message }]
}

function secretErrors(
  definition: ProviderDefinition,
  before: ProviderRow | undefined,
  moved: boolean,
): ProblemField[] {
  const wouldMove = moved && definition.client_secret === undefined && before?.sealedClientSecret
  if (!wouldMove) return []
  const message = 'is required again, since the client id or an address of the provider changed'
  return [{ pointer: '/client_secret', message }]
}

/** Whether the stored secret and people's tokens were entered or issued for another client or another place. */
function hasMoved(
  before: ProviderRow,
  clientId: string,
  descriptor: Descriptor | undefined,
  rules: UrlRules,
): boolean {
  if (before.clientId !== clientId) return true
  const from = tryResolve(before.document, rules).descriptor
  // Where they were meant to go can no longer be told.
  if (!from || !descriptor) return true
  return !isDeepStrictEqual(destinations(from), destinations(descriptor))
}

async function sealedSecret(
  sealer: Sealer,
  id: string,
  secret: string | undefined,
  before: ProviderRow | undefined,
): Promise<{ sealed: string | null; secret: PlannedProvider['secret'] }> {
  const place: Place = { table: 'providers', row: id, column: 'sealed_client_secret' }
  const stored = before?.sealedClientSecret ?? null
  if (secret === undefined) return { sealed: stored, secret: stored === null ? 'none' : 'kept' }
  if (stored !== null && (await opensTo(sealer, stored, place, secret)))
    return { sealed: stored, secret: 'kept' }
  return { sealed: await sealer.seal(secret, place), secret: 'new' }
}

async function opensTo(sealer: Sealer, sealed: string, place: Place, secret: string): Promise<boolean> {
  try {
    return equalSecrets(await sealer.open(sealed, place), secret)
  } catch (error) {
    // Sealed under a master key that is gone: what was entered now takes its place.
    if (error instanceof SealError) return false
    throw error
  }
}

function documentOf({ descriptor, variables, scopes, admit }: ProviderDefinition): ProviderDocument {
  const document = { descriptor, variables, ...(scopes && { scopes }), admit: admit ?? 'anyone' }
  // As it comes back from the database: without the members that are undefined.
  return JSON.parse(JSON.stringify(document))
}
