import { displayText } from '../lib/display-text.ts'
import { type Html, html } from '../lib/html.ts'
import { type FormProps, form } from './form.ts'
import { layout } from './layout.ts'

export type LinkProps = FormProps & {
  provider: { name: string }
  /** Who is signed in here. */
  person: { label: string }
  /** Who came back from the provider. */
  found: { label: string }
  issuerHost: string
}

/** Before one more way to sign in counts. Answers `decision=link|back`. */
export function linkPage(props: LinkProps): Html {
  const provider = displayText(props.provider.name, 60)
  const found = html`<strong><bdi>${displayText(props.found.label)}</bdi></strong>`
  const person = html`<strong><bdi>${displayText(props.person.label)}</bdi></strong>`
  return layout(
    { title: `Sign in with ${provider} too?`, issuerHost: props.issuerHost },
    html`<h1>Sign in with ${provider} too?</h1>
<p class="lead">You are signed in here as ${person}. At ${provider} you came back as ${found}.</p>
<p class="warning"><strong>Is that you?</strong> From now on, whoever can sign in to this ${provider} account gets in here as you, with everything you connected.</p>
${form(
  props,
  html`<div class="answers">
<button class="quiet" name="decision" value="back">No, go back</button>
<button class="main" name="decision" value="link">Yes, this is me</button>
</div>`,
)}`,
  )
}
