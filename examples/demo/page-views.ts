import { type Html, html } from '../../src/lib/html.ts'
import type { ToolAnswer } from './mcp-client.ts'
import { pageStyle } from './page-style.ts'

export type { Html }

export function startView({ mcpUrl }: { mcpUrl: string }): Html {
  return layout(html`<h1>An MCP client</h1>
<p>This page plays the part of Claude, Cursor or any other MCP client. All it knows is the address of an MCP server:</p>
<p><code class="address">${mcpUrl}</code></p>
<form method="post" action="/connect"><button class="main">Connect</button></form>
<p class="small">You will meet Coatcheck, then GitHub, Google and Atlassian. The three are stand-ins on this machine: be Ada or Grace, there is no password.</p>`)
}

export type ConnectedProps = {
  mcpUrl: string
  tools: readonly string[]
  last?: { tool: string; answer: ToolAnswer }
  claims: Record<string, unknown>
}

export function connectedView({ mcpUrl, tools, last, claims }: ConnectedProps): Html {
  return layout(html`<h1>Connected</h1>
<p>The MCP server at <code>${mcpUrl}</code> has these tools. Call one.</p>
<form method="post" action="/call" class="tools">${tools.map(
    (tool) => html`<button name="tool" value="${tool}">${tool}</button>
`,
  )}</form>
${last && answerPart(last)}
<details><summary>The token this client holds</summary>
<p class="small">It opens nothing but the MCP server. What GitHub, Google and Atlassian gave stays with Coatcheck; <code>tsid</code> is the ticket the MCP server fetches it with, and is worth nothing without the server's own credential.</p>
<pre>${JSON.stringify(claims, undefined, 2)}</pre></details>
<form method="post" class="others">
<button class="quiet" formaction="/revoke">Take access back at GitHub</button>
<button class="quiet" formaction="/forget">Start over</button>
</form>
<p class="small">Taking it back is what people do in their settings at GitHub, where Coatcheck does not hear of it.</p>`)
}

export function failedView(message: string): Html {
  return layout(html`<h1>That did not work</h1>
<p>${message}</p>
<form method="post" action="/forget"><button class="main">Start over</button></form>`)
}

function answerPart({ tool, answer }: { tool: string; answer: ToolAnswer }): Html {
  return html`<section class="${answer.isError ? 'answer error' : 'answer'}" aria-label="Answer">
<h2>${tool}</h2>
<pre>${linked(answer.text)}</pre>
</section>`
}

/** An address in a text becomes a link, as MCP clients show it. */
function linked(text: string): Html[] {
  return text.split(/(https?:\/\/\S+)/).map((part, index) => {
    return index % 2 === 1
      ? html`<a href="${part}" target="_blank" rel="noopener">${part}</a>`
      : html`${part}`
  })
}

function layout(content: Html): Html {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Coatcheck demo</title>
<style>${pageStyle}</style></head>
<body><main><header><span aria-hidden="true"></span>Coatcheck demo</header>
<div class="body">${content}</div></main></body></html>
`
}
