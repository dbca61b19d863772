/** What a person could fill in and press on a page, read from markup that is as tidy as ours. */
export type Form = {
  method: 'GET' | 'POST'
  /** Absolute. */
  action: string
  fields: Field[]
  buttons: Button[]
}

export type Field = {
  name: string
  value: string
  type: string
  /** Whether it is sent as it stands: an unticked box is not. */
  sent: boolean
}

export type Button = {
  name: string
  value: string
  text: string
  /** Absolute; where the form goes, unless the button says otherwise. */
  action: string
}

export type Link = { href: string; text: string }

export function readForms(markup: string, pageUrl: string): Form[] {
  const absolute = (address = '') => new URL(address || pageUrl, pageUrl).href
  return elements(markup, 'form').map(({ attributes, content }) => ({
    method: attributes.get('method')?.toLowerCase() === 'post' ? 'POST' : 'GET',
    action: absolute(attributes.get('action')),
    fields: [...content.matchAll(/<input\b([^>]*)>/g)]
      .map(([, inside = '']) => readField(readAttributes(inside)))
      .filter(({ name, type }) => name !== '' && type !== 'submit'),
    buttons: elements(content, 'button')
      .filter((button) => !button.attributes.has('disabled'))
      .map((button) => ({
        name: button.attributes.get('name') ?? '',
        value: button.attributes.get('value') ?? '',
        text: visibleText(button.content),
        action: absolute(button.attributes.get('formaction') ?? attributes.get('action')),
      })),
  }))
}

export function readLinks(markup: string, pageUrl: string): Link[] {
  return elements(markup, 'a')
    .filter(({ attributes }) => attributes.has('href'))
    .map(({ attributes, content }) => ({
      href: new URL(attributes.get('href') ?? '', pageUrl).href,
      text: visibleText(content),
    }))
}

/** What a person reads on a page: no markup, no style, one space between words. */
export function visibleText(markup: string): string {
  const bare = markup.replace(/<(style|script|title)\b[\s\S]*?<\/\1>/g, ' ').replace(/<[^>]*>/g, ' ')
  return unescaped(bare)
    .replace(/\s+/g, ' ')
    .replace(/ ([.,:;?!])/g, '$1')
    .trim()
}

function readField(attributes: ReadonlyMap<string, string>): Field {
  const type = attributes.get('type') ?? 'text'
  const isTickable = type === 'checkbox' || type === 'radio'
  return {
    name: attributes.get('name') ?? '',
    value: attributes.get('value') ?? (isTickable ? 'on' : ''),
    type,
    sent: !attributes.has('disabled') && (!isTickable || attributes.has('checked')),
  }
}

function elements(markup: string, tag: string) {
  const pattern = new RegExp(`<${tag}\\b([^>]*)>([\\s\\S]*?)</${tag}>`, 'g')
  return [...markup.matchAll(pattern)].map(([, inside = '', content = '']) => ({
    attributes: readAttributes(inside),
    content,
  }))
}

function readAttributes(inside: string): Map<string, string> {
  const found = inside.matchAll(/([^\s="'>/]+)(?:\s*=\s*"([^"]*)")?/g)
  return new Map([...found].map(([, name = '', value = '']) => [name.toLowerCase(), unescaped(value)]))
}

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", '#39': "'" }

function unescaped(text: string): string {
  return text.replace(/&(#?\w+);/g, (whole, name: string) => entities[name] ?? whole)
}
