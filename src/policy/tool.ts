import { z } from 'zod'
import { canonicalJson } from '../lib/canonical-json.ts'
import { scopeTokenPattern } from '../lib/scope-token.ts'
import { sha256 } from '../lib/secret.ts'
import type { PublishedTool, StepUpRule, ToolRule } from '../storage/documents.ts'
import type { BriefTool, Tool } from '../storage/tools.ts'

const scope = z.string().regex(scopeTokenPattern, 'is not a scope')

/** Characters of JSON. A tool is read for every decision about it. */
const longestTool = 100_000

/** Two names that look like one would be reviewed as one: none has characters that nobody sees. */
const name = z
  .string()
  .max(200)
  .regex(/^[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+$/u, 'has characters that cannot be seen')

/** A tool as `tools/list` has it, and what its author suggests. */
export const publishedToolSchema = z
  .strictObject({
    name,
    title: z.string().max(300).optional(),
    description: z.string().max(20_000).optional(),
    input_schema: z.record(z.string(), z.unknown()),
    annotations: z.record(z.string(), z.unknown()).optional(),
    suggested_scopes: z.array(scope).max(20).optional().describe('What its author thinks should open it'),
  })
  .refine((tool) => JSON.stringify(tool).length <= longestTool, 'is too long')

const stepUp = z
  .strictObject({
    max_age: z.int().min(0).max(86_400).optional().describe('Seconds since the sign-in'),
    acr_values: z.array(z.string().regex(scopeTokenPattern)).min(1).max(10).optional(),
  })
  .refine((rule) => Object.keys(rule).length > 0, 'demands nothing')

/** How an administrator opens a tool. */
export const toolRuleSchema = z
  .strictObject({
    access: z.enum(['scopes', 'public']).default('scopes'),
    scopes: z.array(scope).max(20).default([]),
    match: z
      .enum(['any', 'all'])
      .default('any')
      .describe('Whether any of the scopes opens it, or all together'),
    step_up: stepUp.optional().describe('Each call needs a sign-in made for it'),
  })
  .superRefine(({ access, scopes }, context) => {
    const refuse = (message: string) => context.addIssue({ code: 'custom', path: ['scopes'], message })
    if (access === 'scopes' && scopes.length === 0) refuse('must name what opens the tool')
    if (access === 'public' && scopes.length > 0) refuse('must be empty where the tool is public')
  })

/**
 * `unreviewed`: nobody has said yet how it opens. `changed`: it is not any more what was reviewed. `withdrawn`: its MCP
 * server publishes it no more.
 */
export type ToolState = 'approved' | 'unreviewed' | 'changed' | 'withdrawn'

export function toolState({ isPublished, rule, reviewedHash, publishedHash }: BriefTool): ToolState {
  if (!isPublished) return 'withdrawn'
  if (rule === null) return 'unreviewed'
  return reviewedHash === publishedHash ? 'approved' : 'changed'
}

/** What a review is of: everything a caller or a model goes by; suggestions are only suggestions. */
export function publishedHash({ suggested_scopes: _, ...tool }: PublishedTool): string {
  return sha256(canonicalJson(tool))
}

/** The scopes a tool's rule needs that `held` lacks so that it does not open; empty where it opens. */
export function missingScopes({ access, scopes, match }: ToolRule, held: ReadonlySet<string>): string[] {
  if (access === 'public') return []
  if (match === 'any' && scopes.some((name) => held.has(name))) return []
  return scopes.filter((name) => !held.has(name))
}

/** Whether somebody may call a tool by a rule who could not by the one before it. */
export function isWeaker(after: ToolRule, before: ToolRule): boolean {
  const keys =
    after.access === 'public'
      ? [[]]
      : after.match === 'all'
        ? [after.scopes]
        : after.scopes.map((name) => [name])
  const opensToMore = keys.some((key) => missingScopes(before, new Set(key)).length > 0)
  return opensToMore || asksLess(after.step_up, before.step_up)
}

function asksLess(after: StepUpRule | undefined, before: StepUpRule | undefined): boolean {
  if (!before) return false
  const { max_age: age = Number.POSITIVE_INFINITY, acr_values: strengths } = after ?? {}
  const { max_age: ageBefore = Number.POSITIVE_INFINITY, acr_values: strengthsBefore } = before
  if (!after || age > ageBefore) return true
  return (
    strengthsBefore !== undefined && !(strengths?.every((each) => strengthsBefore.includes(each)) ?? false)
  )
}

/** The members in which what is published is not what was reviewed. */
export function changedMembers({ published, reviewed }: Tool): string[] {
  if (reviewed === null) return []
  const names = new Set([...Object.keys(published), ...Object.keys(reviewed)]) as Set<keyof PublishedTool>
  names.delete('suggested_scopes')
  return [...names].filter((name) => canonicalJson(published[name]) !== canonicalJson(reviewed[name]))
}
