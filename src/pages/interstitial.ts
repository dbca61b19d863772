import { displayHost, displayText } from '../lib/display-text.ts'
import { type Html, html } from '../lib/html.ts'
import { type ClientShown, clientName } from './client-shown.ts'
import { layout } from './layout.ts'

export type InterstitialProps = {
  client: ClientShown
  /** Why the request cannot go on: a sentence of ours about the client, such as "It asked for ...". */
  reason: string
  /** The redirect with the error in it. No link is shown unless it is an https or http URL. */
  continueUrl: string
  issuerHost: string
}

/**
 * Stands between an error and the redirect of a client that registered itself and that this person never approved
 * (OAuth 2.1 section 7.12.2): they decide whether to follow.
 */
export function interstitialPage(props: InterstitialProps): Html {
  return layout(
    { title: 'Leave this page?', issuerHost: props.issuerHost },
    html`<h1>This request cannot go on</h1>
<p class="lead">${clientName(props.client)} sent you here. ${displayText(props.reason, 300)}</p>
${way(props)}
<p class="small">Nothing was shared. You can also just close this page.</p>`,
  )
}

function way(props: InterstitialProps): Html | undefined {
  const url = URL.parse(props.continueUrl)
  if (url === null || !['https:', 'http:'].includes(url.protocol)) return undefined
  const host = html`<span class="exact">${displayHost(url.host)}</span>`
  return html`<p>It wants to hear about this at ${host}. Nobody here has checked that address. Go there only if you know it.</p>
<p class="answers"><a class="button quiet" href="${props.continueUrl}" rel="noreferrer">Continue to ${host}</a></p>`
}
