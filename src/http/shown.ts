import { redirectKind } from '../clients/redirect-uri.ts'
import type { Gateway } from '../gateway.ts'
import type { ClientShown } from '../pages/client-shown.ts'
import type { McpServerShown } from '../pages/mcp-server-shown.ts'
import type { RightsShown } from '../pages/rights.ts'
import type { Client } from '../storage/clients.ts'
import type { Resource } from '../storage/resources.ts'
import { type Provider, scopeLabel } from '../upstream/provider.ts'

/** The page where people take things back. */
export const accountUrl = ({ config }: Pick<Gateway, 'config'>) => `${config.issuer}/account`

export const issuerHost = ({ config }: Gateway) => new URL(config.issuer).host

/** What a page may say of a client; the name is only as good as `assured` says. */
export function clientShown(client: Client, redirectUri: string): ClientShown {
  const { client_name: name, client_uri } = client.metadata
  const uri = client.origin === 'document' ? client.id : client_uri
  const host = uri === undefined ? undefined : URL.parse(uri)?.host
  return {
    ...(name === undefined ? {} : { name }),
    assured: assuranceOf(client),
    ...(host ? { host } : {}),
    redirect: redirectKind(redirectUri),
  }
}

function assuranceOf({ origin }: Client): ClientShown['assured'] {
  switch (origin) {
    case 'dynamic':
      return 'unverified'
    case 'document':
      return 'published at its host'
    default:
      return 'registered by the administrator'
  }
}

export function mcpServerShown(resource: Resource): McpServerShown {
  return { name: resource.document.name, uri: resource.uri }
}

/** A provider's scopes, sorted by what they mean to the person. */
export function rightsShown(provider: Provider, scopes: readonly string[]): RightsShown {
  const { identity, offline } = provider.descriptor.scopes
  const [offlineScope] = offline
  return {
    rights: scopes
      .filter((scope) => !identity.includes(scope) && !offline.includes(scope))
      .map((scope) => ({ scope, label: scopeLabel(provider, scope) })),
    identityScopes: identity,
    stayConnected: offlineScope === undefined ? {} : { scope: offlineScope },
  }
}

/** What a person is called here: by the identity they signed in with last. */
export async function personLabel(gateway: Gateway, subjectId: string): Promise<string> {
  const identities = await gateway.store.subjects.listIdentities(subjectId)
  const [latest] = identities.toSorted((a, b) => b.lastSignInAt - a.lastSignInAt)
  return latest?.label ?? 'somebody'
}
