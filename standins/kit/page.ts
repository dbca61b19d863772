export type Choice = { id: string; label: string; hint?: string }

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

const escaped = (value: string) => value.replace(/[&<>"']/g, (character) => entities[character] ?? character)

const style = `
  :root { color-scheme: light dark; --edge: color-mix(in srgb, currentColor 18%, transparent); }
  body { font: 16px/1.5 system-ui, sans-serif; margin: 0; padding: 2rem 1rem; background: Canvas; color: CanvasText; }
  main { max-width: 27rem; margin: 0 auto; border: 1px solid var(--edge); border-radius: 12px; overflow: hidden; }
  header { padding: .7rem 1.5rem; background: var(--brand); color: #fff; display: flex; justify-content: space-between; }
  header strong { font-size: 1.05rem; } header span { opacity: .85; font-size: .85rem; align-self: center; }
  .body { padding: 1.25rem 1.5rem 1.5rem; }
  h1 { font-size: 1.25rem; line-height: 1.3; margin: 0 0 .75rem; }
  fieldset { border: 0; margin: 1rem 0 0; padding: 0; } legend { font-weight: 600; padding: 0 0 .35rem; }
  label { display: flex; gap: .6rem; padding: .5rem .7rem; border: 1px solid var(--edge); border-radius: 8px; margin: .3rem 0; }
  label small { display: block; opacity: .7; overflow-wrap: anywhere; } input { margin: .35rem 0 0; }
  .buttons { display: flex; gap: .75rem; margin-top: 1.25rem; }
  button { flex: 1; font: inherit; padding: .55rem 1rem; border-radius: 8px; border: 1px solid var(--edge); background: transparent; color: inherit; cursor: pointer; }
  button.primary { background: var(--brand); border-color: var(--brand); color: #fff; font-weight: 600; }
  p { margin: .5rem 0; } code { overflow-wrap: anywhere; }
`

export type Brand = { name: string; color: string }

/** A whole page of a stand-in; `body` is HTML, everything else is text. */
function layout(brand: Brand, title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title><style>${style}</style></head>
<body style="--brand: ${brand.color}"><main>
<header><strong>${escaped(brand.name)}</strong><span>stand-in for tests and demos</span></header>
<div class="body"><h1>${escaped(title)}</h1>${body}</div>
</main></body></html>
`
}

export function errorPage(brand: Brand, title: string, detail: string): string {
  return layout(brand, title, `<p>${escaped(detail)}</p>`)
}

const option = (type: 'radio' | 'checkbox', name: string, value: string, choice: Choice, checked: string) =>
  `<label><input type="${type}" name="${escaped(name)}" value="${escaped(value)}"${checked}>` +
  `<span>${escaped(choice.label)}${choice.hint ? `<small>${escaped(choice.hint)}</small>` : ''}</span></label>`

function radios(name: string, choices: Choice[], selected: string | undefined): string {
  return choices
    .map((choice, index) => {
      const checked = selected === undefined ? index === 0 : choice.id === selected
      return option('radio', name, choice.id, choice, checked ? ' checked' : '')
    })
    .join('\n')
}

function ticks(name: string, offered: string, choices: Choice[]): string {
  return choices
    .map(
      (choice) =>
        `<input type="hidden" name="${offered}:${escaped(choice.id)}" value="1">` +
        option('checkbox', `${name}:${choice.id}`, '1', choice, ' checked'),
    )
    .join('\n')
}

export type ConsentPage = {
  brand: Brand
  clientName: string
  /** Where the form is posted: the authorization request itself, query included. */
  action: string
  users: Choice[]
  selectedUser: string | undefined
  scopes: Choice[]
  sites?: Choice[]
}

/** Who are you, and do you allow this: one page, one form, no script. */
export function consentPage(page: ConsentPage): string {
  const sites = page.sites?.length
    ? `<fieldset><legend>Sites</legend>${ticks('site', 'listed', page.sites)}</fieldset>`
    : ''
  const scopes = page.scopes.length
    ? `<fieldset><legend>It asks for</legend>${ticks('tick', 'offered', page.scopes)}</fieldset>`
    : ''
  const users = page.users.length
    ? radios('user', page.users, page.selectedUser)
    : '<p>Nobody has an account here yet.</p>'
  return layout(
    page.brand,
    `Authorize ${page.clientName}`,
    `<form method="post" action="${escaped(page.action)}">
<fieldset><legend>Continue as</legend>${users}</fieldset>
${scopes}
${sites}
<div class="buttons"><button name="decision" value="deny">Cancel</button>
<button class="primary" name="decision" value="approve">Authorize</button></div>
</form>`,
  )
}
