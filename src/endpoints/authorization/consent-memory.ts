import { redirectKind } from '../../clients/redirect-uri.ts'
import type { Gateway } from '../../gateway.ts'
import type { ProviderAsk } from '../../grants/asks.ts'
import { sha256 } from '../../lib/secret.ts'
import type { Client } from '../../storage/clients.ts'
import type { Consent } from '../../storage/consents.ts'
import type { ConsentDecision } from '../../storage/documents.ts'
import type { ClientInteraction } from '../../storage/interactions.ts'
import type { Resource } from '../../storage/resources.ts'
import type { StepUp } from '../../storage/step-ups.ts'

/** What a consent is a consent to. */
export type Consenting = {
  request: ClientInteraction['request']
  client: Client
  resource: Resource | undefined
  scopes: readonly string[]
  asks: readonly ProviderAsk[]
  person: { subjectId: string } | undefined
  /** The one call that is confirmed with it. */
  stepUp: Pick<StepUp, 'id' | 'tool'> | undefined
  /** The connections that would be used as they are, in the order of the asks. */
  connectionIds: readonly (string | undefined)[]
}

/** SHA-256 of what the page shows of client and resource. When that changes, earlier consents count no more. */
export function shownHash({ client, resource }: Pick<Consenting, 'client' | 'resource'>): string {
  const { client_name: name, client_uri: uri, redirect_uris: redirects } = client.metadata
  return sha256(JSON.stringify([client.id, name, uri, redirects, resource?.uri, resource?.document.name]))
}

/**
 * Of everything one rendering of the page says, person and accounts included: a yes to another rendering is not a
 * yes to this.
 */
export function renderingHash(consenting: Consenting): string {
  const { request, scopes, asks, connectionIds, person, stepUp } = consenting
  const rights = asks.map((ask) => [ask.provider.id, ask.scopes, ask.required])
  const redirectUri = request.kind === 'authorization' ? request.redirectUri : ''
  const { id, tool } = stepUp ?? {}
  const shown = [
    shownHash(consenting),
    redirectUri,
    scopes,
    rights,
    connectionIds,
    person?.subjectId,
    id,
    tool,
  ]
  return sha256(JSON.stringify(shown))
}

/** A yes to all of this, but for the optional providers that are left out. */
export function yesTo(consenting: Consenting, skipped: string[], now: number): ConsentDecision {
  const { scopes, asks } = consenting
  const providerScopes = Object.fromEntries(asks.map((ask) => [ask.provider.id, ask.scopes]))
  return { at: now, scopes: [...scopes], providerScopes, shownHash: shownHash(consenting), skipped }
}

/**
 * Whether the yes of an interaction is one to what would be done now: while the person was away, an administrator
 * may have changed what the resource needs, or who the client is.
 */
export function isAgreed(consent: ConsentDecision | null, consenting: Consenting): boolean {
  if (consent === null) return false
  // The page of a connect link was about the link, and that never changes.
  if (consenting.request.kind === 'connect') return true
  const isLeftOut = (ask: ProviderAsk) => consent.skipped.includes(ask.provider.id)
  return isCovered(consent, consenting) && !consenting.asks.some((ask) => ask.required && isLeftOut(ask))
}

/**
 * Whether the person's recorded yes covers all of this, so that the page may be skipped. Only for clients whose
 * identity is assured, where the answer goes to a web address: anybody can present a public client's id, and any
 * program on the device can take what goes to a loopback port or an app's scheme (RFC 8252 section 8.6).
 */
export async function hasStandingConsent(gateway: Gateway, consenting: Consenting): Promise<boolean> {
  const { request, client, resource, person, stepUp } = consenting
  // Nobody confirms a call they were not shown.
  if (request.kind !== 'authorization' || !person || stepUp || request.prompt.includes('consent'))
    return false
  const isPreRegistered = client.origin === 'admin' || client.origin === 'config'
  const isAssured =
    isPreRegistered && (client.trusted || client.metadata.token_endpoint_auth_method !== 'none')
  if (!isAssured || redirectKind(request.redirectUri).kind !== 'web') return false
  const consent = await gateway.store.consents.find({
    subjectId: person.subjectId,
    clientId: client.id,
    redirectUri: request.redirectUri,
    resourceId: resource?.id ?? '',
  })
  return consent !== undefined && isCovered(consent, consenting)
}

type Agreed = Pick<Consent, 'scopes' | 'providerScopes' | 'shownHash'>

function isCovered(consent: Agreed, consenting: Consenting): boolean {
  return (
    consent.shownHash === shownHash(consenting) &&
    consenting.scopes.every((scope) => consent.scopes.includes(scope)) &&
    consenting.asks.every(({ provider, scopes }) => {
      const agreed = consent.providerScopes[provider.id]
      return agreed !== undefined && scopes.every((scope) => agreed.includes(scope))
    })
  )
}
