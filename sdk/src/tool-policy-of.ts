import { gatewayPolicy } from './gateway-policy.ts'
import type { Protection } from './protect.ts'
import { mistakesOfRules, scopeRules } from './scope-rules.ts'
import { ConfigurationError, type Settings } from './settings.ts'
import type { ToolPolicy } from './tool-policy.ts'

/** Seconds in which a decision must be there: a person waits for the call behind it. */
const usualDeadline = 1

/** Who decides about the tools of a protection; undefined where nobody does. */
export function toolPolicyOf(
  { tools, decisionDeadline = usualDeadline }: Pick<Protection, 'tools' | 'decisionDeadline'>,
  { credential, servers, outside, impliedScopes }: Settings,
): ToolPolicy | undefined {
  if (tools === undefined) return undefined
  if (tools !== 'gateway') {
    const mistakes = mistakesOfRules(tools)
    if (mistakes.length > 0) throw new ConfigurationError(mistakes)
    return scopeRules(tools, impliedScopes)
  }
  if (!credential)
    throw new ConfigurationError(['credential: the gateway decides about tools for who has one'])
  const [{ issuer }] = servers
  return gatewayPolicy({ issuer, credential, outside: { ...outside, deadline: decisionDeadline } })
}
