import { displayText } from '../lib/display-text.ts'
import { type Html, html } from '../lib/html.ts'
import { type ClientShown, clientName } from './client-shown.ts'
import { type FormProps, form } from './form.ts'
import { layout } from './layout.ts'
import { type McpServerShown, mcpServerFact, mcpServerName } from './mcp-server-shown.ts'
import { type RightsShown, rightsList } from './rights.ts'
import { ago } from './times.ts'

/** One client at one MCP server, however many sessions it has there. */
export type AccessShown = {
  client: Pick<ClientShown, 'name'>
  /** Absent: the client only signs the person in. */
  mcpServer?: McpServerShown
  /** The MCP servers it called in the person's name. */
  called?: readonly Pick<McpServerShown, 'name'>[]
  sinceAt: number
  lastUsedAt: number
  /** Names it in the form. */
  fields: Readonly<Record<string, string>>
}

/** `site` is the name of the one it works with, where the account opens any. */
export type UseShown = Pick<McpServerShown, 'name'> & ({ site?: string } | { siteIs: 'gone' })

export type ConnectionShown = RightsShown & {
  state: 'live' | 'ended'
  /** The MCP servers whose sessions may use it now. */
  usedBy: readonly UseShown[]
  lastUsed?: { at: number; by?: Pick<McpServerShown, 'name'> }
  fields: Readonly<Record<string, string>>
}

/** One account at a provider, with a connection for each set of rights. */
export type ProviderAccountShown = {
  provider: { name: string }
  label: string
  connections: readonly ConnectionShown[]
  fields: Readonly<Record<string, string>>
}

export type IdentityShown = {
  provider: { name: string }
  label: string
  lastSignInAt: number
  /** Absent: the only way in, which stays. */
  fields?: Readonly<Record<string, string>>
}

/** What was just done, to be said at the top. */
export type AccountNotice =
  | 'ended'
  | 'disconnected'
  | 'reconnected'
  | 'linked'
  | 'unlinked'
  | 'ended-all'
  | 'signed-out-elsewhere'

export type AccountProps = FormProps & {
  person: { label: string }
  access: readonly AccessShown[]
  accounts: readonly ProviderAccountShown[]
  identities: readonly IdentityShown[]
  /** Where one more identity could be. */
  linkable: readonly { id: string; name: string }[]
  notice?: AccountNotice
  now: number
  issuerHost: string
}

/**
 * What clients and MCP servers can do in somebody's name, and the buttons that end it. Each answers `action=` with the
 * fields of what it is about.
 */
export function accountPage(props: AccountProps): Html {
  return layout(
    { title: 'Your account', issuerHost: props.issuerHost },
    html`<h1>Your account</h1>
${notice(props.notice)}
<div class="person"><p>Signed in as <strong><bdi>${displayText(props.person.label)}</bdi></strong>.</p>
${press(props, {}, html`<button class="link" name="action" value="sign-out">Sign out here</button>`)}</div>
${accessPart(props)}
${accountsPart(props)}
${identitiesPart(props)}
${everywherePart(props)}`,
  )
}

function press(props: AccountProps, fields: Readonly<Record<string, string>>, button: Html): Html {
  return form({ action: props.action, fields: { ...props.fields, ...fields } }, button)
}

const notices: Record<AccountNotice, string> = {
  ended: 'That access has ended.',
  disconnected: 'The account is disconnected.',
  reconnected: 'The account is connected again.',
  linked: 'You can now sign in that way, too.',
  unlinked: 'That way to sign in is gone. All other browsers were signed out.',
  'ended-all': 'All access has ended.',
  'signed-out-elsewhere': 'You are signed out everywhere.',
}

function notice(said: AccountNotice | undefined): Html | undefined {
  return said === undefined ? undefined : html`<p class="notice" role="status">${notices[said]}</p>`
}

function accessPart(props: AccountProps): Html {
  return html`<section>
<h2>Who works for you</h2>
${
  props.access.length === 0
    ? html`<p>No MCP client reaches anything in your name.</p>`
    : html`<p class="small">An MCP client on this list can use the MCP server beside it in your name until you end it, or it goes unused for long.</p>
<ul class="entries" role="list">${props.access.map((each) => accessEntry(props, each))}</ul>`
}
</section>`
}

function accessEntry(props: AccountProps, access: AccessShown): Html {
  const name = clientName({ ...access.client, assured: 'unverified', redirect: { kind: 'web', host: '' } })
  const server =
    access.mcpServer === undefined ? html`to sign you in` : html`uses ${mcpServerFact(access.mcpServer)}`
  const what =
    access.mcpServer === undefined ? html`${name}` : html`${name} at ${mcpServerName(access.mcpServer)}`
  return html`<li><p><strong>${name}</strong> ${server}</p>
<p class="small">Since ${ago(access.sinceAt, props.now)}, last used ${ago(access.lastUsedAt, props.now)}</p>${calledPart(access)}
${press(props, access.fields, html`<button name="action" value="end-access">End access <span class="small">of ${what}</span></button>`)}</li>`
}

