import { z } from 'zod'
import type { Gateway } from '../../gateway.ts'
import type { Place } from '../../lib/seal.ts'
import { newSecret, sha256 } from '../../lib/secret.ts'
import type { Leg } from '../../storage/documents.ts'
import type { Interaction, InteractionChange } from '../../storage/interactions.ts'
import type { Provider } from '../../upstream/provider.ts'
import type { UpstreamFailure } from '../../upstream/tokens.ts'
import { noteFailedTrip } from './brought.ts'

/** One callback path per provider, so that an answer cannot be taken for another provider's (RFC 9700 section 4.4). */
export const callbackUri = (gateway: Gateway, providerId: string) =>
  `${gateway.config.issuer}/oauth/callback/${providerId}`

export type LegSecrets = { codeVerifier: string; nonce: string }

const secretsSchema = z.strictObject({ codeVerifier: z.string(), nonce: z.string() })

const secretsPlace = (interactionId: string): Place => ({
  table: 'interactions',
  row: interactionId,
  column: 'sealed_leg_secrets',
})

type TripOptions = {
  prompts?: readonly ('select_account' | 'login')[]
  /** What is certain before the trip and must still be so when the browser comes back. */
  settled?: Pick<InteractionChange, 'consent' | 'subjectId' | 'authTime'>
}

export type StartedLeg =
  | { outcome: 'started'; url: URL }
  | { outcome: 'failed'; failure: UpstreamFailure }
  /** Another tab took a step of this interaction meanwhile. */
  | { outcome: 'overtaken' }

/**
 * Begins a trip to a provider: fresh state, verifier and nonce, none of them the client's. Only called after
 * consent, so that no upstream URL exists before a yes (MCP security best practices).
 */
export async function startLeg(
  gateway: Gateway,
  interaction: Interaction,
  provider: Provider,
  leg: Leg,
  { prompts = [], settled = {} }: TripOptions = {},
): Promise<StartedLeg> {
  const state = newSecret('cc_state_')
  const secrets: LegSecrets = { codeVerifier: newSecret(''), nonce: newSecret('') }
  const { request } = interaction
  const destination = await gateway.upstream.authorizationUrl(provider, {
    redirectUri: callbackUri(gateway, provider.id),
    state,
    codeChallenge: sha256(secrets.codeVerifier),
    nonce: secrets.nonce,
    scopes: leg.scopes,
    refreshToken: leg.keep === 'tokens' ? 'wanted' : 'unwanted',
    prompts: [...prompts, ...(leg.reconsent ? (['consent'] as const) : [])],
    ...(request.kind === 'authorization' && request.loginHint !== undefined
      ? { loginHint: request.loginHint }
      : {}),
    ...(leg.purpose === 'sign_in' && { maxAge: anyAge }),
    ...maxAgeOf(interaction, leg),
    ...strengthsOf(interaction, leg),
  })
  if (destination.outcome === 'failed') {
    await noteFailedTrip(gateway, { interaction, provider }, destination.failure)
    return destination
  }
  const saved = await gateway.store.interactions.advance(
    interaction,
    {
      ...settled,
      leg,
      legStateHash: sha256(state),
      sealedLegSecrets: await gateway.sealer.seal(JSON.stringify(secrets), secretsPlace(interaction.id)),
    },
    gateway.clock(),
  )
  return saved ? { outcome: 'started', url: destination.url } : { outcome: 'overtaken' }
}

/**
 * Asked for a sign-in of the last year, a provider says when it was; asked for none of any age it may not, and one of before
 * would pass for one of now (OpenID Connect Core section 2, `auth_time`).
 */
const anyAge = 31_536_000

/** How long ago the person may have signed in at the provider itself, where anybody cares. */
export function maxAgeOf({ request }: Interaction, { purpose }: Leg): { maxAge?: number } {
  if (purpose !== 'sign_in' || !('maxAge' in request) || request.maxAge === undefined) return {}
  return { maxAge: request.maxAge }
}

function strengthsOf({ request }: Interaction, { purpose }: Leg): { acrValues?: readonly string[] } {
  if (purpose !== 'sign_in' || !('acrValues' in request) || !request.acrValues) return {}
  return { acrValues: request.acrValues }
}

export async function openLegSecrets(gateway: Gateway, interaction: Interaction): Promise<LegSecrets> {
  const sealed = interaction.sealedLegSecrets
  if (sealed === null) throw new Error('a leg with a state has secrets')
  return secretsSchema.parse(JSON.parse(await gateway.sealer.open(sealed, secretsPlace(interaction.id))))
}
