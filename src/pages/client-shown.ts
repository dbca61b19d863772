import { displayText } from '../lib/display-text.ts'
import { type Html, html } from '../lib/html.ts'
import { exactHost, fact } from './fact.ts'
import { type McpServerShown, mcpServerFact } from './mcp-server-shown.ts'

/** Where the browser is sent back to, as people must see it before they say yes. */
export type RedirectShown =
  | { kind: 'web'; host: string }
  /** A program that listens on the person's own computer; `host` as in the redirect URI, with its port if any. */
  | { kind: 'loopback'; host: string }
  /** A private-use scheme (RFC 8252 section 7.1), without its colon. */
  | { kind: 'app'; scheme: string }

/** What a page may say about a client, and how sure we are of it. */
export type ClientShown = {
  name?: string
  /** `published at its host`: a metadata document, which only the owner of `host` can have put there. */
  assured: 'unverified' | 'published at its host' | 'registered by the administrator'
  /** The host of its metadata document or of its `client_uri`. */
  host?: string
  redirect: RedirectShown
}

/** The client's name in quotation marks, neutralised; words for it if it has none. Written to begin a sentence. */
export function clientName(client: ClientShown): Html {
  return quotedName(client) ?? html`A client without a name`
}

/** The same in the middle of a sentence, once it is clear which client that is. */
export function thisClient(client: ClientShown): Html {
  return quotedName(client) ?? html`this client`
}

function quotedName(client: ClientShown): Html | undefined {
  const name = displayText(client.name ?? '', 60)
  return name === '' ? undefined : html`“<bdi>${name}</bdi>”`
}

/** Who asks and what stands behind the name, what for, and where the answer goes. */
export function clientFacts(client: ClientShown, server: McpServerShown | undefined): Html {
  return html`<dl class="facts">
${fact('Who asks', html`<strong>${clientName(client)}</strong> ${assurance(client)}`)}
${client.assured === 'unverified' && client.host !== undefined ? fact('Says it is from', exactHost(client.host)) : undefined}
${server === undefined ? undefined : fact('To use', mcpServerFact(server))}
${fact('Sends you back to', redirectPlace(client.redirect))}
</dl>
${redirectWarning(client)}`
}

function assurance(client: ClientShown): Html {
  switch (client.assured) {
    case 'registered by the administrator':
      return html`<span class="note">Registered here by the administrator</span>`
    case 'published at its host':
      return html`<span class="note">Published by ${exactHost(client.host ?? '')}</span>`
    case 'unverified':
      return html`<span class="note caution">Not verified: it chose this name itself</span>`
  }
}

function redirectPlace(redirect: RedirectShown): Html {
  switch (redirect.kind) {
    case 'web':
      return exactHost(redirect.host)
    case 'loopback':
      return html`A program on this computer ${exactHost(redirect.host)}`
    case 'app':
      return html`An app on this device ${exactHost(`${redirect.scheme}:`)}`
  }
}

// RFC 8252 section 8.6: nobody can be sure which program takes such a redirect, so the person must be.
function redirectWarning(client: ClientShown): Html | undefined {
  switch (client.redirect.kind) {
    case 'web':
      return undefined
    case 'loopback':
      return html`<p class="warning"><strong>Did you start this yourself, just now?</strong> The answer goes to a program on this computer, and any program can use this name. If you did not start it, choose Deny.</p>`
    case 'app':
      return html`<p class="warning"><strong>Did you start this yourself, just now?</strong> The answer goes to an app on this device, and any app can claim such links. If you did not start it, choose Deny.</p>`
  }
}
