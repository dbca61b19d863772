import { displayHost } from '../lib/display-text.ts'
import { type Html, html } from '../lib/html.ts'

/** One line of a list of facts, `<dl class="facts">`. */
export function fact(term: string, value: Html): Html {
  return html`<div><dt>${term}</dt><dd>${value}</dd></div>`
}

/** A host as it is, in the type of what nobody may reword. */
export function exactHost(host: string): Html {
  return html`<span class="exact">${displayHost(host)}</span>`
}
