const markup = Symbol('markup')

/** Markup that came from an `html` template. The symbol keeps parsed JSON from ever passing for it. */
export type Html = { readonly [markup]: string; toString(): string }

/** What a template may hold. Nothing is rendered for `undefined`, so a part can be left out with `?? undefined`. */
export type HtmlValue = string | number | Html | undefined | readonly HtmlValue[]

/**
 * The only way to make markup: text in the template is trusted because we wrote it, everything put into it is
 * escaped, except other `Html`. Attribute values must stand in double quotes.
 */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  const text = strings.reduce((before, after, index) => before + rendered(values[index - 1]) + after)
  return { [markup]: text, toString: () => text }
}

function rendered(value: HtmlValue): string {
  if (value === undefined) return ''
  if (typeof value === 'string' || typeof value === 'number') return escaped(String(value))
  return markup in value ? value[markup] : value.map(rendered).join('')
}

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '')
}
