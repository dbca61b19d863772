import { displayExact, displayText } from '../lib/display-text.ts'
import { type Html, html } from '../lib/html.ts'

/** An MCP server as people see it; `uri` is its canonical URI. */
export type McpServerShown = { name: string; uri: string }

export function mcpServerName(server: Pick<McpServerShown, 'name'>): Html {
  const name = displayText(server.name, 60)
  return html`<bdi>${name === '' ? 'the MCP server' : name}</bdi>`
}

/** Its name, and where it really is. */
export function mcpServerFact(server: McpServerShown): Html {
  return html`<strong>${mcpServerName(server)}</strong> <span class="exact">${displayExact(server.uri)}</span>`
}
