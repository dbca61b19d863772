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

/**
 * The rights at one provider: plain words first, the provider's own word small beside them. `user` is the MCP server
 * that may use them; without one the provider only tells us who the person is.
 */
export function rightsPart(providerName: string, asked: RightsShown, user: Html | undefined): Html {
  const known = 'Know who you are there'
  return user === undefined
    ? html`<h2>At ${providerName}, Coatcheck could</h2>
<ul class="rights" role="list">${rights(asked)}${entry(known, asked.identityScopes)}${stayConnected(asked)}</ul>`
    : html`<h2>At ${providerName}, ${user} could</h2>
<ul class="rights" role="list">${asked.rights.length === 0 ? unlimitedByScopes(providerName) : rights(asked)}${stayConnected(asked)}</ul>
${identity(asked.identityScopes, user)}`
}

/** The rights of a connection that is there, without a heading. */
export function rightsList(providerName: string, held: RightsShown): Html {
  return html`<ul class="rights" role="list">${held.rights.length === 0 ? unlimitedByScopes(providerName) : rights(held)}${stayConnected(held)}</ul>`
}

function rights(asked: RightsShown): readonly Html[] {
  return asked.rights.map((right) => entry(right.label, [right.scope]))
}

// No scope does not mean no power: some providers set an application's permissions on their side.
function unlimitedByScopes(providerName: string): Html {
  return entry(`Use your account, as far as ${providerName} lets Coatcheck`, [])
}

function stayConnected(asked: RightsShown): Html | undefined {
  if (asked.stayConnected === undefined) return undefined
  const { scope } = asked.stayConnected
  return entry('Stay connected while you are away', scope === undefined ? [] : [scope])
}

function identity(scopes: readonly string[], user: Html): Html | undefined {
  if (scopes.length === 0) return undefined
  return html`<p class="small">Coatcheck and ${user} will also know who you are there.${codes(scopes)}</p>`
}

/** One line of a list of rights. */
export function entry(words: string | undefined, raw: readonly string[]): Html {
  const plain = displayText(words ?? '', 200)
  return html`<li>${plain}${codes(raw)}</li>`
}

function codes(raw: readonly string[]): readonly Html[] {
  return raw.map((scope) => html` <code>${displayExact(scope, 200)}</code>`)
}