/** What ends with this access, though no client was let use it. */
function calledPart({ mcpServer, called = [] }: AccessShown): Html | undefined {
  if (mcpServer === undefined || called.length === 0) return undefined
  return html`<p class="small">${mcpServerName(mcpServer)} is calling ${namesOf(called)} for you.</p>`
}

function namesOf(servers: readonly Pick<McpServerShown, 'name'>[]): Html {
  const names = servers.map((server, index) => html`${index === 0 ? '' : ', '}${mcpServerName(server)}`)
  return html`${names}`
}

function accountsPart(props: AccountProps): Html {
  return html`<section>
<h2>Accounts you connected</h2>
${
  props.accounts.length === 0
    ? html`<p>No account of yours is connected.</p>`
    : html`<p class="small">Coatcheck keeps the keys to these accounts and lends them to MCP servers, never to MCP clients.</p>
<ul class="entries" role="list">${props.accounts.map((each) => accountEntry(props, each))}</ul>`
}
</section>`
}

function accountEntry(props: AccountProps, account: ProviderAccountShown): Html {
  const provider = displayText(account.provider.name, 60)
  const label = html`<bdi>${displayText(account.label)}</bdi>`
  return html`<li><h3>${provider}: ${label}</h3>
${account.connections.map((connection) => connectionPart(props, provider, connection))}
${press(props, account.fields, html`<button name="action" value="disconnect">Disconnect <span class="small">${provider}: ${label}</span></button>`)}</li>`
}

function connectionPart(props: AccountProps, provider: string, connection: ConnectionShown): Html {
  const ended = html`<p class="caution">This connection has ended at ${provider}. Sign in there again to go on.</p>
${press(props, connection.fields, html`<button class="main" name="action" value="reconnect">Reconnect <span>${provider}</span></button>`)}`
  return html`${rightsList(provider, connection)}
<p class="small">${usedBy(connection.usedBy)} ${lastUse(connection, props.now)}</p>
${connection.state === 'ended' ? ended : undefined}`
}

function usedBy(servers: ConnectionShown['usedBy']): Html {
  if (servers.length === 0) return html`No MCP server may use it at the moment.`
  const uses = servers.map(
    (use, index) => html`${index === 0 ? '' : ', '}${mcpServerName(use)}${siteOf(use)}`,
  )
  return html`For ${uses}.`
}

function siteOf(use: UseShown): Html | undefined {
  if ('siteIs' in use) return html` (its site is no longer open)`
  return use.site === undefined ? undefined : html` (site <bdi>${displayText(use.site, 60)}</bdi>)`
}

function lastUse({ lastUsed }: ConnectionShown, now: number): Html {
  if (lastUsed === undefined) return html`Never used.`
  const by = lastUsed.by === undefined ? undefined : html` by ${mcpServerName(lastUsed.by)}`
  return html`Last used ${ago(lastUsed.at, now)}${by}.`
}

function identitiesPart(props: AccountProps): Html {
  const links = props.linkable.map(
    ({ id, name }) =>
      html`<button class="choice" name="provider" value="${id}">Sign in with ${displayText(name, 60)} too</button>
`,
  )
  return html`<section>
<h2>How you sign in</h2>
<ul class="entries" role="list">${props.identities.map((each) => identityEntry(props, each))}</ul>
${
  links.length === 0
    ? undefined
    : html`<p class="small">With one more way in you are still you: the same access, the same accounts.</p>
${press(props, { action: 'link' }, html`<div class="choices">${links}</div>`)}`
}
</section>`
}

function identityEntry(props: AccountProps, identity: IdentityShown): Html {
  const provider = displayText(identity.provider.name, 60)
  const label = html`<bdi>${displayText(identity.label)}</bdi>`
  const unlink = html`<button name="action" value="unlink">Remove <span class="small">${provider}: ${label}</span></button>`
  return html`<li><h3>${provider}: ${label}</h3>
<p class="small">Last sign-in ${ago(identity.lastSignInAt, props.now)}</p>
${identity.fields === undefined ? undefined : press(props, identity.fields, unlink)}</li>`
}

function everywherePart(props: AccountProps): Html {
  return html`<section>
<h2>If something is wrong</h2>
<p>Signing out everywhere ends your visits in every browser; MCP clients go on. Ending all access stops every MCP client on the list above.</p>
${press(
  props,
  {},
  html`<div class="answers"><button name="action" value="sign-out-everywhere">Sign out everywhere</button>
<button name="action" value="end-all">End all access</button></div>`,
)}
</section>`
}
