import { displayText } from '../lib/display-text.ts'
import { type Html, html } from '../lib/html.ts'
import { type FormProps, form } from './form.ts'
import { layout } from './layout.ts'

export type AccountSignInProps = FormProps & {
  providers: readonly { id: string; name: string }[]
  /** They were signed in until now, by their own wish. */
  signedOut: 'just now' | 'no'
  issuerHost: string
}

/** The account page for whoever is not signed in. Each provider is a button of the form, `provider=<id>`. */
export function accountSignInPage(props: AccountSignInProps): Html {
  const choices = props.providers.map(
    ({ id, name }) =>
      html`<button class="choice" name="provider" value="${id}">Sign in with ${displayText(name, 60)}</button>
`,
  )
  return layout(
    { title: 'Sign in to your account page', issuerHost: props.issuerHost },
    html`<h1>Sign in to your account page</h1>
${props.signedOut === 'no' ? undefined : html`<p class="notice" role="status">You are signed out.</p>`}
<p class="lead">It shows which MCP clients work for you and which accounts you connected, and you can end all of it there.</p>
${form(props, html`<div class="choices">${choices}</div>`)}
<p class="small">Signing in here shares nothing with anybody.</p>`,
  )
}
