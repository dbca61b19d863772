import type { Connection } from '../storage/connections.ts'
import type { ResourceProvider } from '../storage/documents.ts'
import type { Resource } from '../storage/resources.ts'
import { grantedTooMuch } from '../upstream/connection-record.ts'
import { covers, excess, type Provider } from '../upstream/provider.ts'
import type { ProviderRegistry } from '../upstream/registry.ts'

/** What a resource may have of one provider: as its administrator listed it, within what the provider's allows. */
export type ProviderAsk = { provider: Provider; scopes: string[]; required: boolean }

/**
 * The providers an authorization for these scopes of a resource involves, in the order the resource lists
 * them. `unavailable` are required ones that are unknown or disabled; optional ones are then left out.
 */
export async function asksFor(
  providers: ProviderRegistry,
  resource: Resource,
  scopes: readonly string[],
): Promise<{ asks: ProviderAsk[]; unavailable: string[] }> {
  const asks: ProviderAsk[] = []
  const unavailable: string[] = []
  for (const listed of resource.document.providers) {
    if (!isInvolved(listed, scopes)) continue
    const provider = await providers.find(listed.provider)
    if (provider?.enabled) {
      asks.push({ provider, scopes: within(provider, listed.scopes), required: listed.required })
    } else if (listed.required) {
      unavailable.push(listed.provider)
    }
  }
  return { asks, unavailable }
}

/** Whether an authorization for these scopes of the resource involves a provider it lists. */
export function isInvolved(listed: ResourceProvider, scopes: readonly string[]): boolean {
  return listed.for === undefined || listed.for.some((scope) => scopes.includes(scope))
}

/** The scopes of a provider this resource may have; `undefined` where it may have none of that provider. */
export function allowedScopes(resource: Resource, provider: Provider): string[] | undefined {
  const listed = resource.document.providers.find((entry) => entry.provider === provider.id)
  return listed && within(provider, listed.scopes)
}

function within(provider: Provider, scopes: readonly string[]): string[] {
  return scopes.filter((scope) => provider.scopes === undefined || provider.scopes.includes(scope))
}

/**
 * Whether a connection may be released to a resource that is allowed these scopes: nothing it holds, identity
 * scopes aside, goes beyond them (promise 1).
 */
export function isReleasable(
  provider: Provider,
  connection: Connection,
  allowed: readonly string[],
): boolean {
  return connection.provider === provider.id && excess(provider, connection.scopes, allowed).length === 0
}

/**
 * Whether a connection shows that asking for these scopes once more would end as it did before: the provider granted
 * more than it was asked for, more than the resource may have, and no administrator has changed it since.
 */
export function showsTooMuch(
  provider: Provider,
  connection: Connection,
  { allowed, scopes }: { allowed: readonly string[]; scopes: readonly string[] },
): boolean {
  return (
    connection.status === 'live' &&
    connection.statusReason === grantedTooMuch &&
    connection.statusSince >= provider.changedAt &&
    connection.provider === provider.id &&
    !isReleasable(provider, connection, allowed) &&
    covers(provider, connection.scopes, scopes)
  )
}

/** Whether a stored connection serves an ask as it is, so that the person need not go to the provider again. */
export function serves(ask: ProviderAsk, connection: Connection, now: number): boolean {
  const { provider, scopes } = ask
  const givesTokens =
    connection.sealedRefreshToken !== null ||
    connection.accessExpiresAt === null ||
    connection.accessExpiresAt > now
  return (
    connection.status === 'live' &&
    connection.upstreamClientId === provider.clientId &&
    givesTokens &&
    isReleasable(provider, connection, scopes) &&
    covers(provider, connection.scopes, scopes)
  )
}
