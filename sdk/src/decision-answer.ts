import { parseObject } from './bounded-fetch.ts'
import { type Denial, type DenialCode, denials, deny } from './denials.ts'
import { isObject } from './rpc-body.ts'
import type { ToolReach } from './tool-policy.ts'

/** One decision of a gateway. `cacheFor`: for how many seconds the same may be taken for granted. */
export type Decided =
  | { readonly allowed: true; readonly cacheFor: number }
  | { readonly allowed: false; readonly denial: Denial }

type Of = { readonly tool?: string; readonly grantedScopes: readonly string[] }

/** The answer to a question about calls; undefined for whatever is none. */
export function readDecisions(text: string, calls: readonly Of[]): readonly Decided[] | undefined {
  const decisions: unknown = parseObject(text)?.decisions
  if (!Array.isArray(decisions) || decisions.length !== calls.length) return undefined
  const read = calls.map((call, at) => readDecision(decisions[at], call))
  return read.every((each) => each !== undefined) ? read : undefined
}

/** Nothing but `true` is a yes, and nothing but a code is a no. */
export function readDecision(answer: unknown, of: Of): Decided | undefined {
  if (!isObject(answer)) return undefined
  const { allowed, cache_for } = answer
  if (allowed === true)
    return { allowed, cacheFor: typeof cache_for === 'number' && cache_for > 0 ? cache_for : 0 }
  return allowed === false && typeof answer.code === 'string'
    ? { allowed, denial: denialOf(answer, answer.code, of) }
    : undefined
}

export type Listed = { readonly reach: ToolReach; readonly cacheFor: number }

/** The answer to which tools somebody may call. */
export function readReach(text: string, grantedScopes: readonly string[]): Listed | undefined {
  const { tools, code, cache_for, ...more } = parseObject(text) ?? {}
  if (typeof code === 'string') {
    return { reach: { outcome: 'denied', denial: denialOf(more, code, { grantedScopes }) }, cacheFor: 0 }
  }
  if (!Array.isArray(tools)) return undefined
  const callable = new Set(
    tools.filter(isObject).flatMap(({ name, allowed }) => (allowed === true ? [name] : [])),
  )
  const cacheFor = typeof cache_for === 'number' && cache_for > 0 ? cache_for : 0
  return { reach: { outcome: 'known', mayCall: (tool) => callable.has(tool) }, cacheFor }
}

function denialOf(answer: Readonly<Record<string, unknown>>, code: string, of: Of): Denial {
  const { reason, message, decision_id, failed_conditions, retry_after, required } = answer
  const { scope, acr_values, max_age } = isObject(required) ? required : {}
  // A code of a newer gateway is a no like any other.
  const known = Object.hasOwn(denials, code) ? (code as DenialCode) : 'policy_denied'
  return deny(known, {
    ...of,
    ...(typeof message === 'string' && message !== '' && { message }),
    ...(typeof reason === 'string' ? { reason } : known !== code && { reason: code }),
    ...(typeof decision_id === 'string' && { decisionId: decision_id }),
    ...(typeof scope === 'string' && { requiredScopes: words(scope) }),
    ...(typeof acr_values === 'string' && { acrValues: words(acr_values) }),
    ...(typeof max_age === 'number' && { maxAge: max_age }),
    ...(typeof retry_after === 'number' && { retryAfter: retry_after }),
    ...(Array.isArray(failed_conditions) && { failedConditions: texts(failed_conditions) }),
  })
}

/** Not everything that JSON can say can be made text of. */
const texts = (list: readonly unknown[]): string[] => list.filter((each) => typeof each === 'string')

const words = (text: string): string[] => text.split(' ').filter(Boolean)
