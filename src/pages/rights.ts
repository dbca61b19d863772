import { displayExact, displayText } from '../lib/display-text.ts'
import { type Html, html } from '../lib/html.ts'

/** One of a provider's scopes; `label` says it in plain words where the descriptor has them. */
export type RightShown = { scope: string; label?: string }

/** What is asked of a provider, sorted by what it means to the person. */
export type RightsShown = {
  /** What can be done with the person's account there. */
  rights: readonly RightShown[]
  /** The raw scopes that only tell who the person is; empty if none is asked. */
  identityScopes: readonly string[]
  /** Present if the connection outlives the visit; `scope` where the provider has one for it. */
  stayConnected?: { scope?: string }
}

/** The rights as a list: plain words first, the provider's own word small beside them. */
export function rightsList(asked: RightsShown): Html {
  const entries = [
    ...asked.rights.map((right) => entry(right.label, [right.scope])),
    ...(asked.identityScopes.length > 0 ? [entry('Know who you are there', asked.identityScopes)] : []),
    ...(asked.stayConnected === undefined
      ? []
      : [entry('Stay connected while you are away', scopeOf(asked.stayConnected))]),
  ]
  return entries.length === 0
    ? html`<p>Nothing beyond being connected.</p>`
    : html`<ul class="rights">${entries}</ul>`
}

function scopeOf(stayConnected: { scope?: string }): readonly string[] {
  return stayConnected.scope === undefined ? [] : [stayConnected.scope]
}

/** One line of a list of rights. */
export function entry(words: string | undefined, raw: readonly string[]): Html {
  const codes = raw.map((scope) => html` <code>${displayExact(scope, 200)}</code>`)
  const plain = displayText(words ?? '', 200)
  return plain === '' ? html`<li>${codes}</li>` : html`<li>${plain}${codes}</li>`
}
