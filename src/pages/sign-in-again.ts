import { displayText } from '../lib/display-text.ts'
import { type Html, html } from '../lib/html.ts'
import { type FormProps, form } from './form.ts'
import { layout } from './layout.ts'

export type SignInAgainProps = FormProps & {
  deed: 'link' | 'unlink'
  /** Where this person can sign in. */
  providers: readonly { id: string; name: string }[]
  /** Back to where the person came from. */
  backUrl: string
  issuerHost: string
}

const deeds: Record<SignInAgainProps['deed'], string> = {
  link: 'You are about to add a way to sign in as you.',
  unlink: 'You are about to remove a way to sign in as you.',
}

/** Before a deed that decides who gets in. Each provider is a button of the form, `again=<id>`. */
export function signInAgainPage(props: SignInAgainProps): Html {
  const choices = props.providers.map(
    ({ id, name }) =>
      html`<button class="choice" name="again" value="${id}">Sign in with ${displayText(name, 60)}</button>
`,
  )
  return layout(
    { title: 'Sign in again first', issuerHost: props.issuerHost },
    html`<h1>Sign in again first</h1>
<p class="lead">${deeds[props.deed]} You signed in here a while ago, and somebody else may sit in front of this browser by now.</p>
<p>After that you are asked once more. Nothing is changed before you say yes.</p>
${form(
  props,
  html`<div class="choices">${choices}</div>
<div class="answers"><a class="button quiet" href="${props.backUrl}">No, go back</a></div>`,
)}`,
  )
}
