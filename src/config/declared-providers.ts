import { type Author, auditEvent } from '../audit/event.ts'
import type { ResourceRules } from '../clients/resource-registration.ts'
import { registeredIdPattern } from '../lib/registered-id.ts'
import type { ProviderRow } from '../storage/providers.ts'
import type { Store } from '../storage/store.ts'
import { described, onOffer, planProvider, writeProvider } from '../upstream/provider-registration.ts'
import {
  type DeclarationParts,
  type DeclarationPlan,
  declarationErrors,
  takenByApi,
} from './declaration-plan.ts'

type FindProvider = ResourceRules['findProvider']
type Offer = Awaited<ReturnType<FindProvider>>

/** `findProvider` knows what there will be once the plan is carried out. */
export async function planDeclaredProviders(
  parts: DeclarationParts,
  by: Author,
): Promise<DeclarationPlan & { findProvider: FindProvider }> {
  const { config, store, sealer } = parts
  const { issuerIsLoopback, allowLoopbackUpstreams: allowLoopback } = config
  const registration = { store, sealer, rules: { issuerIsLoopback, allowLoopback } }
  const declared = Object.entries(config.declarations.providers)
  const offers = new Map<string, Offer>()
  const plan: DeclarationPlan = { errors: [], writes: [] }

  for (const [id, definition] of declared) {
    const place = `providers.${id}`
    // Where it has a mistake of its own, what resources ask of it is not another one.
    offers.set(id, { scopes: undefined, forbiddenScopes: [], signsIn: true })
    if (!registeredIdPattern.test(id)) {
      plan.errors.push(`${place}: is not an id`)
      continue
    }
    const planned = await planProvider(registration, id, definition, by)
    switch (planned.outcome) {
      case 'planned':
        // Where another process is faster it wrote the same, since it reads the same file.
        plan.writes.push(() => writeProvider(registration, planned, by))
        offers.set(id, onOffer({ descriptor: planned.descriptor, scopes: definition.scopes }))
        break
      case 'unchanged':
        offers.set(id, onOffer({ descriptor: planned.descriptor, scopes: definition.scopes }))
        break
      case 'refused':
        plan.errors.push(...declarationErrors(place, planned.errors))
        break
      case 'read_only':
        plan.errors.push(`${place}: ${takenByApi}`)
        break
    }
  }

  const undeclared = (await store.providers.list()).filter(
    (row) => row.origin === 'config' && !offers.has(row.id),
  )
  plan.writes.push(
    ...undeclared.filter((row) => row.enabled).map((row) => () => disable(store.providers, row, by)),
  )
  const findProvider: FindProvider = async (id) => {
    if (offers.has(id)) return offers.get(id)
    const provider = await parts.providers.find(id)
    return provider && !undeclared.some((row) => row.id === id) ? onOffer(provider) : undefined
  }
  return { ...plan, findProvider }
}

async function disable(providers: Store['providers'], before: ProviderRow, { actor, now }: Author) {
  const { version: _, ...row } = before
  const disabled = { ...row, enabled: false, updatedAt: now }
  const event = auditEvent(now, {
    event: 'provider.saved',
    actor,
    provider: before.id,
    detail: { before: described(before), after: described(disabled), reason: 'no longer declared' },
  })
  await providers.replace(before, disabled, event)
}
