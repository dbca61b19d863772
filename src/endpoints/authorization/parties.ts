import { matchesRedirectUri } from '../../clients/redirect-uri.ts'
import { redirectUriFault } from '../../clients/registrable-uri.ts'
import type { Gateway } from '../../gateway.ts'
import { PageRefusal } from '../../http/page-refusal.ts'
import type { Client } from '../../storage/clients.ts'
import type { ClientInteraction } from '../../storage/interactions.ts'
import type { Resource } from '../../storage/resources.ts'
import { offlineAccess } from '../../tokens/scope.ts'
import { refusalOf } from './refusal.ts'
import { unknownClient } from './unknown-client.ts'

/** For whom an interaction is, and for which of our scopes there. */
export type Parties = { client: Client; resource: Resource | undefined; scopes: string[] }

/** Reads who takes part, as administrators have them now. Throws where one of them is gone or disabled. */
export async function partiesOf(gateway: Gateway, interaction: ClientInteraction): Promise<Parties> {
  const client = await clientOf(gateway, interaction)
  if (interaction.resourceId === null) {
    return { client, resource: undefined, scopes: scopesOf(interaction, undefined) }
  }
  const resource = await gateway.store.resources.find(interaction.resourceId)
  if (!resource?.enabled)
    throw refusalOf(interaction, 'invalid_target', 'The resource is no longer available')
  return { client, resource, scopes: scopesOf(interaction, resource) }
}

async function clientOf(gateway: Gateway, { clientId, request }: ClientInteraction): Promise<Client> {
  const client = await gateway.store.clients.find(clientId, gateway.clock())
  if (!client?.enabled) throw unknownClient(gateway, clientId)
  // Both may be older than the rules of today, or than the client as it is today.
  const isSafe =
    request.kind === 'connect' ||
    (matchesRedirectUri(client.metadata.redirect_uris, request.redirectUri) &&
      redirectUriFault(request.redirectUri, gateway.config.registration.app_schemes) === undefined)
  if (!isSafe) throw new PageRefusal(400, { kind: 'unregistered redirect' })
  return client
}

/** What was asked for and is still there to be had: a page has no words for anything else. */
function scopesOf(interaction: ClientInteraction, resource: Resource | undefined): string[] {
  const { request } = interaction
  if (request.kind === 'connect') return []
  const offered = [...Object.keys(resource?.document.scopes ?? {}), offlineAccess]
  const left = request.scopes.filter((scope) => offered.includes(scope))
  const ofResource = (scopes: string[]) => scopes.filter((scope) => scope !== offlineAccess).length
  if (ofResource(left) === 0 && ofResource(request.scopes) > 0) {
    throw refusalOf(interaction, 'invalid_scope', 'None of these scopes is known at this resource any more')
  }
  return left
}
