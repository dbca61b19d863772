import { auditEvent } from '../../audit/event.ts'
import type { Gateway } from '../../gateway.ts'
import { scopeTokenPattern } from '../../lib/scope-token.ts'
import { sha256 } from '../../lib/secret.ts'
import type { Leg } from '../../storage/documents.ts'
import type { Interaction } from '../../storage/interactions.ts'
import type { UpstreamIdentity } from '../../upstream/identity.ts'
import type { Provider } from '../../upstream/provider.ts'
import type { UpstreamFailure, UpstreamTokens } from '../../upstream/tokens.ts'

/** Who came back from a provider, and with what. */
export type Arrived = { identity: UpstreamIdentity; tokens: UpstreamTokens; keep: Leg['keep'] }

export type Brought = ({ outcome: 'brought' } & Arrived) | { outcome: 'failed'; failure: UpstreamFailure }

/** What was brought is not kept, so that nobody may have it: the provider is told, where it was not when it came. */
export async function discard(
  { revocations }: Pick<Gateway, 'revocations'>,
  provider: Provider,
  { identity, tokens, keep }: Arrived,
  subjectId?: string | null,
): Promise<void> {
  if (keep === 'identity') return
  await revocations.discard(provider, { tokens, identity, ...(subjectId && { subjectId }) })
}

/** Nobody came back, and anybody may set out: all of one kind enter the record together. */
export async function noteFailedTrip(
  { failures }: Pick<Gateway, 'failures'>,
  { interaction, provider }: { interaction: Interaction; provider: Provider },
  { code }: Pick<UpstreamFailure, 'code'>,
): Promise<void> {
  const failure = { event: 'trip.failed', outcome: code, provider: provider.id } as const
  await failures.note(failure, interaction.subjectId ?? undefined)
}

/** When the person really signed in, where the provider tells: it may have remembered them for days. */
export function authTimeOf({ idTokenClaims }: UpstreamTokens, now: number): number {
  const told = idTokenClaims?.auth_time
  return typeof told === 'number' && Number.isSafeInteger(told) && told > 0 ? Math.min(told, now) : now
}

/** How strong the sign-in was; of a provider whose word for that counts. */
export function acrOf({ descriptor }: Provider, { idTokenClaims }: UpstreamTokens): string | null {
  const told = descriptor.authorization.acr_values ? idTokenClaims?.acr : undefined
  return typeof told === 'string' && scopeTokenPattern.test(told) ? told : null
}

/**
 * Somebody came back with an account that may not do what it was brought for. Once in a while for each account, since
 * whoever has one there may try for as long as they like.
 */
export async function recordRefusedSignIn(
  { store, clock, refusals }: Gateway,
  provider: Provider,
  identity: Pick<UpstreamIdentity, 'issuer' | 'subject'>,
  refused: {
    outcome: 'not_admitted' | 'subject_disabled' | 'wrong_account' | 'account_of_somebody_else'
    /** Whom it was brought for, or whose it is. */
    subjectId?: string | undefined
    clientId?: string
    resourceId?: string | undefined
  },
): Promise<void> {
  const { outcome, ...about } = refused
  const key = sha256([outcome, provider.id, identity.issuer, identity.subject].join(' '))
  if (refusals.knows(key)) return
  refusals.note(key)
  await store.auditEvents.create(
    auditEvent(clock(), {
      event: 'subject.refused',
      outcome,
      actor: 'gateway',
      provider: provider.id,
      ...about,
      detail: { issuer: identity.issuer, upstream_subject: identity.subject },
    }),
  )
}
