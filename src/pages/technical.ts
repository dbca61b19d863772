import { type Html, html } from '../lib/html.ts'

/** What only whoever develops the client can use, small and last. Nothing is rendered for an empty value. */
export function technical(rows: Readonly<Record<string, string>>): Html | undefined {
  const present = Object.entries(rows).filter(([, value]) => value !== '')
  if (present.length === 0) return undefined
  return html`<dl class="technical">
${present.map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}
</dl>`
}
