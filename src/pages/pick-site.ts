import { displayText } from '../lib/display-text.ts'
import { type Html, html } from '../lib/html.ts'
import { exactHost } from './fact.ts'
import { type FormProps, form } from './form.ts'
import { layout } from './layout.ts'
import { type McpServerShown, mcpServerName } from './mcp-server-shown.ts'

export type PickSiteProps = FormProps & {
  provider: { name: string }
  mcpServer?: Pick<McpServerShown, 'name'>
  /** The label of the account that opens them. */
  account: string
  sites: readonly { id: string; name: string; url?: string }[]
  /** The id of the one that was picked the last time. */
  before?: string
  /** What leaving says. */
  leave: 'deny' | 'back'
  issuerHost: string
}

/** Where to work, of the sites one account opens: each is a button of the form, `site=<id>`. */
export function pickSitePage(props: PickSiteProps): Html {
  const provider = displayText(props.provider.name, 60)
  const server = props.mcpServer === undefined ? html`the MCP server` : mcpServerName(props.mcpServer)
  const sites = props.sites.toSorted((a, b) => Number(b.id === props.before) - Number(a.id === props.before))
  return layout(
    { title: `Which ${provider} site?`, issuerHost: props.issuerHost },
    html`<h1>Which ${provider} site?</h1>
<p class="lead">Your account <strong><bdi>${displayText(props.account)}</bdi></strong> opens several. Pick the one ${server} is to work with.</p>
<p class="small">This tells ${server} where to work. The key that ${provider} gave opens all of these; to close one to it, take the site away at ${provider}.</p>
${form(
  props,
  html`<div class="choices">${sites.map((site) => choice(site, props.before))}</div>
<div class="answers"><button class="quiet" name="decision" value="${props.leave}">Cancel</button></div>`,
)}`,
  )
}

function choice(site: PickSiteProps['sites'][number], before: string | undefined): Html {
  const host = site.url === undefined ? undefined : URL.parse(site.url)?.host
  const at = host === undefined ? undefined : html` <span class="small">${exactHost(host)}</span>`
  const again = site.id === before ? html` <span class="small">You picked this one before</span>` : undefined
  return html`<button class="choice" name="site" value="${site.id}"><span><bdi>${displayText(site.name, 60)}</bdi>${at}${again}</span></button>
`
}
