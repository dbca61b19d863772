/** What is still between an interaction and its end, as far as the next step depends on it. */
export type Standing = {
  /** Who it is for, once that is proven in this browser. */
  subject: 'known' | 'unknown'
  /** Somebody else was signed in in this browser, and the person has not said that they meant to switch. */
  switchesAccount: boolean
  /** The providers this person may sign in with, and the one they chose. */
  signIn: { candidates: readonly string[]; chosen: string | undefined }
  consent: 'given' | 'open'
  /** What must be connected, in the order it is asked. */
  asks: readonly { provider: string; state: 'connected' | 'which site' | 'left out' | 'open' }[]
}

export type Step =
  | { step: 'choose' }
  | { step: 'confirm_switch' }
  | { step: 'consent' }
  | { step: 'connect'; provider: string; purpose: 'sign_in' | 'connect' }
  | { step: 'pick_site'; provider: string }
  | { step: 'respond' }
  | { step: 'nobody_can_sign_in' }

/**
 * The dispatcher of every interaction. Steps never route to one another: each changes the persisted row and
 * comes back here. Consent always stands before the first trip upstream (MCP security best practices,
 * confused deputy).
 */
export function nextStep(standing: Standing): Step {
  if (standing.switchesAccount) return { step: 'confirm_switch' }
  const { candidates } = standing.signIn
  const signInAt = standing.signIn.chosen ?? (candidates.length === 1 ? candidates[0] : undefined)
  if (standing.subject === 'unknown') {
    if (candidates.length === 0) return { step: 'nobody_can_sign_in' }
    if (signInAt === undefined) return { step: 'choose' }
  }
  if (standing.consent === 'open') return { step: 'consent' }
  if (standing.subject === 'unknown' && signInAt !== undefined) {
    return { step: 'connect', provider: signInAt, purpose: 'sign_in' }
  }
  const open = standing.asks.find((ask) => ask.state === 'open')
  if (open) return { step: 'connect', provider: open.provider, purpose: 'connect' }
  const unclear = standing.asks.find((ask) => ask.state === 'which site')
  return unclear ? { step: 'pick_site', provider: unclear.provider } : { step: 'respond' }
}
