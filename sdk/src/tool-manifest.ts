import type { JsonObject } from './bounded-fetch.ts'
import type { InMemoryClient } from './in-memory-client.ts'
import { isObject } from './rpc-body.ts'

/** A tool as it is published, wire names. */
export type ManifestTool = {
  readonly name: string
  readonly title?: string
  readonly description?: string
  readonly input_schema: JsonObject
  readonly annotations?: JsonObject
  readonly suggested_scopes?: readonly string[]
}

/** What its author thinks should open a tool, by its name. An administrator decides. */
export type SuggestedScopes = Readonly<Record<string, readonly string[]>>

const revision = '2025-11-25'
const mostPages = 100

/** Opens the session as MCP wants it, before anything is listed. */
export async function greet(client: InMemoryClient): Promise<void> {
  const clientInfo = { name: '@coatcheck/mcp', version: '0' }
  await client.request('initialize', { protocolVersion: revision, capabilities: {}, clientInfo })
  client.notify('notifications/initialized')
}

/** All pages of a server's list of tools. */
export async function listTools(client: InMemoryClient): Promise<unknown[]> {
  const tools: unknown[] = []
  let cursor: unknown
  for (let page = 0; page < mostPages; page++) {
    const result = await client.request('tools/list', typeof cursor === 'string' ? { cursor } : {})
    if (!Array.isArray(result.tools)) throw new Error('The server answers tools/list with no list')
    tools.push(...result.tools)
    cursor = result.nextCursor
    if (cursor === undefined) return tools
  }
  throw new Error('The list of tools does not end')
}

/** Tools as MCP lists them, as the gateway takes them. What has no name cannot be called, and is left out. */
export function manifestOf(tools: readonly unknown[], suggested: SuggestedScopes): ManifestTool[] {
  return tools.filter(isObject).flatMap((tool) => {
    const { name, title, description, inputSchema, annotations } = tool
    if (typeof name !== 'string') return []
    const scopes = Object.hasOwn(suggested, name) ? suggested[name] : undefined
    return [
      {
        name,
        ...(typeof title === 'string' && { title }),
        ...(typeof description === 'string' && { description }),
        input_schema: isObject(inputSchema) ? inputSchema : {},
        ...(isObject(annotations) && { annotations }),
        ...(scopes && { suggested_scopes: scopes }),
      },
    ]
  })
}
