import type { Call } from './exchange.ts'

export type Choice = { id: string; label: string; hint?: string }

export type Brand = { name: string; color: string }

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

const escaped = (value: string) => value.replace(/[&<>"']/g, (character) => entities[character] ?? character)

const style = `
  :root { color-scheme: light dark; --edge: color-mix(in srgb, currentColor 20%, transparent); }
  * { box-sizing: border-box; }
  body { font: 16px/1.5 system-ui, sans-serif; margin: 0; padding: 2rem 1rem; background: color-mix(in srgb, var(--brand) 6%, Canvas); color: CanvasText; }
  main { max-width: 27rem; margin: 0 auto; background: Canvas; border: 1px solid var(--edge); border-radius: 12px; overflow: hidden; }
  header { padding: .7rem 1.5rem; background: var(--brand); color: #fff; display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem; }
  header span { opacity: .85; font-size: .85rem; align-self: center; }
  .body { padding: 1.25rem 1.5rem 1.5rem; }
  h1 { font-size: 1.25rem; line-height: 1.3; margin: 0 0 .75rem; }
  p { margin: .5rem 0; overflow-wrap: anywhere; }
  fieldset { border: 0; margin: 1rem 0 0; padding: 0; min-width: 0; }
  legend { font-weight: 600; padding: 0 0 .35rem; }
  label, li { display: flex; gap: .6rem; padding: .5rem .7rem; border: 1px solid var(--edge); border-radius: 8px; margin: .3rem 0; }
  label { cursor: pointer; } label:has(:checked) { border-color: var(--brand); }
  label span, li { min-width: 0; overflow-wrap: anywhere; } small { display: block; opacity: .7; }
  ul { list-style: none; margin: 0; padding: 0; } input { margin: .35rem 0 0; accent-color: var(--brand); }
  .buttons { display: flex; gap: .75rem; margin-top: 1.25rem; }
  button { flex: 1; font: inherit; padding: .55rem 1rem; border-radius: 8px; border: 1px solid var(--edge); background: transparent; color: inherit; cursor: pointer; }
  button.primary { background: var(--brand); border-color: var(--brand); color: #fff; font-weight: 600; }
`

/** A whole page of a stand-in; `body` is HTML, everything else is text. */
function layout(brand: Brand, title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title><style>${style}</style></head>
<body style="--brand: ${brand.color}"><main>
<header><strong>${escaped(brand.name)}</strong><span>stand-in for tests and demos</span></header>
<div class="body"><h1>${escaped(title)}</h1>
${body}</div>
</main></body></html>
`
}

export function errorPage(brand: Brand, title: string, detail: string): string {
  return layout(brand, title, `<p>${escaped(detail)}</p>`)
}

const described = ({ label, hint }: Choice) =>
  `<span>${escaped(label)}${hint === undefined || hint === label ? '' : `<small>${escaped(hint)}</small>`}</span>`

function radios(name: string, choices: Choice[], selected: string | undefined): string {
  const known = choices.some(({ id }) => id === selected) ? selected : choices[0]?.id
  return choices
    .map((choice) => {
      const checked = choice.id === known ? ' checked' : ''
      const input = `<input type="radio" name="${name}" value="${escaped(choice.id)}"${checked}>`
      return `<label>${input}${described(choice)}</label>`
    })
    .join('\n')
}

function ticks(name: string, choices: Choice[]): string {
  return choices
    .map((choice) => {
      const input = `<input type="checkbox" name="${name}:${escaped(choice.id)}" value="1" checked>`
      const offered = `<input type="hidden" name="offered:${escaped(choice.id)}" value="1">`
      return `<label>${input}${described(choice)}${offered}</label>`
    })
    .join('\n')
}

const list = (choices: Choice[]) =>
  `<ul>${choices.map((choice) => `<li>${described(choice)}</li>`).join('\n')}</ul>`

const fieldset = (legend: string, content: string) =>
  `<fieldset><legend>${legend}</legend>\n${content}\n</fieldset>`

export type ConsentPage = {
  brand: Brand
  clientName: string
  users: Choice[]
  selectedUser: string | undefined
  /** What is asked for and cannot be refused singly. */
  fixedScopes?: string[]
  /** What may be refused singly. */
  scopes?: string[]
  sites?: Choice[]
}

/** A scope that is a URL goes by the last part of its path. */
const named = (ids: string[]): Choice[] =>
  ids.map((id) => ({ id, label: id.split('/').at(-1) ?? id, hint: id }))

/** Who are you, and do you allow this: one page, one form back to the request itself, no script. */
export function consentPage(call: Call, page: ConsentPage): string {
  const users = page.users.length
    ? radios('user', page.users, page.selectedUser)
    : '<p>Nobody has an account here yet.</p>'
  const asked = [
    page.fixedScopes?.length ? list(named(page.fixedScopes)) : '',
    page.scopes?.length ? ticks('tick', named(page.scopes)) : '',
  ].join('\n')
  return layout(
    page.brand,
    `Authorize ${page.clientName}`,
    `<form method="post" action="${escaped(call.url)}">
${fieldset('Continue as', users)}
${asked.trim() ? fieldset('It asks for', asked) : ''}
${page.sites?.length ? fieldset('On these sites', ticks('site', page.sites)) : ''}
<div class="buttons"><button name="decision" value="deny">Cancel</button>
<button class="primary" name="decision" value="approve">Authorize</button></div>
</form>`,
  )
}
