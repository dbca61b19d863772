import { displayText } from '../lib/display-text.ts'
import { type Html, html } from '../lib/html.ts'
import { type ClientShown, clientName } from './client-shown.ts'
import { exactHost } from './fact.ts'
import { layout } from './layout.ts'
import { technical } from './technical.ts'

export type InterstitialProps = {
  client: ClientShown
  /** Why the request cannot go on, in our words for whoever develops the client. */
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
    { title: 'This request cannot go on', issuerHost: props.issuerHost },
    html`<h1>This request cannot go on</h1>
<p class="lead">${props.client.name === undefined ? 'An MCP client' : clientName(props.client)} sent you here with a request we had to stop. Nothing was shared.</p>
<h2>What you can do</h2>
${way(props)}
${technical({ Reason: displayText(props.reason, 300) })}`,
  )
}

function way(props: InterstitialProps): Html {
  const url = URL.parse(props.continueUrl)
  if (url === null || !['https:', 'http:'].includes(url.protocol)) {
    return html`<p>Close this page. If you started this yourself, try again from your MCP client.</p>`
  }
  const host = exactHost(url.host)
  return html`<p>If you are not sure, close this page. The client wants to hear about this at ${host}: nobody here has checked that address, so go there only if you know it.</p>
<p class="answers"><a class="button quiet" href="${props.continueUrl}" rel="noreferrer">Continue to ${host}</a></p>`
}
