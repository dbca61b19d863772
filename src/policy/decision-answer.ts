import type { Decision } from '../storage/decisions.ts'
import type { StepUpRule } from '../storage/documents.ts'
import type { Ruling } from './decide.ts'
import type { ToolCaller } from './decision.ts'
import { type DenialCode, sentenceFor } from './reasons.ts'

/** A ruling as it is answered, wire names, and what of it is recorded. */
export type Said = {
  allowed: boolean
  code: DenialCode | null
  counted: boolean
  bindings: string[]
  answer: Record<string, unknown>
}

/** A scope the token lacks is said before its revocation, and that before anything of the policy. */
export function sayRuling(ruling: Ruling, end: DenialCode | undefined): Said {
  const { bindings } = ruling
  const isEnded = end !== undefined && (ruling.allowed || ruling.code !== 'scope_insufficient')
  if (isEnded) return { allowed: false, code: end, counted: false, bindings, answer: sayNo(end, end) }
  if (ruling.allowed) {
    const { counted, cacheLifetime } = ruling
    const answer = { allowed: true, cache_for: cacheLifetime }
    return { allowed: true, code: null, counted, bindings, answer }
  }
  const { code, reason, failed } = ruling
  const conditions = failed.length > 0 && { failed_conditions: failed }
  const answer = { ...sayNo(code, reason), ...conditions, ...factsOf(ruling) }
  return { allowed: false, code, counted: false, bindings, answer }
}

export const sayNo = (code: DenialCode, reason: string) => ({
  allowed: false,
  code,
  reason,
  message: sentenceFor(code, reason),
  cache_for: 0,
})

function factsOf(ruling: Extract<Ruling, { allowed: false }>): object {
  switch (ruling.code) {
    case 'scope_insufficient':
      return { required: { scope: ruling.scopes.join(' ') } }
    case 'step_up_required':
      return { required: stepUpFacts(ruling.stepUp, ruling.stepUpId) }
    case 'rate_limited':
      return { retry_after: ruling.retryAfter }
    case 'policy_denied':
    case 'step_up_unavailable':
      return {}
  }
}

/** What an `acr_values` begins with that binds the sign-in to the one call it is asked for. */
export const stepUpPrefix = 'urn:coatcheck:step-up:'

/** RFC 9470 section 3. A sign-in for one call is made now, however old one may be otherwise. */
function stepUpFacts({ max_age, acr_values = [] }: StepUpRule, id: string | undefined): object {
  const values = [...(id === undefined ? [] : [stepUpPrefix + id]), ...acr_values]
  const maxAge = max_age ?? (id === undefined ? undefined : 0)
  return {
    ...(values.length > 0 && { acr_values: values.join(' ') }),
    ...(maxAge !== undefined && { max_age: maxAge }),
  }
}

type Made = { id: string; at: number; resourceId: string; caller: ToolCaller; tool: string }

type CallFacts = {
  argumentNames: readonly string[]
  argumentsHash: string
  address?: string | undefined
  dry_run: boolean
}

/** Names of arguments a record has at most, and their length: a client writes into it what it likes. */
const mostNames = 50
const longestName = 100

const namesKept = (names: readonly string[]) =>
  names.slice(0, mostNames).map((name) => name.slice(0, longestName).toWellFormed())

/** What explains a decision later; of the arguments their names and digest alone. */
export function recordOf(made: Made, call: CallFacts, said: Said, keptFor: number): Decision {
  const { caller, ...rest } = made
  const { message: _, allowed: __, code: ___, cache_for: ____, ...why } = said.answer
  return {
    ...rest,
    subjectId: caller.subjectId,
    clientId: caller.clientId,
    allowed: said.allowed,
    code: said.code,
    detail: {
      ...why,
      scope: caller.scopes.join(' '),
      bindings: said.bindings,
      arguments: namesKept(call.argumentNames),
      arguments_digest: `sha256:${call.argumentsHash}`,
      ...(call.address !== undefined && { address: call.address }),
      ...(call.dry_run && { dry_run: true }),
      ...(said.counted && { counted: true }),
    },
    expiresAt: made.at + keptFor,
  }
}
