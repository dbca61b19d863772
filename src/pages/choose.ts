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
  if (props.providers.length === 0) return noWayIn(props)
  return layout(
    { title: 'Sign in to continue', issuerHost: props.issuerHost },
    html`<h1>Sign in to continue</h1>
${whoSent(props)}
${form(props, html`<div class="choices">${props.providers.map(choice)}</div>`)}
<p class="small">Nothing is shared yet. You will see what is asked of you, and you decide.</p>`,
  )
}

function noWayIn(props: ChooseProps): Html {
  return layout(
    { title: 'There is no way to sign in yet', issuerHost: props.issuerHost },
    html`<h1>There is no way to sign in yet</h1>
${whoSent(props)}
<p>Nobody has set up where people sign in for this. Nothing was shared.</p>
<h2>What you can do</h2>
<p>Please tell the administrator.</p>`,
  )
}

function whoSent(props: ChooseProps): Html {
  return html`<p class="lead">${clientName(props.client)} sent you here${purpose(props.mcpServer)}.</p>`
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
