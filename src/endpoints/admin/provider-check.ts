import { z } from 'zod'
import type { Gateway } from '../../gateway.ts'
import type { Connection } from '../../storage/connections.ts'
import type { ProviderRow } from '../../storage/providers.ts'
import { grantedTooMuch } from '../../upstream/connection-record.ts'
import type { Provider } from '../../upstream/provider.ts'
import { brokenFindings, examinationFindings, findingSchema, tooMuchFinding } from './provider-findings.ts'

export const providerCheck = z
  .strictObject({
    ok: z.boolean(),
    redirect_uri: z.string(),
    authorization_endpoint: z.string().optional(),
    problems: z.array(findingSchema),
    warnings: z.array(findingSchema),
  })
  .meta({ id: 'ProviderCheck' })

/** What a provider sends people back to; it must be registered there, byte for byte. */
export function redirectUriOf({ config }: Gateway, id: string): string {
  return `${config.issuer}/oauth/callback/${id}`
}

/** A connection that holds more than was asked for, made since the provider was last changed. */
async function findTooMuch({ store }: Gateway, provider: Provider): Promise<Connection | undefined> {
  const filter = { provider: provider.id, status: 'live', statusReason: grantedTooMuch } as const
  const { rows } = await store.connections.list(filter, { limit: 100 })
  return rows.find(({ statusSince }) => statusSince >= provider.changedAt)
}

/**
 * Whether a provider can be used, as far as can be told without a person: it resolves, its servers answer, nothing is
 * missing. Only a sign-in shows whether the provider knows the client, its secret and the redirect URI.
 */
export async function checkProvider(
  gateway: Gateway,
  row: ProviderRow,
): Promise<z.output<typeof providerCheck>> {
  const provider = await gateway.providers.find(row.id)
  const redirectUri = redirectUriOf(gateway, row.id)
  if (!provider) {
    const { broken } = await gateway.providers.list()
    const faults = broken.find((each) => each.id === row.id)?.errors ?? []
    return { ok: false, redirect_uri: redirectUri, problems: brokenFindings(row.id, faults), warnings: [] }
  }
  const [found, resources, tooMuch] = await Promise.all([
    gateway.upstream.examine(provider),
    gateway.store.resources.list(),
    findTooMuch(gateway, provider),
  ])
  const { problems, warnings } = examinationFindings(provider, found, resources)
  if (tooMuch) warnings.push(tooMuchFinding(tooMuch))
  const { authorizationEndpoint } = found
  return {
    ok: problems.length === 0,
    redirect_uri: redirectUri,
    ...(authorizationEndpoint !== undefined && { authorization_endpoint: authorizationEndpoint }),
    problems,
    warnings,
  }
}
