import { displayText } from '../lib/display-text.ts'
import { type Html, html } from '../lib/html.ts'
import { layout } from './layout.ts'
import { type McpServerShown, mcpServerName } from './mcp-server-shown.ts'

export type DoneProps = {
  outcome: 'connected' | 'unchanged'
  provider: { name: string }
  mcpServer: Pick<McpServerShown, 'name'>
  /** The label of the account that was connected. */
  account?: string
  issuerHost: string
  /** The page where people take things back. */
  accountUrl: string
}

/** The end of a connect link. */
export function donePage(props: DoneProps): Html {
  return props.outcome === 'connected' ? connected(props) : unchanged(props)
}

function connected(props: DoneProps): Html {
  const provider = displayText(props.provider.name, 60)
  const account =
    props.account === undefined ? undefined : html` <strong><bdi>${displayText(props.account)}</bdi></strong>`
  return layout(
    { title: 'Connected', issuerHost: props.issuerHost },
    html`<h1>Connected</h1>
<p class="lead">${mcpServerName(props.mcpServer)} can now work with your ${provider} account${account}.</p>
<p>Go back to your MCP client and carry on. You can close this page.</p>
<p class="promise">You can take this back at any time on <a href="${props.accountUrl}">your account page</a>.</p>`,
  )
}

function unchanged(props: DoneProps): Html {
  return layout(
    { title: 'Nothing was changed', issuerHost: props.issuerHost },
    html`<h1>Nothing was changed</h1>
<p class="lead">${displayText(props.provider.name, 60)} was not connected to ${mcpServerName(props.mcpServer)}.</p>
<p>If you change your mind, ask for it again in your MCP client. You can close this page.</p>`,
  )
}
