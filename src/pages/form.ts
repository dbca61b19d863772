import { type Html, html } from '../lib/html.ts'

/** Where a page's form goes, and what it carries along unseen. */
export type FormProps = {
  /** The URL the form posts to. */
  action: string
  /** Hidden fields, by name. */
  fields: Readonly<Record<string, string>>
}

/** A form that posts. The hidden fields come first. */
export function form(props: FormProps, content: Html): Html {
  const hidden = Object.entries(props.fields).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`,
  )
  return html`<form method="post" action="${props.action}">${hidden}
${content}
</form>`
}
