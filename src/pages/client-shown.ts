import { displayHost, displayText } from '../lib/display-text.ts'
import { type Html, html } from '../lib/html.ts'

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
  const name = displayText(client.name ?? '', 60)
  return name === '' ? html`A client without a name` : html`“<bdi>${name}</bdi>”`
}

/** Who asks, what stands behind the name, and where the answer goes. */
export function clientFacts(client: ClientShown): Html {
  return html`<dl class="facts">
<div><dt>Who asks</dt><dd><strong>${clientName(client)}</strong> ${assurance(client)}</dd></div>
${client.assured === 'unverified' && client.host !== undefined ? html`<div><dt>Says it is from</dt><dd><span class="exact">${displayHost(client.host)}</span></dd></div>` : undefined}
<div><dt>Sends you back to</dt><dd>${redirectPlace(client.redirect)}</dd></div>
</dl>
${redirectWarning(client)}`
}

function assurance(client: ClientShown): Html {
  switch (client.assured) {
    case 'registered by the administrator':
      return html`<span class="note">Registered here by the administrator</span>`
    case 'published at its host':
      return html`<span class="note">Published by <span class="exact">${displayHost(client.host ?? '')}</span></span>`
    case 'unverified':
      return html`<span class="note caution">Not verified: it chose this name itself</span>`
  }
}

function redirectPlace(redirect: RedirectShown): Html {
  switch (redirect.kind) {
    case 'web':
      return html`<span class="exact">${displayHost(redirect.host)}</span>`
    case 'loopback':
      return html`A program on this computer <span class="exact">${displayHost(redirect.host)}</span>`
    case 'app':
      return html`An app on this device <span class="exact">${displayHost(redirect.scheme)}:</span>`
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
