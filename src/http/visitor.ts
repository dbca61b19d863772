import type { FastifyRequest } from 'fastify'
import type { Gateway } from '../gateway.ts'
import type { BrowserSession } from '../storage/browser-sessions.ts'
import { canSignIn, type Provider } from '../upstream/provider.ts'
import { findBrowserSession } from './browser-session.ts'
import { formProof } from './cookies.ts'

/** Who is signed in in this browser, as far as the sign-in still counts. */
export type Visitor = { subjectId: string; session: BrowserSession; proof: string; authTime: number }

/** The providers that may sign somebody in, in the order of their ids. */
export async function signInProviders(gateway: Gateway): Promise<Provider[]> {
  const { providers } = await gateway.providers.list()
  return providers.filter(canSignIn)
}

/** A sign-in counts no more where its provider leads elsewhere, admits others or is gone, or its person is disabled. */
export async function findVisitor(gateway: Gateway, request: FastifyRequest): Promise<Visitor | undefined> {
  const session = await findBrowserSession(gateway, request)
  const proof = formProof(gateway.config, request)
  if (!session || proof === undefined) return undefined
  const authTime = lastSignIn(session, await signInProviders(gateway), gateway.clock())
  if (authTime === undefined) return undefined
  const subject = await gateway.store.subjects.find(session.subjectId)
  return subject?.enabled ? { subjectId: subject.id, session, proof, authTime } : undefined
}

/** When the person of a session last signed in through one of these, as far as that still counts. */
export function lastSignIn(
  { signIns }: BrowserSession,
  providers: readonly Provider[],
  now: number,
): number | undefined {
  const times = providers.flatMap(({ id, signInHash }) => {
    const signIn = signIns[id]
    // What it rested on may have changed since: a provider that leads elsewhere, or admits others.
    return signIn?.signInHash === signInHash && signIn.endsAt > now ? [signIn.at] : []
  })
  return times.length === 0 ? undefined : Math.max(...times)
}

/** Whether somebody signed in a moment ago, as it takes to change who gets in as them. */
export function isRecent({ config, clock }: Gateway, { authTime }: Pick<Visitor, 'authTime'>): boolean {
  return clock() - authTime <= config.lifetimes.recent_sign_in
}
