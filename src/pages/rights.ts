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
 * The rights at one provider: plain words first, the provider's own word small beside them. `mcpServer` is who may use
 * them; without any right only we learn who the person is.
 */
export function rightsPart(providerName: string, asked: RightsShown, mcpServer: Html | undefined): Html {
  const onlyIdentity = asked.rights.length === 0 && asked.identityScopes.length > 0
  const user = onlyIdentity ? undefined : mcpServer
  return html`<h2>At ${providerName}, ${user ?? 'Coatcheck'} could</h2>
<ul class="rights">${asked.rights.map((right) => entry(right.label, [right.scope]))}${
    onlyIdentity ? entry('Know who you are there', asked.identityScopes) : undefined
  }${stayConnected(asked)}</ul>
${onlyIdentity ? undefined : identity(asked.identityScopes, mcpServer)}`
}

function stayConnected(asked: RightsShown): Html | undefined {
  if (asked.stayConnected === undefined) return undefined
  const { scope } = asked.stayConnected
  return entry('Stay connected while you are away', scope === undefined ? [] : [scope])
}

function identity(scopes: readonly string[], mcpServer: Html | undefined): Html | undefined {
  if (scopes.length === 0) return undefined
  const who = mcpServer === undefined ? 'Coatcheck' : html`Coatcheck and ${mcpServer}`
  return html`<p class="small">${who} will also know who you are there.${codes(scopes)}</p>`
}

/** One line of a list of rights. */
export function entry(words: string | undefined, raw: readonly string[]): Html {
  const plain = displayText(words ?? '', 200)
  return html`<li>${plain}${codes(raw)}</li>`
}

function codes(raw: readonly string[]): readonly Html[] {
  return raw.map((scope) => html` <code>${displayExact(scope, 200)}</code>`)
}
