import { newId } from '../lib/secret.ts'
import type { StepUpRule } from '../storage/documents.ts'
import type { Draw } from '../storage/quotas.ts'
import type { Resource } from '../storage/resources.ts'
import type { StepUp } from '../storage/step-ups.ts'
import type { Store } from '../storage/store.ts'
import type { FailedCondition } from './conditions.ts'
import { judge, type PolicyAllowance, type ToolCall, type ToolCaller } from './decision.ts'
import { countOf } from './quota.ts'
import { getToolPolicy } from './tool-policy.ts'

/** What a policy says of one call in the end, counts and sign-ins included. */
export type Ruling = {
  bindings: string[]
  failed: FailedCondition[]
} /** `counted`: it took something, of a quota or of a sign-in. */ & (
  | { allowed: true; counted: boolean; cacheLifetime: number }
  | { allowed: false; code: 'scope_insufficient'; reason: string; scopes: string[] }
  | { allowed: false; code: 'step_up_required'; reason: string; stepUp: StepUpRule; stepUpId?: string }
  | { allowed: false; code: 'step_up_unavailable'; reason: string }
  | { allowed: false; code: 'policy_denied'; reason: string }
  | { allowed: false; code: 'rate_limited'; reason: string; retryAfter: number; quota: string }
)

export type Decide = {
  store: Pick<Store, 'tools' | 'roles' | 'quotas' | 'subjects' | 'stepUps'>
  /** Whether somebody this subject signs in with can prove such a sign-in; where not, nobody is sent to make one. */
  canStepUp(subjectId: string, rule: StepUpRule): Promise<boolean>
  /** Seconds in which the sign-in for a call must be made, and the call. */
  stepUpLifetime: number
}

export type DecidedCall = {
  resource: Resource
  caller: ToolCaller
  call: ToolCall
  /** SHA-256 of the arguments, by whom they were sent; absent: no sign-in can be bound to them. */
  argumentsHash?: string | undefined
  /** `look`: nothing is counted, used or asked for. */
  mode: 'call' | 'look'
}

/**
 * Rules on one call and does what that takes: it counts, and uses up a sign-in made for this call. A call that is
 * refused takes nothing from anybody.
 */
export async function decide(parts: Decide, decided: DecidedCall): Promise<Ruling> {
  const { resource, caller, call } = decided
  const whose = { resource, subjectId: caller.subjectId, now: call.now }
  const verdict = judge(await getToolPolicy(parts.store, call.tool, whose), caller, call)
  if (verdict.allowed) return await allow(parts, decided, verdict)
  const { bindings } = verdict
  switch (verdict.code) {
    case 'scope_insufficient':
      return {
        allowed: false,
        bindings,
        failed: [],
        code: verdict.code,
        reason: verdict.reason,
        scopes: verdict.scopes,
      }
    case 'policy_denied':
      return { allowed: false, bindings, failed: verdict.failed, code: verdict.code, reason: verdict.reason }
    case 'step_up_required':
      return await askForSignIn(parts, caller, { ...verdict, bindings })
  }
}

async function allow(parts: Decide, decided: DecidedCall, allowance: PolicyAllowance): Promise<Ruling> {
  const { caller, call, mode } = decided
  const { bindings, quotas, stepUp, cacheLifetime } = allowance
  const draws = quotas.map((quota) => countOf(quota, caller, call.now))
  if (!(await draw(parts, draws, mode))) return await exhausted(parts, draws, call.now, bindings)
  if (stepUp && !(await useSignIn(parts, decided))) {
    if (mode === 'call' && draws.length > 0) await parts.store.quotas.giveBack(draws.map(({ id }) => id))
    return await askForCall(parts, decided, stepUp, bindings)
  }
  const counted = mode === 'call' && (draws.length > 0 || stepUp !== undefined)
  return { allowed: true, bindings, failed: [], counted, cacheLifetime }
}

async function draw({ store }: Decide, draws: readonly Draw[], mode: DecidedCall['mode']): Promise<boolean> {
  if (draws.length === 0) return true
  if (mode === 'call') return await store.quotas.draw(draws)
  const used = await store.quotas.used(draws.map(({ id }) => id))
  return draws.every(({ id, limit }) => (used.get(id) ?? 0) < limit)
}

/** The most restrictive one decides how long to wait: the last of the full windows to end. */
async function exhausted(
  { store }: Decide,
  draws: readonly Draw[],
  now: number,
  bindings: string[],
): Promise<Ruling> {
  const used = await store.quotas.used(draws.map(({ id }) => id))
  const full = draws.filter(({ id, limit }) => (used.get(id) ?? 0) >= limit)
  // Should a window have ended since, the next second is soon enough.
  const last = full.toSorted((left, right) => right.endsAt - left.endsAt)[0]
  const retryAfter = Math.max(1, (last?.endsAt ?? now) - now)
  const quota = last?.quotaId ?? ''
  return {
    allowed: false,
    bindings,
    failed: [],
    code: 'rate_limited',
    reason: 'quota_exceeded',
    retryAfter,
    quota,
  }
}

async function useSignIn({ store }: Decide, decided: DecidedCall): Promise<boolean> {
  const { call, mode } = decided
  const key = stepUpCall(decided)
  if (!key || mode === 'look') return false
  return (await store.stepUps.consume(key, call.now)) !== undefined
}

/** A sign-in for this call alone; the same one is asked for however often the call is tried before. */
async function askForCall(
  parts: Decide,
  decided: DecidedCall,
  rule: StepUpRule,
  bindings: string[],
): Promise<Ruling> {
  const ruling = await askForSignIn(parts, decided.caller, {
    bindings,
    failed: [],
    reason: 'sign_in_for_this_call',
    stepUp: rule,
  })
  const key = stepUpCall(decided)
  if (ruling.allowed || ruling.code !== 'step_up_required' || decided.mode === 'look' || !key) return ruling
  const { now } = decided.call
  const pending = await parts.store.stepUps.findPending(key, now)
  if (pending) return { ...ruling, stepUpId: pending.id }
  const stepUp: StepUp = {
    ...key,
    id: newId('su_'),
    rule,
    createdAt: now,
    expiresAt: now + parts.stepUpLifetime,
    authTime: null,
    usedAt: null,
  }
  await parts.store.stepUps.create(stepUp)
  return { ...ruling, stepUpId: stepUp.id }
}

async function askForSignIn(
  { canStepUp }: Decide,
  { subjectId }: ToolCaller,
  asked: { bindings: string[]; failed: FailedCondition[]; reason: string; stepUp: StepUpRule },
): Promise<Ruling> {
  const { bindings, failed, reason, stepUp } = asked
  const refused = { allowed: false, bindings, failed, reason } as const
  return (await canStepUp(subjectId, stepUp))
    ? { ...refused, code: 'step_up_required', stepUp }
    : { ...refused, code: 'step_up_unavailable' }
}

function stepUpCall({ resource, caller, call, argumentsHash }: DecidedCall) {
  if (argumentsHash === undefined) return undefined
  const { subjectId, clientId } = caller
  return { subjectId, clientId, resourceId: resource.id, tool: call.tool, argumentsHash }
}
