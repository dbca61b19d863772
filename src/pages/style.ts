import { html } from '../lib/html.ts'

/** The whole stylesheet. Its SHA-256 stands in the policy, so it is a constant. */
export const style = html`
:root{color-scheme:light dark;--room:#dfe5e0;--paper:#fdfdf9;--ink:#1c2421;--soft:#52605a;--line:#c3cdc6;--stub:#1d4a3e;--stub-ink:#f3ead2;--main:#1d4a3e;--main-ink:#fff;--focus:#b45309;--warn:#fdf1d6;--warn-ink:#5d3a06;--code:#eaefeb}
@media (prefers-color-scheme:dark){:root{--room:#0c1210;--paper:#18211d;--ink:#e6ece8;--soft:#a3b2aa;--line:#3a4841;--stub:#1f4a3e;--stub-ink:#f3ead2;--main:#93d3b6;--main-ink:#0c1f18;--focus:#f4b860;--warn:#3a2d12;--warn-ink:#f6dca6;--code:#26312c}}
*{box-sizing:border-box}
body{margin:0;background:var(--room);color:var(--ink);font:1rem/1.55 system-ui,sans-serif;padding:1rem .75rem}
.ticket{max-width:52rem;margin:0 auto;background:var(--paper)}
.stub{background:var(--stub);color:var(--stub-ink);padding:1rem}
.slip{padding:1.25rem}
.hanger{width:2.5rem}
.exact,code{font-family:ui-monospace,monospace;font-size:.85em;overflow-wrap:anywhere}
button,.button{font:inherit;min-height:2.75rem}
`
