import { displayText } from '../lib/display-text.ts'
import { type Html, html } from '../lib/html.ts'
import { type FormProps, form } from './form.ts'
import { layout } from './layout.ts'

export type WrongAccountProps = FormProps & {
  /** `person`: somebody else than the person of this session came back; `connection`: not the account to sign in to again. */
  expectedBy: 'person' | 'connection'
  provider: { name: string }
  /** The label of the person of the session, or of the account to repair. */
  expected: string
  /** The label of the account that came back. */
  returned: string
  issuerHost: string
}

/** Two people, or two accounts. Answers `decision=switch|back`. */
export function wrongAccountPage(props: WrongAccountProps): Html {
  const provider = displayText(props.provider.name, 60)
  const expected = html`<strong><bdi>${displayText(props.expected)}</bdi></strong>`
  const returned = html`<strong><bdi>${displayText(props.returned)}</bdi></strong>`
  return layout(
    { title: 'A different account', issuerHost: props.issuerHost },
    props.expectedBy === 'person'
      ? html`<h1>That is a different account</h1>
<p class="lead">Here you are signed in as ${expected}. ${provider} says you are ${returned}.</p>
<p>Nothing was changed. Which of the two do you want to go on with?</p>
${form(props, answers(html`Stay as ${displayText(props.expected, 40)}`, html`Switch to ${displayText(props.returned, 40)}`))}`
      : html`<h1>That is a different account</h1>
<p class="lead">You set out to sign in to ${provider} as ${expected}, but came back as ${returned}.</p>
<p>Nothing was changed. To go on, try again and choose ${expected} at ${provider}. You may have to sign out there first.</p>
${form(props, answers(html`Stop here`, html`Try again`))}`,
  )
}

function answers(back: Html, change: Html): Html {
  return html`<div class="answers">
<button class="quiet" name="decision" value="back">${back}</button>
<button class="main" name="decision" value="switch">${change}</button>
</div>`
}
