import { type Html, html } from '../lib/html.ts'
import { layout } from './layout.ts'

export type SignedOutProps = { issuerHost: string }

export function signedOutPage(props: SignedOutProps): Html {
  return layout(
    { title: 'Signed out', issuerHost: props.issuerHost },
    html`<h1>You are signed out</h1>
<p class="lead">This browser has forgotten who you are here. What you allowed stays allowed.</p>
<p>You can close this page.</p>`,
  )
}
