import type { JsonObject } from './bounded-fetch.ts'
import type { DenialSite } from './denial-answer.ts'
import { denialMessage } from './json-rpc.ts'
import { isObject } from './rpc-body.ts'
import type { ToolReach } from './tool-policy.ts'

/**
 * A list of tools answers one of these requests, or looks like nothing else: which stream an answer comes on is for the
 * server to choose, and a request on another connection may have taken the same id.
 */
export function isToolList(message: unknown, listIds: readonly unknown[]): message is ToolList {
  if (!isObject(message) || !isObject(message.result)) return false
  const { tools, content } = message.result
  return Array.isArray(tools) && (listIds.includes(message.id) || !Array.isArray(content))
}

export type ToolList = JsonObject & {
  readonly id?: string | number
  readonly result: JsonObject & { readonly tools: readonly unknown[] }
}

/** What of a list somebody is shown; all other members stay, such as `nextCursor`. */
export function shownList(message: ToolList, reach: ToolReach, site: DenialSite): JsonObject {
  if (reach.outcome === 'denied') {
    const { id = '' } = message
    return denialMessage(reach.denial, { id, method: 'tools/list' }, site) ?? {}
  }
  const tools = message.result.tools.filter(
    (tool) => isObject(tool) && typeof tool.name === 'string' && reach.mayCall(tool.name),
  )
  return { ...message, result: { ...message.result, tools } }
}

/** Looks at the text of an answer, and answers the same text where nothing in it is a list. */
export type AnswerEdit = (text: string) => string | Promise<string>

export function listEdit(
  listIds: readonly (string | number)[],
  reach: () => Promise<ToolReach>,
  site: DenialSite,
): AnswerEdit {
  return (text) => {
    // Most answers are large and none of this: they are not parsed. JSON may write any letter as an escape.
    if (!text.includes('tools') && !text.includes('\\u00')) return text
    const value = parse(text)
    const messages: unknown[] = Array.isArray(value) ? value : [value]
    if (!messages.some((message) => isToolList(message, listIds))) return text
    return reach().then((known) => {
      const shown = messages.map((message) =>
        isToolList(message, listIds) ? shownList(message, known, site) : message,
      )
      return JSON.stringify(Array.isArray(value) ? shown : shown[0])
    })
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
