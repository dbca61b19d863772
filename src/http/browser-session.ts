import type { FastifyReply, FastifyRequest } from 'fastify'
import { signedOut } from '../audit/event.ts'
import type { Gateway } from '../gateway.ts'
import { subjectOfIdentity } from '../grants/sign-in.ts'
import type { BrowserSession } from '../storage/browser-sessions.ts'
import type { UpstreamIdentity } from '../upstream/identity.ts'
import type { Provider } from '../upstream/provider.ts'
import { clearSession, sessionHash, setSession } from './cookies.ts'

/** Idle ends are moved at most this often, in seconds, so that a page view is seldom a write. */
const touchEvery = 60

/** Who is signed in in this browser; each look moves the idle end, never beyond the absolute one. */
export async function findBrowserSession(
  gateway: Gateway,
  request: FastifyRequest,
): Promise<BrowserSession | undefined> {
  const secretHash = sessionHash(gateway.config, request)
  if (secretHash === undefined) return undefined
  const now = gateway.clock()
  const session = await gateway.store.browserSessions.find(secretHash, now)
  if (session && now - session.lastSeenAt >= touchEvery) {
    const expiresAt = idleEnd(gateway, session.createdAt, now)
    await gateway.store.browserSessions.touch(secretHash, { lastSeenAt: now, expiresAt })
  }
  return session
}

/**
 * Signs a subject in in this browser, under a new secret each time (fixation). Sign-ins through other providers
 * stay on record if they were the same subject's. Answers the hash of the secret.
 */
export async function startBrowserSession(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  signedIn: { subjectId: string; provider: Pick<Provider, 'id' | 'signInHash'>; at: number },
): Promise<string> {
  const before = await findBrowserSession(gateway, request)
  if (before) await gateway.store.browserSessions.delete(before.secretHash)
  const now = gateway.clock()
  const { provider, subjectId, at } = signedIn
  // However often the session is made anew, each sign-in in it has an end of its own.
  const endsAt = now + gateway.config.lifetimes.browser_session_absolute
  const earlier = before?.subjectId === subjectId ? before.signIns : {}
  const secretHash = setSession(gateway.config, reply)
  await gateway.store.browserSessions.create({
    secretHash,
    subjectId,
    signIns: { ...earlier, [provider.id]: { at, signInHash: provider.signInHash, endsAt } },
    createdAt: now,
    lastSeenAt: now,
    expiresAt: idleEnd(gateway, now, now),
  })
  return secretHash
}

/**
 * Signs somebody in by an identity, unless it was taken from them at this moment: taking it away ends the sessions
 * there are, so that this one is looked at once it is there. `false`: they are not signed in.
 */
export async function signInBrowser(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
  signedIn: { subjectId: string; provider: Provider; at: number; identity: UpstreamIdentity },
): Promise<boolean> {
  const { subjectId, provider, identity } = signedIn
  const secretHash = await startBrowserSession(gateway, request, reply, signedIn)
  if ((await subjectOfIdentity(gateway.store, provider, identity)) === subjectId) return true
  await gateway.store.browserSessions.delete(secretHash)
  clearSession(gateway.config, reply)
  return false
}

export async function endBrowserSession(
  gateway: Gateway,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const session = await findBrowserSession(gateway, request)
  if (session) {
    const event = signedOut(session.subjectId, 'this_browser', gateway.clock())
    await gateway.store.browserSessions.signOut(session, [], event)
  }
  clearSession(gateway.config, reply)
}

function idleEnd({ config }: Gateway, createdAt: number, now: number): number {
  const { browser_session_idle: idle, browser_session_absolute: absolute } = config.lifetimes
  return Math.min(now + idle, createdAt + absolute)
}
