import type { JsonObject } from './bounded-fetch.ts'
import { canonicalJson } from './canonical-json.ts'
import { digest } from './digest.ts'
import type { ToolCall } from './rpc-body.ts'

/** A call as the gateway is asked about it, wire names. */
export type AskedCall = {
  readonly tool: string
  readonly arguments: JsonObject
  readonly arguments_digest?: string
}

/** Names and values of one call that are sent, in characters; all calls of a batch share the larger number. */
const mostOfCall = 16_000
const mostOfAll = 40_000
/** A longer value is no limit of a condition, only content. */
const mostOfMember = 2000
/** Of the gateway; the arguments stand three levels down in what is asked. */
const deepestMember = 24

/**
 * What is asked about a call. Of large arguments the long members are left out, and the digest of all stands for them. `null`
 * marks their place: a limit on a member that was left out must not be taken to hold. Undefined where even that is too
 * much to ask.
 */
export async function askedCall(call: ToolCall, share: number): Promise<AskedCall | undefined> {
  const { tool, arguments: values } = call
  const budget = Math.min(mostOfCall, Math.floor(mostOfAll / share))
  if (JSON.stringify(values).length <= budget && isShallow(values, deepestMember))
    return { tool, arguments: values }
  let left = budget - Object.keys(values).reduce((sum, name) => sum + JSON.stringify(name).length + 6, 0)
  if (left < 0) return undefined
  const told: [string, unknown][] = []
  for (const [name, value] of Object.entries(values)) {
    const size = JSON.stringify(value).length
    const fits = size <= mostOfMember && size <= left && isShallow(value, deepestMember)
    if (fits) left -= size
    told.push([name, fits ? value : null])
  }
  return { tool, arguments: Object.fromEntries(told), arguments_digest: await argumentsDigest(values) }
}

/** Of all arguments, as RFC 8785 writes them. */
export async function argumentsDigest(values: JsonObject): Promise<string> {
  return `sha256:${await digest(canonicalJson(values))}`
}

function isShallow(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  return levels > 0 && Object.values(value).every((each) => isShallow(each, levels - 1))
}
