import { type Denial, deny } from './denials.ts'
import { type ImpliedScopes, missingScopes } from './scope.ts'
import { type ToolCaller, type ToolPolicy, unknownTool } from './tool-policy.ts'

/** What opens a tool: any of its scopes, unless all are needed; `public` tools open to every valid token. */
export type ToolRule = 'public' | { readonly scopes: readonly string[]; readonly match?: 'any' | 'all' }

/** The rules of all tools by their names. A tool that is not among them is open to nobody. */
export type ToolScopes = Readonly<Record<string, ToolRule>>

/** Decides by the scopes of the token alone, with whatever authorization server. */
export function scopeRules(rules: ToolScopes, implied: ImpliedScopes): ToolPolicy {
  const ruled = (tool: string, { scopes }: ToolCaller): Denial | undefined => {
    const rule = Object.hasOwn(rules, tool) ? rules[tool] : undefined
    return rule === undefined ? unknownTool(tool) : lacking(rule, tool, scopes, implied)
  }
  return {
    decide: async (calls, caller) => calls.map(({ tool }) => ruled(tool, caller)),
    reach: async (caller) => ({ outcome: 'known', mayCall: (tool) => ruled(tool, caller) === undefined }),
  }
}

function lacking(
  rule: ToolRule,
  tool: string,
  granted: readonly string[],
  implied: ImpliedScopes,
): Denial | undefined {
  if (rule === 'public') return undefined
  const { scopes, match = 'any' } = rule
  const missing = missingScopes(granted, scopes, implied)
  const opens = match === 'all' ? missing.length === 0 : missing.length < scopes.length
  if (opens) return undefined
  // Of several that would do, one is asked for: a client asks for all it is told.
  const requiredScopes = match === 'all' ? scopes : scopes.slice(0, 1)
  return deny('scope_insufficient', { requiredScopes, grantedScopes: granted, tool })
}

/** All scopes that open something; where the gateway decides, only it knows. */
export function scopesOfRules(tools: 'gateway' | ToolScopes = {}): string[] {
  if (tools === 'gateway') return []
  return [...new Set(Object.values(tools).flatMap((rule) => (rule === 'public' ? [] : rule.scopes)))]
}

export function mistakesOfRules(rules: ToolScopes): string[] {
  return Object.entries(rules)
    .filter(([, rule]) => rule !== 'public' && rule.scopes.length === 0)
    .map(([tool]) => `tools: ${tool} has no scopes; say 'public' if every token opens it`)
}
