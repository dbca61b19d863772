import type { Call } from './exchange.ts'

/**
 * The person in front of the browser: who is signed in at this provider, and what they answer when asked.
 * `ask` shows a page; the other two answer without one, which is what a test wants.
 */
export type Person = {
  currentUser: string | undefined
  decision: 'ask' | 'approve' | 'deny'
  unticked: string[]
}

export type Answer =
  | { kind: 'ask' }
  | { kind: 'deny'; user: string | undefined }
  | { kind: 'approve'; user: string; unticked: string[]; fromPage: boolean }

export function newPerson(): Person {
  return { currentUser: undefined, decision: 'ask', unticked: [] }
}

/** Cookies on loopback are shared by all ports, so each stand-in names its own. */
export const cookieName = (standin: string): string => `standin_${standin}_user`

/** Whom this browser is signed in as: what the control API says, else what was picked in this browser before. */
export function signedIn(person: Person, standin: string, call: Call): string | undefined {
  return person.currentUser ?? call.cookies[cookieName(standin)]
}

export function signInCookie(standin: string, user: string): string {
  return `${cookieName(standin)}=${encodeURIComponent(user)}; Path=/; HttpOnly; SameSite=Lax`
}

const listed = (body: Record<string, unknown>, prefix: string) =>
  Object.keys(body)
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))

/** What the person says to a consent page: the posted form, else the scripted decision. */
export function answerOf(person: Person, standin: string, call: Call): Answer {
  const user = signedIn(person, standin, call)
  if (call.method === 'POST') {
    const picked = typeof call.body.user === 'string' ? call.body.user : user
    if (call.body.decision !== 'approve') return { kind: 'deny', user: picked }
    if (picked === undefined) return { kind: 'ask' }
    const ticked = new Set(listed(call.body, 'tick:'))
    const unticked = listed(call.body, 'offered:').filter((scope) => !ticked.has(scope))
    return { kind: 'approve', user: picked, unticked, fromPage: true }
  }
  if (person.decision === 'deny') return { kind: 'deny', user }
  if (person.decision === 'ask' || user === undefined) return { kind: 'ask' }
  return { kind: 'approve', user, unticked: person.unticked, fromPage: false }
}
