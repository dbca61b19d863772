import { canonicalJson } from '../lib/canonical-json.ts'
import { newId } from '../lib/secret.ts'
import type { Decision } from '../storage/decisions.ts'
import type { StepUpRule } from '../storage/documents.ts'
import type { Draw } from '../storage/quotas.ts'
import type { Resource } from '../storage/resources.ts'
import type { StepUp } from '../storage/step-ups.ts'
import type { Store } from '../storage/store.ts'
import type { FailedCondition } from './conditions.ts'
import { judge, type PolicyAllowance, type ToolCall, type ToolCaller } from './decision.ts'
import { countOf } from './quota.ts'
import type { CanStepUp } from './step-up.ts'
import { getToolPolicy } from './tool-policy.ts'

/** What a policy says of one call in the end, counts and sign-ins included. */
export type Ruling = { bindings: string[]; failed: FailedCondition[] } & (
  | {
      allowed: true
      /** It took something, of a quota or of a sign-in. */
      counted: boolean
      cacheLifetime: number
    }
  | { allowed: false; code: 'scope_insufficient'; reason: string; scopes: string[] }
  | { allowed: false; code: 'step_up_required'; reason: string; stepUp: StepUpRule; stepUpId?: string }
  | { allowed: false; code: 'step_up_unavailable'; reason: string }
  | { allowed: false; code: 'policy_denied'; reason: string }
  | { allowed: false; code: 'rate_limited'; reason: string; retryAfter: number; quota: string }
)

export type Decide = {
  store: Pick<Store, 'tools' | 'roles' | 'quotas' | 'subjects' | 'stepUps'>
  canStepUp: CanStepUp
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
  /** What is kept of a yes that counted: in the same moment as the count, or neither is there. */
  record?: (ruling: Ruling) => Decision
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
      return await askForSignIn(parts, decided, { ...verdict, bindings })
  }
}

async function allow(parts: Decide, decided: DecidedCall, allowance: PolicyAllowance): Promise<Ruling> {
  const { caller, call, mode } = decided
  const { bindings, quotas, stepUp: rule, cacheLifetime } = allowance
  const draws = quotas.map((quota) => countOf(quota, caller, call.now))
  const counted = mode === 'call' && (draws.length > 0 || rule !== undefined)
  const yes: Ruling = { allowed: true, bindings, failed: [], counted, cacheLifetime }
  const open = rule ? await openSignIns(parts, decided, rule) : []
  const made = open.find(({ authTime }) => authTime !== null)
  const isReady = rule === undefined || made !== undefined
  const signIn = made && { id: made.id, now: call.now }
  const takes = { signIn, decision: counted ? decided.record?.(yes) : undefined }
  if (isReady && counted && (await parts.store.quotas.draw(draws, takes))) return yes
  const full = await fullOf(parts, draws)
  if (isReady && !counted && full.length === 0) return yes
  // Nobody is sent to sign in for a call that would be one too many.
  if (rule === undefined || full.length > 0) return exhausted(full, call.now, bindings)
  return await askForCall(parts, decided, { rule, bindings, open })
}

async function fullOf({ store }: Decide, draws: readonly Draw[]): Promise<Draw[]> {
  const used = await store.quotas.used(draws.map(({ id }) => id))
  return draws.filter(({ id, limit }) => (used.get(id) ?? 0) >= limit)
}

/** The most restrictive one decides how long to wait: the last of the full windows to end. */
function exhausted(full: readonly Draw[], now: number, bindings: string[]): Ruling {
  // In the next window there are none again: whoever was told to wait would ask for ever.
  if (full.some(({ limit }) => limit === 0)) {
    return { allowed: false, bindings, failed: [], code: 'policy_denied', reason: 'quota_of_none' }
  }
  const last = full.toSorted((left, right) => right.endsAt - left.endsAt)[0]
  return {
    allowed: false,
    bindings,
    failed: [],
    code: 'rate_limited',
    reason: 'quota_exceeded',
    // Should a quota have gone since, the next second is soon enough.
    retryAfter: Math.max(1, (last?.endsAt ?? now) - now),
    quota: last?.quotaId ?? '',
  }
}

/** Seconds a call may come after the sign-in for it, beyond its rule: clocks differ, and the client is called back first. */
const grace = 60

/**
 * The sign-ins for this call that count by the tool's rule as it is now, made or still awaited. Where an administrator
 * demands something else since, they were for something else.
 */
async function openSignIns({ store }: Decide, decided: DecidedCall, rule: StepUpRule): Promise<StepUp[]> {
  const key = stepUpCall(decided)
  if (!key) return []
  const { now } = decided.call
  const { max_age: age = Number.POSITIVE_INFINITY } = rule
  const demanded = canonicalJson(rule)
  const open = await store.stepUps.listOpen(key, now)
  return open.filter(
    (each) =>
      canonicalJson(each.rule) === demanded && (each.authTime === null || now - each.authTime <= age + grace),
  )
}

/** A sign-in for this call alone; the same one is asked for however often the call is tried before. */
async function askForCall(
  parts: Decide,
  decided: DecidedCall,
  { rule, bindings, open }: { rule: StepUpRule; bindings: string[]; open: readonly StepUp[] },
): Promise<Ruling> {
  const ruling = await askForSignIn(parts, decided, {
    bindings,
    failed: [],
    reason: 'sign_in_for_this_call',
    stepUp: rule,
  })
  const key = stepUpCall(decided)
  if (ruling.allowed || ruling.code !== 'step_up_required' || decided.mode === 'look' || !key) return ruling
  const { now } = decided.call
  // One that is nearly over would end before the person is back.
  const pending = open.find(
    ({ authTime, expiresAt }) => authTime === null && (expiresAt - now) * 2 > parts.stepUpLifetime,
  )
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
  // Where somebody went meanwhile, nobody is left to sign in.
  return (await parts.store.stepUps.create(stepUp)) ? { ...ruling, stepUpId: stepUp.id } : ruling
}

async function askForSignIn(
  { canStepUp }: Decide,
  { resource, caller }: DecidedCall,
  asked: { bindings: string[]; failed: FailedCondition[]; reason: string; stepUp: StepUpRule },
): Promise<Ruling> {
  const { bindings, failed, reason, stepUp } = asked
  const refused = { allowed: false, bindings, failed, reason } as const
  return (await canStepUp({ ...caller, resource }, stepUp))
    ? { ...refused, code: 'step_up_required', stepUp }
    : { ...refused, code: 'step_up_unavailable' }
}

function stepUpCall({ resource, caller, call, argumentsHash }: DecidedCall) {
  if (argumentsHash === undefined) return undefined
  const { subjectId, clientId } = caller
  return { subjectId, clientId, resourceId: resource.id, tool: call.tool, argumentsHash }
}
