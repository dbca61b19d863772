import { SealError, type Sealer } from '../lib/seal.ts'
import { sha256 } from '../lib/secret.ts'
import type { UrlRules } from '../lib/upstream-url.ts'
import type { ProviderRow } from '../storage/providers.ts'
import type { Provider } from './provider.ts'
import {
  DescriptorError,
  type DescriptorFault,
  destinations,
  resolveDescriptor,
} from './resolve-descriptor.ts'

export type ProviderRegistry = {
  /** A provider that is ready to be spoken to; a broken one is as absent as an unknown one. */
  find(id: string): Promise<Provider | undefined>
  list(): Promise<{ providers: Provider[]; broken: BrokenProvider[] }>
}

/** A stored provider that cannot be used: its descriptor no longer resolves, or its secret does not open. */
export type BrokenProvider = { id: string; errors: readonly DescriptorFault[] }

export type ProviderRegistryOptions = UrlRules & {
  find(id: string): Promise<ProviderRow | undefined>
  list(): Promise<ProviderRow[]>
  sealer: Pick<Sealer, 'open'>
}

/**
 * The providers as administrators left them. Every look reads the row, so that a change counts at once; what a row
 * means is worked out once, for as long as not a byte of it changes.
 */
export function createProviderRegistry(options: ProviderRegistryOptions): ProviderRegistry {
  const known = new Map<string, { row: string; resolved: Promise<Provider | BrokenProvider> }>()

  function resolved(row: ProviderRow): Promise<Provider | BrokenProvider> {
    const written = JSON.stringify(row)
    const before = known.get(row.id)
    if (before?.row === written) return before.resolved
    const now = { row: written, resolved: resolveRow(row, options) }
    known.set(row.id, now)
    // A master key out of reach is no property of the row: the next look tries again.
    now.resolved.catch(() => known.delete(row.id))
    return now.resolved
  }

  return {
    async find(id) {
      const row = await options.find(id)
      if (!row) {
        known.delete(id)
        return undefined
      }
      const provider = await resolved(row)
      return isBroken(provider) ? undefined : provider
    },
    async list() {
      const all = await Promise.all((await options.list()).map(resolved))
      return {
        providers: all.filter((each): each is Provider => !isBroken(each)),
        broken: all.filter(isBroken),
      }
    },
  }
}

export function isBroken(resolved: Provider | BrokenProvider): resolved is BrokenProvider {
  return 'errors' in resolved
}

/** What a provider's row means. */
export async function resolveRow(
  row: ProviderRow,
  options: Pick<ProviderRegistryOptions, 'sealer' | 'allowLoopback'>,
): Promise<Provider | BrokenProvider> {
  const { descriptor: source, variables, admit, scopes } = row.document
  try {
    const descriptor = resolveDescriptor(source, variables, options)
    return {
      id: row.id,
      name: descriptor.name,
      descriptor,
      clientId: row.clientId,
      clientSecret: await openSecret(row, options.sealer),
      enabled: row.enabled,
      version: row.version,
      changedAt: row.updatedAt,
      admit,
      signInHash: sha256(
        JSON.stringify([row.createdAt, row.clientId, destinations(descriptor), descriptor.identity, admit]),
      ),
      scopes,
    }
  } catch (error) {
    if (error instanceof DescriptorError) return { id: row.id, errors: error.errors }
    if (error instanceof SealError) {
      return {
        id: row.id,
        errors: [{ pointer: '/client_secret', message: 'does not open under the master keys' }],
      }
    }
    throw error
  }
}

async function openSecret(row: ProviderRow, sealer: Pick<Sealer, 'open'>): Promise<string | undefined> {
  if (row.sealedClientSecret === null) return undefined
  return sealer.open(row.sealedClientSecret, {
    table: 'providers',
    row: row.id,
    column: 'sealed_client_secret',
  })
}
