import { type Form, type Link, readForms, readLinks, visibleText } from './page-forms.ts'

/** Where the browser came to rest: on a page, or on its way out to a client. */
export type Stop = {
  /** The page's address; where it left, the whole address it was sent to. */
  url: string
  /** Whether this is a redirect that leads out of the test, which was not followed. */
  left: boolean
  status: number
  headers: Headers
  html: string
  /** What a person reads on the page. */
  text: string
  forms: Form[]
  links: Link[]
}

export type FieldValues = Record<string, string | readonly string[]>

export type Press = {
  /** A button's text or its value; needless where the form has one button. */
  button?: string | RegExp
  /** What is filled in otherwise than it stands; an empty list leaves the field out. */
  fields?: FieldValues
}

/** What the client is told in the redirect the browser stopped at. Throws where it is still on a page. */
export function callbackOf(stop: Stop): Record<string, string> {
  if (!stop.left) throw new Error(`still on ${described(stop)}`)
  return Object.fromEntries(new URL(stop.url).searchParams)
}

/** A page in one line, for the message of a failed test. */
export function described(stop: Stop): string {
  return `${stop.status} ${withoutQuery(stop.url)} "${stop.text.slice(0, 200)}"`
}

export async function readPage(url: URL, response: Response): Promise<Stop> {
  const text = await response.text()
  const isHtml = response.headers.get('content-type')?.startsWith('text/html') === true
  return {
    url: url.href,
    left: false,
    status: response.status,
    headers: response.headers,
    html: text,
    text: isHtml ? visibleText(text) : text,
    forms: isHtml ? readForms(text, url.href) : [],
    links: isHtml ? readLinks(text, url.href) : [],
  }
}

export function leftTo(url: URL, { status, headers }: Response): Stop {
  return { url: url.href, left: true, status, headers, html: '', text: '', forms: [], links: [] }
}

/** Where the form of a button goes, and everything it sends: its fields in their order, then the button. */
export function fillIn(
  page: Stop,
  press: Press,
): Pick<Form, 'method' | 'action'> & { parameters: URLSearchParams } {
  const found = page.forms.flatMap((form) => buttonsOf(form, press).map((button) => ({ form, button })))
  const [first, ...more] = found
  if (!first || more.length > 0) {
    const wanted = press.button === undefined ? 'one button' : `one button ${press.button}`
    const there = page.forms.flatMap(({ buttons }) => buttons.map(({ text }) => text)).join(', ')
    throw new Error(`not ${wanted} but ${found.length}, of "${there}", on ${described(page)}`)
  }
  const { form, button } = first
  const fields = press.fields ?? {}
  for (const name of Object.keys(fields)) {
    if (!form.fields.some((field) => field.name === name))
      throw new Error(`no field ${name} on ${described(page)}`)
  }
  const kept = form.fields.filter((field) => field.sent && !Object.hasOwn(fields, field.name))
  const parameters = new URLSearchParams(kept.map(({ name, value }): [string, string] => [name, value]))
  for (const [name, value] of parametersOf(fields)) parameters.append(name, value)
  if (button.name !== '') parameters.append(button.name, button.value)
  return { method: form.method, action: button.action, parameters }
}

function buttonsOf(form: Form, { button: wanted }: Press): Form['buttons'] {
  if (wanted === undefined) return form.buttons
  return form.buttons.filter(({ text, value }) => fits(text, wanted) || value === wanted)
}

export function hasButton(page: Stop, press: Press): boolean {
  return page.forms.some((form) => buttonsOf(form, press).length > 0)
}

export const asPress = (press: string | Press): Press =>
  typeof press === 'string' ? { button: press } : press

export const fits = (text: string, wanted: string | RegExp) =>
  typeof wanted === 'string' ? text === wanted : wanted.test(text)

export function parametersOf(fields: FieldValues | URLSearchParams): URLSearchParams {
  if (fields instanceof URLSearchParams) return fields
  return new URLSearchParams(
    Object.entries(fields).flatMap(([name, value]) =>
      [value].flat().map((each): [string, string] => [name, each]),
    ),
  )
}

/** An address as it may be shown: codes and states travel in the query. */
export const withoutQuery = (url: string | URL) => String(url).replace(/[?#].*$/s, '')
