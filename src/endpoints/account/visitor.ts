import type { FastifyRequest } from 'fastify'
import type { Gateway } from '../../gateway.ts'
import { findBrowserSession } from '../../http/browser-session.ts'
import { formProof } from '../../http/cookies.ts'
import type { BrowserSession } from '../../storage/browser-sessions.ts'
import { canSignIn, type Provider } from '../../upstream/provider.ts'

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
  const times = (await signInProviders(gateway)).flatMap(({ id, signInHash }) => {
    const signIn = session.signIns[id]
    return signIn?.signInHash === signInHash ? [signIn.at] : []
  })
  if (times.length === 0) return undefined
  const subject = await gateway.store.subjects.find(session.subjectId)
  if (!subject?.enabled) return undefined
  return { subjectId: subject.id, session, proof, authTime: Math.max(...times) }
}
