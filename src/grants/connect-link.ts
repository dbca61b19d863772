import { aboutGrant, auditEvent } from '../audit/event.ts'
import { newSecret, sha256 } from '../lib/secret.ts'
import type { Grant } from '../storage/grants.ts'
import type { Store } from '../storage/store.ts'

export type ConnectLinkParts = {
  store: Pick<Store, 'connectLinks'>
  config: { issuer: string; lifetimes: { connect_link: number } }
}

/** What a connect link is to bring: which provider, which rights there, and which account. */
export type ConnectWish = {
  provider: string
  scopes: readonly string[]
  /** The account to sign in to again or to widen, or `new` for another one; absent: the person's choice. */
  accountId?: string | undefined
}

export type NewConnectLink = { connectUrl: string; ticket: string; expiresIn: number }

/** A one-time link for the person of a token session. Only its hash is stored. */
export async function createConnectLink(
  parts: ConnectLinkParts,
  grant: Grant,
  wish: ConnectWish,
  actor: string,
  now: number,
): Promise<NewConnectLink> {
  const ticket = newSecret('cc_link_')
  const expiresIn = parts.config.lifetimes.connect_link
  await parts.store.connectLinks.create(
    {
      ticketHash: sha256(ticket),
      grantId: grant.id,
      provider: wish.provider,
      scopes: [...wish.scopes],
      accountId: wish.accountId ?? null,
      status: 'pending',
      reason: null,
      createdAt: now,
      expiresAt: now + expiresIn,
    },
    auditEvent(now, { event: 'connect_link.created', actor, provider: wish.provider, ...aboutGrant(grant) }),
  )
  return { connectUrl: `${parts.config.issuer}/connect/${ticket}`, ticket, expiresIn }
}
