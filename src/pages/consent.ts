import { displayText } from '../lib/display-text.ts'
import { type Html, html } from '../lib/html.ts'
import { type ClientShown, clientFacts, clientName, thisClient } from './client-shown.ts'
import { type FormProps, form } from './form.ts'
import { layout } from './layout.ts'
import { type McpServerShown, mcpServerName } from './mcp-server-shown.ts'
import { entry, type RightsShown, rightsPart } from './rights.ts'

export type ProviderAsked = RightsShown & {
  id: string
  name: string
  /** `work`: the MCP server may use the account; `sign in`: it only tells us who the person is. */
  purpose: 'work' | 'sign in'
  need: 'required' | 'optional'
  /** The label of the account that is already connected. */
  account?: string
}

export type ConsentProps = FormProps & {
  client: ClientShown
  mcpServer?: McpServerShown
  /** The MCP server's own scopes that were asked for. */
  scopes: readonly { id: string; sentence: string }[]
  providers: readonly ProviderAsked[]
  person: PersonShown
  /** The one call of a tool that waits for this sign-in. */
  confirms?: { tool: string }
  issuerHost: string
  /** The page where people take things back. */
  accountUrl: string
}

export type PersonShown =
  | { state: 'signed in'; label: string }
  /** Nobody yet: after the yes the person goes to this provider to sign in. */
  | { state: 'signs in at'; providerName: string }

/**
 * The question before anything is shared. Answers `decision=allow|deny`, and `provider=<id>` once for each optional
 * provider that stays included; a form of its own answers `decision=switch`.
 */
export function consentPage(props: ConsentProps): Html {
  return layout(
    { title: 'Allow access?', issuerHost: props.issuerHost },
    html`<h1>${question(props)}</h1>
${person(props)}
${clientFacts(props.client, props.mcpServer)}
${form(
  props,
  html`${callPart(props)}
${serverPart(props)}
${props.providers.map((provider) => providerPart(provider, props))}
${promise(props)}
<div class="answers">
<button class="quiet" name="decision" value="deny">Deny</button>
<button class="main" name="decision" value="allow">Allow</button>
</div>`,
)}`,
  )
}

function question(props: ConsentProps): Html {
  const asker = clientName(props.client)
  return props.mcpServer === undefined
    ? html`${asker} asks you to sign in`
    : html`${asker} asks to use ${mcpServerName(props.mcpServer)} for you`
}

function person(props: ConsentProps): Html {
  if (props.person.state === 'signs in at') {
    return html`<p class="person">You will be sent to ${displayText(props.person.providerName, 60)} to sign in.</p>`
  }
  return html`<div class="person"><p>Signed in as <strong><bdi>${displayText(props.person.label)}</bdi></strong>.</p>
${form(props, html`<button class="link" name="decision" value="switch">Not you? Switch account</button>`)}</div>`
}

function callPart({ confirms, mcpServer }: ConsentProps): Html | undefined {
  if (confirms === undefined) return undefined
  const where = mcpServer === undefined ? undefined : html` at ${mcpServerName(mcpServer)}`
  return html`<section class="call">
<h2>This confirms one call</h2>
<p><strong><bdi>${displayText(confirms.tool)}</bdi></strong>${where} is waiting for you to sign in again. Deny if you did not ask for this.</p>
</section>`
}

function serverPart(props: ConsentProps): Html | undefined {
  if (props.mcpServer === undefined) return undefined
  const scopes = props.scopes.map((scope) => entry(scope.sentence, [scope.id]))
  return html`<section>
<h2>At ${mcpServerName(props.mcpServer)}, ${thisClient(props.client)} could</h2>
<ul class="rights" role="list">${scopes.length === 0 ? entry('Use this MCP server', []) : scopes}</ul>
</section>`
}

function providerPart(provider: ProviderAsked, props: ConsentProps): Html {
  const name = displayText(provider.name, 60)
  const user =
    provider.purpose === 'work' && props.mcpServer !== undefined ? mcpServerName(props.mcpServer) : undefined
  return html`<section>
${rightsPart(name, provider, user)}
${whatFollows(provider, props.person)}
${provider.need === 'optional' ? leaveOut(provider.id, name) : undefined}
</section>`
}

function whatFollows(provider: ProviderAsked, person: PersonShown): Html | undefined {
  if (provider.account !== undefined) {
    return html`<p class="small">You are connected there as <bdi>${displayText(provider.account)}</bdi>.</p>`
  }
  const saidAbove = person.state === 'signs in at' && person.providerName === provider.name
  return saidAbove ? undefined : html`<p class="small">You will sign in there next.</p>`
}

function leaveOut(id: string, name: string): Html {
  return html`<label class="include"><input type="checkbox" name="provider" value="${id}" checked> <span>Include ${name}. <span class="small">You can leave this out.</span></span></label>`
}

function promise(props: ConsentProps): Html {
  const keys =
    props.providers.length === 0
      ? undefined
      : html`${clientName(props.client)} never gets a key to ${listed(props.providers)}. Coatcheck keeps it. `
  const account = html`You can take this back at any time on <a href="${props.accountUrl}">your account page</a>.`
  return html`<p class="promise">${keys}${account}</p>`
}

function listed(providers: readonly ProviderAsked[]): string {
  return new Intl.ListFormat('en', { type: 'disjunction' }).format(
    providers.map((each) => displayText(each.name, 60)),
  )
}
