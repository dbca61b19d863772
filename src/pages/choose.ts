import { displayText } from '../lib/display-text.ts'
import { type Html, html } from '../lib/html.ts'
import { type ClientShown, clientName } from './client-shown.ts'
import { exactHost } from './fact.ts'
import { type FormProps, form } from './form.ts'
import { layout } from './layout.ts'
import { type McpServerShown, mcpServerName } from './mcp-server-shown.ts'

export type ChooseProps = FormProps & {
  client: ClientShown
  mcpServer?: McpServerShown
  /** The ways to sign in, in the order to show them. */
  providers: readonly { id: string; name: string }[]
  issuerHost: string
}

/** "Sign in to continue": each provider is a button of the form, `provider=<id>`. */
export function choosePage(props: ChooseProps): Html {
  return layout(
    { title: 'Sign in to continue', issuerHost: props.issuerHost },
    html`<h1>Sign in to continue</h1>
<p class="lead">${clientName(props.client)} sent you here${purpose(props.mcpServer)}.</p>
${form(props, html`<div class="choices">${props.providers.map(choice)}</div>`)}
<p class="small">Nothing is shared yet. You will see what is asked of you, and you decide.</p>`,
  )
}

function purpose(server: McpServerShown | undefined): Html | undefined {
  if (server === undefined) return undefined
  const host = URL.parse(server.uri)?.host ?? server.uri
  return html` to use <strong>${mcpServerName(server)}</strong> at ${exactHost(host)}`
}

function choice(provider: { id: string; name: string }): Html {
  return html`<button class="choice" name="provider" value="${provider.id}">Sign in with ${displayText(provider.name, 60)}</button>
`
}
