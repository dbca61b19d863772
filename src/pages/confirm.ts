import { displayText } from '../lib/display-text.ts'
import { type Html, html } from '../lib/html.ts'
import { type FormProps, form } from './form.ts'
import { layout } from './layout.ts'

export type Deed =
  | { kind: 'disconnect'; provider: { name: string }; label: string }
  | { kind: 'link'; provider: { name: string } }
  | { kind: 'unlink'; provider: { name: string }; label: string }
  | { kind: 'end all' }
  | { kind: 'sign out everywhere' }

export type ConfirmProps = FormProps & {
  deed: Deed
  /** Back to where the person came from. */
  backUrl: string
  issuerHost: string
}

/** The question before what cannot be undone with one press. Answers `confirmed=yes`. */
export function confirmPage(props: ConfirmProps): Html {
  const words = wordsFor(props.deed)
  return layout(
    { title: words.title, issuerHost: props.issuerHost },
    html`<h1>${words.title}</h1>
${words.consequences}
${form(
  props,
  html`<div class="answers">
<a class="button quiet" href="${props.backUrl}">No, go back</a>
<button class="main" name="confirmed" value="yes">${words.button}</button>
</div>`,
)}`,
  )
}

function wordsFor(deed: Deed): { title: string; consequences: Html; button: string } {
  switch (deed.kind) {
    case 'disconnect': {
      const provider = displayText(deed.provider.name, 60)
      return {
        title: `Disconnect ${provider}?`,
        consequences: html`<p class="lead">Coatcheck forgets its keys to your ${provider} account <strong><bdi>${displayText(deed.label)}</bdi></strong>.</p>
<p>Every MCP client whose MCP server uses this account has to sign in again. Nothing at ${provider} is deleted.</p>`,
        button: `Disconnect ${provider}`,
      }
    }
    case 'link': {
      const provider = displayText(deed.provider.name, 60)
      return {
        title: `Add a way to sign in with ${provider}?`,
        consequences: html`<p class="lead">You signed in again. Next, sign in at ${provider} with the account that is to get in here as you.</p>
<p>Before it counts, you see which account came back.</p>`,
        button: `Sign in with ${provider}`,
      }
    }
    case 'unlink': {
      const provider = displayText(deed.provider.name, 60)
      return {
        title: `No longer sign in with ${provider}?`,
        consequences: html`<p class="lead"><strong><bdi>${displayText(deed.label)}</bdi></strong> at ${provider} will no longer get in here as you.</p>
<p>All your other browsers are signed out. What you connected stays connected, and MCP clients go on: if somebody else got in that way, end their access, too.</p>`,
        button: 'Remove this way to sign in',
      }
    }
    case 'end all':
      return {
        title: 'End all access?',
        consequences: html`<p class="lead">No MCP client will reach anything in your name any more, within a second.</p>
<p>An MCP server that asks nobody may still accept a client for up to an hour, but gets no account of yours. Your accounts stay connected here.</p>`,
        button: 'End all access',
      }
    case 'sign out everywhere':
      return {
        title: 'Sign out everywhere?',
        consequences: html`<p class="lead">You are signed out in this and in every other browser.</p>
<p>MCP clients go on working for you. To stop them, end their access.</p>`,
        button: 'Sign out everywhere',
      }
  }
}
