import type { Conditions, RoleDocument, StepUpRule, ToolRule } from '../storage/documents.ts'
import type { Quota } from '../storage/quotas.ts'
import type { BriefTool, Tool } from '../storage/tools.ts'
import { type Circumstances, type FailedCondition, failedConditions, mendedBySignIn } from './conditions.ts'
import { declaredArguments } from './declared-arguments.ts'
import { applies } from './quota.ts'
import { missingScopes, toolState } from './tool.ts'

/** A role somebody has at a resource, and what narrows it. */
export type HeldRole = { bindingId: string; role: string; document: RoleDocument; conditions: Conditions }

/** Absent in a list, where nobody knows the arguments of a call: what was published, which names those a tool takes. */
export type JudgedTool = BriefTool & Partial<Pick<Tool, 'published'>>

/** What is known of a resource when one of its tools is called. */
export type ToolPolicy = {
  /** Whether its scopes are everybody's, or only whose binding gives them. */
  access: 'everyone' | 'bindings'
  resourceScopes: readonly string[]
  /** Whether an administrator ever let people in. */
  isActive: boolean
  /** Absent: the MCP server never published a tool of that name. */
  tool: JudgedTool | undefined
  /** What this subject holds now. */
  roles: readonly HeldRole[]
  quotas: readonly Quota[]
}

/** Whose call it is: what the access token says. */
export type ToolCaller = { subjectId: string; clientId: string; scopes: readonly string[] }

export type ToolCall = Omit<Circumstances, 'declared'>

/** Why a call may not be made, as far as the policy itself can tell. */
export type PolicyDenial =
  | { code: 'scope_insufficient'; reason: 'scope_missing'; scopes: string[] }
  | {
      code: 'step_up_required'
      reason: 'sign_in_too_old_or_weak'
      failed: FailedCondition[]
      stepUp: StepUpRule
    }
  | { code: 'policy_denied'; reason: PolicyReason; failed: FailedCondition[] }

export type PolicyReason =
  | 'unknown_tool'
  | 'not_live'
  | 'tool_unreviewed'
  | 'tool_changed'
  | 'tool_withdrawn'
  | 'tool_denied'
  | 'not_bound'
  | 'condition_failed'
  | 'quota_of_none'

/** What remains to be done before an allowed call may be made, and for how many seconds the same may be said again. */
export type PolicyAllowance = {
  bindings: string[]
  stepUp?: StepUpRule
  quotas: Quota[]
  cacheLifetime: number
}

export type PolicyVerdict =
  | ({ allowed: true } & PolicyAllowance)
  | ({ allowed: false; bindings: string[] } & PolicyDenial)

/** Seconds for which a plain yes may be repeated: as long as a revocation may take to be seen. */
const cacheLifetime = 1

/**
 * Whether a caller may call a tool, by everything but counts and sign-ins made for one call. It knows no clock and no
 * store, so that a simulation, a decision and a real call are the same.
 */
export function judge(policy: ToolPolicy, caller: ToolCaller, call: ToolCall): PolicyVerdict {
  const held = judgedRoles(policy, call)
  const deny = (denial: PolicyDenial, by: readonly JudgedRole[] = []): PolicyVerdict => ({
    allowed: false,
    bindings: by.map(({ bindingId }) => bindingId),
    ...denial,
  })
  const { tool } = policy
  if (!tool) return deny(denied('unknown_tool'))
  const isAdministrator = held.some(({ document, failed }) => document.administrator && failed.length === 0)
  if (!isAdministrator) {
    if (!policy.isActive) return deny(denied('not_live'))
    const state = toolState(tool)
    if (state !== 'approved') return deny(denied(`tool_${state}`))
  }
  const deniers = held.filter(({ failed }) => failed.includes('denied_tools'))
  if (deniers.length > 0) return deny(denied('tool_denied', ['denied_tools']), deniers)
  const denial = tool.rule && judgeScopes(tool.rule, policy, caller, held)
  return denial
    ? deny(
        denial,
        held.filter(({ failed }) => failed.length > 0),
      )
    : allowance(policy, held, tool)
}

type JudgedRole = HeldRole & { failed: FailedCondition[] }

function judgedRoles({ roles, tool }: ToolPolicy, call: ToolCall): JudgedRole[] {
  const isLimited = roles.some(({ conditions }) => conditions.arguments)
  const declared = isLimited && tool?.published ? declaredArguments(tool.published) : new Set<string>()
  return roles.map((role) => ({
    ...role,
    failed: failedConditions(role.conditions, { ...call, declared }),
  }))
}

