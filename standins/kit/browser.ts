import type { Call, Reply } from './exchange.ts'

/** What a person says to a consent page; `ask` means that nobody has said anything yet. */
export type Decision =
  | { kind: 'ask' }
  | { kind: 'deny' }
  | { kind: 'approve'; user: string; unticked: string[]; fromPage: boolean }

/** The person in front of the browser, as the control API scripts them. */
export type Script = {
  currentUser: string | undefined
  /** `ask` shows a page; the other two answer without one, which is what a test wants. */
  answer: 'ask' | 'approve' | 'deny'
  unticked: string[]
}

export type Browser = {
  script: Script
  /** Whom this browser is signed in as: what the script says, else what was picked in it before. */
  signedIn(call: Call): string | undefined
  /** The posted consent page, else the scripted answer. */
  decide(call: Call): Decision
  /** Headers that make the browser remember who was picked on a page. */
  remember(decision: Decision): Reply['headers']
}

const listed = (body: Record<string, unknown>, prefix: string) =>
  Object.keys(body)
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))

function postedDecision(call: Call): Decision {
  const { user, decision } = call.body
  if (decision !== 'approve') return { kind: 'deny' }
  if (typeof user !== 'string') return { kind: 'ask' }
  const ticked = new Set(listed(call.body, 'tick:'))
  const unticked = listed(call.body, 'offered:').filter((scope) => !ticked.has(scope))
  return { kind: 'approve', user, unticked, fromPage: true }
}

/** Cookies on loopback are shared by all ports, so each stand-in has its own name for the one it sets. */
export function createBrowser(standin: string): Browser {
  const cookie = `standin_${standin}_user`
  const script: Script = { currentUser: undefined, answer: 'ask', unticked: [] }
  const signedIn = (call: Call) => script.currentUser ?? call.cookies[cookie]
  return {
    script,
    signedIn,
    decide(call) {
      if (call.method === 'POST') return postedDecision(call)
      const user = signedIn(call)
      if (script.answer === 'deny') return { kind: 'deny' }
      if (script.answer === 'ask' || user === undefined) return { kind: 'ask' }
      return { kind: 'approve', user, unticked: script.unticked, fromPage: false }
    },
    remember: (decision) =>
      decision.kind === 'approve' && decision.fromPage
        ? { 'set-cookie': `${cookie}=${encodeURIComponent(decision.user)}; Path=/; HttpOnly; SameSite=Lax` }
        : {},
  }
}
