import { displayText } from '../lib/display-text.ts'
import { type Html, html } from '../lib/html.ts'
import { fact } from './fact.ts'
import { type FormProps, form } from './form.ts'
import { layout } from './layout.ts'
import { type McpServerShown, mcpServerFact, mcpServerName } from './mcp-server-shown.ts'
import { type RightsShown, rightsPart } from './rights.ts'

export type ConnectReason =
  | 'not connected'
  | 'needs signing in again'
  | 'more rights'
  | 'another account'
  | 'site gone'

export type ConnectProps = FormProps &
  RightsShown & {
    mcpServer: McpServerShown
    provider: { id: string; name: string }
    reason: ConnectReason
    /** Whose session the link was made for, if it is known. */
    person?: { label: string }
    /** The label of the account to sign in to again or to widen. */
    account?: string
    issuerHost: string
  }

/** What a connect link opens. Answers `decision=continue|not-now`. */
export function connectPage(props: ConnectProps): Html {
  const provider = displayText(props.provider.name, 60)
  const server = mcpServerName(props.mcpServer)
  return layout(
    { title: heading(props.reason, provider), issuerHost: props.issuerHost },
    html`<h1>${heading(props.reason, provider)}</h1>
<p class="lead">${why(props, provider)}</p>
<dl class="facts">
${fact('Asked by', mcpServerFact(props.mcpServer))}
${props.person === undefined ? undefined : fact('For', html`<bdi>${displayText(props.person.label)}</bdi>`)}
${props.account === undefined ? undefined : fact(`${provider} account`, html`<bdi>${displayText(props.account)}</bdi>`)}
</dl>
<p class="warning"><strong>Did your own MCP client show you this link?</strong> If somebody sent it to you, choose Not now: they would get to use your account.</p>
${form(
  props,
  html`<section>
${rightsPart(provider, props, server)}
</section>
<p class="promise">Your MCP client never gets a key to ${provider}. Coatcheck keeps it.</p>
<div class="answers">
<button class="quiet" name="decision" value="not-now">Not now</button>
<button class="main" name="decision" value="continue">Continue</button>
</div>`,
)}`,
  )
}

function heading(reason: ConnectReason, provider: string): string {
  switch (reason) {
    case 'not connected':
      return `Connect ${provider}?`
    case 'needs signing in again':
      return `Sign in to ${provider} again?`
    case 'more rights':
      return `Allow more at ${provider}?`
    case 'another account':
      return `Connect another ${provider} account?`
    case 'site gone':
      return `Pick another ${provider} site?`
  }
}

function why(props: ConnectProps, provider: string): Html {
  const server = mcpServerName(props.mcpServer)
  switch (props.reason) {
    case 'not connected':
      return html`For what you asked, ${server} needs your ${provider} account.`
    case 'needs signing in again':
      return html`Your connection to ${provider} has ended. ${server} can go on once you sign in there again.`
    case 'more rights':
      return html`You are connected to ${provider}, but what you asked of ${server} needs more than you allowed so far.`
    case 'another account':
      return html`What you asked of ${server} needs another ${provider} account than the one you connected.`
    case 'site gone':
      return html`The ${provider} site that ${server} worked with is no longer open to it. It can go on once you sign in there again and pick a site.`
  }
}
