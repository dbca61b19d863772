import { type Author, auditEvent } from '../audit/event.ts'
import type { ResourceDefinition } from '../clients/resource-definition.ts'
import {
  describedResource,
  type Neighbour,
  neighbour,
  planResource,
  type ResourceRules,
  writeResource,
} from '../clients/resource-registration.ts'
import { canonicalUri } from '../lib/canonical-uri.ts'
import { registeredIdPattern } from '../lib/registered-id.ts'
import type { Resource } from '../storage/resources.ts'
import type { Store } from '../storage/store.ts'
import { ConfigError } from './config.ts'
import {
  type DeclarationParts,
  type DeclarationPlan,
  declarationErrors,
  takenByApi,
} from './declaration-plan.ts'

export async function planDeclaredResources(
  { config, store }: DeclarationParts,
  findProvider: ResourceRules['findProvider'],
  by: Author,
): Promise<DeclarationPlan> {
  const { issuer, issuerIsLoopback } = config
  const registration = { store, rules: { issuer, issuerIsLoopback, findProvider } }
  const declared = Object.entries(config.declarations.resources)
  const stored = await store.resources.list()
  const willBe = [
    ...stored.filter((row) => row.origin === 'admin').map(neighbour),
    ...declared.map(([id, definition]) => declaredNeighbour(id, definition)),
  ]
  const plan: Pick<DeclarationPlan, 'errors'> = { errors: [] }
  // There is one default at a time: what was it stops to be it first.
  const writes: Record<'default' | 'other', DeclarationPlan['writes']> = { default: [], other: [] }

  for (const [id, definition] of declared) {
    const place = `resources.${id}`
    if (!registeredIdPattern.test(id)) {
      plan.errors.push(`${place}: is not an id`)
      continue
    }
    const before = stored.find((row) => row.id === id)
    const others = willBe.filter((other) => other.id !== id)
    const planned = await planResource(registration, { id, definition, before, others }, by)
    switch (planned.outcome) {
      case 'planned':
        plan.errors.push(...swapErrors(place, planned.row, stored, declared))
        writes[neighbour(planned.row).isDefault ? 'default' : 'other'].push(async () => {
          const written = await writeResource(registration, planned, by)
          if (written.outcome === 'conflict') throw new ConfigError(declarationErrors(place, written.errors))
        })
        break
      case 'unchanged':
        break
      case 'refused':
      case 'conflict':
        plan.errors.push(...declarationErrors(place, planned.errors))
        break
      case 'read_only':
        plan.errors.push(`${place}: ${takenByApi}`)
        break
    }
  }

  const undeclared = stored.filter(
    (row) => row.origin === 'config' && !declared.some(([id]) => id === row.id),
  )
  const endings = undeclared.flatMap((row) => {
    // Under a new id it is another resource; the old one's sessions end with it.
    if (willBe.some(({ uri }) => uri === row.uri)) return [() => remove(store.removals, row, by)]
    return row.enabled ? [() => disable(store.resources, row, by)] : []
  })
  return { errors: plan.errors, writes: [...endings, ...writes.other, ...writes.default] }
}

function declaredNeighbour(id: string, definition: ResourceDefinition): Neighbour {
  const uri = canonicalUri(definition.resource) ?? definition.resource
  const isDefault = definition.enabled && definition.default === true
  return { id, uri, isDefault, scopes: Object.keys(definition.scopes) }
}

/** Rows are written one after the other, and no two may have one URI in between. */
function swapErrors(
  place: string,
  row: Resource,
  stored: readonly Resource[],
  declared: readonly [string, unknown][],
): string[] {
  const holder = stored.find((other) => other.uri === row.uri && other.id !== row.id)
  const isKept = declared.some(([id]) => id === holder?.id)
  return isKept ? [`${place}.resource: is still the URI of ${holder?.id}; start once without it`] : []
}

async function disable(resources: Store['resources'], before: Resource, { actor, now }: Author) {
  const disabled = { ...before, enabled: false, updatedAt: now }
  const event = auditEvent(now, {
    event: 'resource.saved',
    actor,
    resourceId: before.id,
    detail: {
      before: describedResource(before),
      after: describedResource(disabled),
      reason: 'no longer declared',
    },
  })
  await resources.save(disabled, event)
}

async function remove(removals: Store['removals'], before: Resource, { actor, now }: Author) {
  const event = auditEvent(now, {
    event: 'resource.deleted',
    actor,
    resourceId: before.id,
    detail: { before: describedResource(before), reason: 'its URI is declared under another id' },
  })
  await removals.resource(before.id, now, event)
}
