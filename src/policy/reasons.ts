import type { Ruling } from './decide.ts'
import type { PolicyReason } from './decision.ts'

/** Why a call may not be made, as the token goes in the order in which it is said; only a missing scope comes before its end. */
export type DenialCode =
  | 'invalid_token'
  | 'invalid_audience'
  | 'token_revoked'
  | 'membership_inactive'
  | 'client_registration_revoked'
  | 'resource_disabled'
  | Extract<Ruling, { allowed: false }>['code']

/** What a person is told, by what was found. */
const sentences: Record<Exclude<DenialCode, 'policy_denied'>, string> = {
  invalid_token: 'The access token is not one of this gateway, or has ended.',
  invalid_audience: 'The access token is for another MCP server.',
  resource_disabled: 'An administrator has closed this MCP server.',
  client_registration_revoked: 'An administrator has blocked this client; signing in again does not help.',
  membership_inactive: 'An administrator has blocked this person.',
  token_revoked: 'The access was revoked; the person must sign in again.',
  scope_insufficient: 'The person has not allowed this yet; the client may ask them.',
  step_up_required: 'This call needs a new sign-in.',
  step_up_unavailable: 'This call needs a new sign-in, and no provider of this person can prove one.',
  rate_limited: 'There were as many calls as are allowed for now.',
}

const policySentences: Record<PolicyReason, string> = {
  unknown_tool: 'The MCP server never published a tool of this name.',
  not_live: 'This MCP server is not open to people yet.',
  tool_unreviewed: 'An administrator has not yet reviewed this tool.',
  tool_changed: 'This tool has changed; an administrator must review it again.',
  tool_withdrawn: 'The MCP server publishes this tool no more.',
  tool_denied: 'This tool is denied to this person.',
  not_bound: 'No role of this person opens this tool.',
  condition_failed: 'A condition of the role that opens this tool does not hold.',
  quota_of_none: 'A quota allows no call of this tool at all.',
}

export function sentenceFor(code: DenialCode, reason: string): string {
  return code === 'policy_denied' ? policySentences[reason as PolicyReason] : sentences[code]
}