const denied = (reason: PolicyReason, failed: FailedCondition[] = []): PolicyDenial => ({
  code: 'policy_denied',
  reason,
  failed,
})

/**
 * A scope opens a tool where the token has it and a role whose conditions hold gives it. That the token lacks one is only
 * said where asking for it would help: a client that is told so asks the person again, and one that is told so once more
 * after that would never stop.
 */
function judgeScopes(
  rule: ToolRule,
  policy: ToolPolicy,
  { scopes }: ToolCaller,
  held: readonly JudgedRole[],
): PolicyDenial | undefined {
  const token = new Set(scopes)
  const given = (roles: readonly JudgedRole[]) => givenScopes(policy, roles)
  const opens = (roles: readonly JudgedRole[]) =>
    missingScopes(rule, intersection(token, given(roles))).length === 0
  const couldOpen = (roles: readonly JudgedRole[]) => missingScopes(rule, given(roles)).length === 0
  const holding = held.filter(({ failed }) => failed.length === 0)
  const mendable = held.filter(({ failed }) => failed.every((name) => mendedBySignIn.includes(name)))
  if (opens(holding)) return undefined
  if (couldOpen(holding)) return missing(rule, given(holding))
  if (opens(mendable)) return signInDenial(rule, mendable, opens)
  if (couldOpen(mendable)) return missing(rule, given(mendable))
  return couldOpen(held) ? denied('condition_failed', failedOf(rule, held)) : denied('not_bound')
}

function missing(rule: ToolRule, obtainable: ReadonlySet<string>): PolicyDenial {
  const scopes =
    rule.match === 'all' ? rule.scopes : rule.scopes.filter((name) => obtainable.has(name)).slice(0, 1)
  return { code: 'scope_insufficient', reason: 'scope_missing', scopes }
}

/** What a sign-in must be: a new one where that is enough, since that can be proven rather than a strength. */
function signInDenial(
  rule: ToolRule,
  mendable: readonly JudgedRole[],
  opens: (roles: readonly JudgedRole[]) => boolean,
): PolicyDenial {
  const byAge = mendable.filter(({ failed, conditions }) => failed.length === 0 || !conditions.acr_values)
  const sought = failing(rule, opens(byAge) ? byAge : mendable)
  const ages = sought.flatMap(({ conditions }) => conditions.max_authentication_age ?? [])
  const strengths = [...new Set(sought.flatMap(({ conditions }) => conditions.acr_values ?? []))]
  return {
    code: 'step_up_required',
    reason: 'sign_in_too_old_or_weak',
    failed: failedOf(rule, sought),
    stepUp: {
      ...(ages.length > 0 && { max_age: Math.min(...ages) }),
      ...(strengths.length > 0 && { acr_values: strengths }),
    },
  }
}

/** The roles that would help to open a tool, did their conditions hold. */
const failing = (rule: ToolRule, roles: readonly JudgedRole[]) =>
  roles.filter(
    ({ document, failed }) => failed.length > 0 && document.scopes.some((name) => rule.scopes.includes(name)),
  )

const failedOf = (rule: ToolRule, roles: readonly JudgedRole[]) => [
  ...new Set(failing(rule, roles).flatMap(({ failed }) => failed)),
]

/** What roles give of a resource's scopes; all of them where they are everybody's. */
export function givenScopes(
  { access, resourceScopes }: Pick<ToolPolicy, 'access' | 'resourceScopes'>,
  roles: readonly Pick<HeldRole, 'document'>[],
): Set<string> {
  if (access === 'everyone') return new Set(resourceScopes)
  const given = new Set(roles.flatMap(({ document }) => document.scopes))
  return new Set(resourceScopes.filter((scope) => given.has(scope)))
}

const intersection = (left: ReadonlySet<string>, right: ReadonlySet<string>) =>
  new Set([...left].filter((name) => right.has(name)))

function allowance({ quotas }: ToolPolicy, held: readonly JudgedRole[], tool: JudgedTool): PolicyVerdict {
  const roles = held.filter(({ failed }) => failed.length === 0)
  const drawn = quotas.filter(({ document }) => applies(document, tool.name, roles))
  const stepUp = tool.rule?.step_up
  const isConditional = held.some(({ conditions }) => Object.keys(conditions).length > 0)
  return {
    allowed: true,
    bindings: roles.map(({ bindingId }) => bindingId),
    ...(stepUp && { stepUp }),
    quotas: drawn,
    // What hangs on the hour, the address or the arguments is said anew each time.
    cacheLifetime: stepUp || drawn.length > 0 || isConditional ? 0 : cacheLifetime,
  }
}
