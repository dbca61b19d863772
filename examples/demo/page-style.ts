import { html } from '../../src/lib/html.ts'

/** A plain program window, so that nobody takes the client for Coatcheck. */
export const pageStyle = html`
:root { color-scheme: light dark; --edge: color-mix(in srgb, currentColor 22%, transparent); --accent: #5b4bc4; }
@media (prefers-color-scheme: dark) { :root { --accent: #a99cf5; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 2rem 1rem; font: 1rem/1.55 system-ui, sans-serif; background: color-mix(in srgb, var(--accent) 9%, Canvas); color: CanvasText; overflow-wrap: anywhere; }
main { max-width: 42rem; margin: 0 auto; background: Canvas; border: 1px solid var(--edge); border-radius: 12px; overflow: hidden; }
header { padding: .6rem 1rem; border-bottom: 1px solid var(--edge); font-size: .875rem; display: flex; align-items: center; gap: .75rem; }
header span { width: .7rem; height: .7rem; border-radius: 50%; background: var(--accent); }
.body { padding: 1.5rem; }
h1 { margin: 0 0 .75rem; font-size: 1.5rem; line-height: 1.25; }
h2 { margin: 0 0 .5rem; font: 600 .9rem/1.4 ui-monospace, monospace; }
p { margin: 0 0 1rem; }
.small { font-size: .875rem; opacity: .75; }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .875em; }
pre { margin: 0; white-space: pre-wrap; }
.address { display: block; padding: .7rem .9rem; border: 1px solid var(--edge); border-radius: 8px; }
form { display: flex; flex-wrap: wrap; gap: .6rem; margin: 1.25rem 0; }
button { min-height: 2.75rem; padding: .5rem 1.1rem; font: inherit; border: 1px solid var(--edge); border-radius: 8px; background: transparent; color: inherit; cursor: pointer; }
.tools button { font-family: ui-monospace, monospace; font-size: .9rem; }
button.main { background: var(--accent); border-color: var(--accent); color: Canvas; font-weight: 600; padding-inline: 1.75rem; }
button:hover { border-color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.answer { margin: 1.25rem 0; padding: 1rem 1.1rem; border-left: 4px solid var(--accent); background: color-mix(in srgb, var(--accent) 8%, Canvas); border-radius: 0 8px 8px 0; }
.answer.error { border-color: #c2410c; background: color-mix(in srgb, #c2410c 9%, Canvas); }
details { margin: 1.25rem 0; }
summary { cursor: pointer; padding: .5rem 0; }
details pre { padding: .9rem; border: 1px solid var(--edge); border-radius: 8px; }
.others { margin: 1.5rem 0 .6rem; padding-top: 1.25rem; border-top: 1px solid var(--edge); }
`
