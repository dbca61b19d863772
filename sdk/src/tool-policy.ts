import type { Denial } from './denials.ts'
import { deny } from './denials.ts'
import type { ToolCall } from './rpc-body.ts'

/** Whose call it is. */
export type ToolCaller = {
  readonly token: string
  readonly scopes: readonly string[]
  /** Where the client is, as far as this server knows. */
  readonly address?: string | undefined
}

/** What a caller may see of a list. */
export type ToolReach =
  | { readonly outcome: 'known'; readonly mayCall: (tool: string) => boolean }
  | { readonly outcome: 'denied'; readonly denial: Denial }

/** Who decides about tools. */
export type ToolPolicy = {
  /** A denial, or undefined for a yes, for each call in turn. */
  decide(calls: readonly ToolCall[], caller: ToolCaller): Promise<readonly (Denial | undefined)[]>
  reach(caller: ToolCaller): Promise<ToolReach>
}

/** For what no tool can be called; a policy cannot know it. */
export const unknownTool = (tool: string): Denial => deny('policy_denied', { reason: 'unknown_tool', tool })
