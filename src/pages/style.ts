import { html } from '../lib/html.ts'

/** The whole stylesheet: a coat-check ticket on a plain wall, torn along a perforation. A constant, since the policy names its SHA-256. */
export const style = html`
:root {
  color-scheme: light dark;
  --wall: #dde4df;
  --paper: #fdfdfa;
  --ink: #1b2420;
  --soft: #4f5d57;
  --line: #c6d0ca;
  --stub: #1d4a3e;
  --stub-ink: #f4ecd6;
  --deed: #1d4a3e;
  --deed-ink: #ffffff;
  --deed-hover: #12352b;
  --edge: #6f857c;
  --hover: #edf2ee;
  --focus: #b4520a;
  --caution: #8a4306;
  --warning: #fcf0d4;
  --warning-ink: #50330a;
  --shade: rgb(20 40 32 / .18);
  --serif: "Iowan Old Style", "Palatino Linotype", Palatino, "Book Antiqua", Georgia, serif;
  --mono: ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --wall: #0d1311;
    --paper: #19221e;
    --ink: #e8eee9;
    --soft: #a6b5ad;
    --line: #3a4942;
    --stub: #1e493d;
    --deed: #97d6ba;
    --deed-ink: #0b1f17;
    --deed-hover: #b4e6cf;
    --edge: #64806f;
    --hover: #222e29;
    --focus: #f5b95f;
    --caution: #f0bd76;
    --warning: #35290f;
    --warning-ink: #f7e0b2;
    --shade: rgb(0 0 0 / .5);
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0;
  min-height: 100vh;
  min-height: 100svh;
  display: grid;
  grid-template-columns: minmax(0, 54rem);
  align-content: center;
  justify-content: center;
  padding: 1rem .75rem 2rem;
  background: var(--wall);
  color: var(--ink);
  font: 1rem/1.5 -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif;
  overflow-wrap: anywhere;
}

.ticket { filter: drop-shadow(0 1px 1px var(--shade)) drop-shadow(0 6px 14px var(--shade)); }
.stub, .slip {
  mask: radial-gradient(circle at var(--notch), #0000 .6rem, #000 calc(.6rem + .5px)),
    radial-gradient(circle at var(--other-notch), #0000 .6rem, #000 calc(.6rem + .5px)),
    radial-gradient(circle at var(--hole), #0000 2px, #000 2.5px) 0 0 / var(--hole-every) round;
  mask-composite: intersect;
}
.stub {
  --notch: 0 100%;
  --other-notch: 100% 100%;
  --hole: 50% 100%;
  --hole-every: 10px 100%;
  padding: .9rem 1.25rem 1rem;
  border-radius: .6rem .6rem 0 0;
  background: var(--stub);
  color: var(--stub-ink);
}
.slip {
  --notch: 0 0;
  --other-notch: 100% 0;
  --hole: 50% 0;
  --hole-every: 10px 100%;
  padding: 1.6rem 1.25rem 1.5rem;
  border-radius: 0 0 .6rem .6rem;
  background: var(--paper);
}
.house { display: flex; align-items: center; justify-content: space-between; flex-wrap: wrap; gap: .1rem 1rem; }
.stub p { margin: 0; }
.brand { display: flex; align-items: center; gap: .6rem; font: 600 1.1rem/1.2 var(--serif); letter-spacing: .02em; }
.hanger { width: 2.2rem; height: auto; flex: none; }
.place, .number { font: .8rem/1.4 var(--mono); }
.stub .number { margin-top: .4rem; }

h1 { margin: 0 0 .9rem; font: 500 1.65rem/1.2 var(--serif); text-wrap: balance; }
h2 { margin: 1.4rem 0 .4rem; font-size: 1.05rem; line-height: 1.35; text-wrap: balance; }
p { margin: 0 0 .9rem; }
section > h2 { margin-top: 0; }
section { margin: 1.4rem 0 0; padding: 1.2rem 0 0; border-top: 1px dashed var(--line); }
a { color: inherit; text-underline-offset: .15em; }
.lead { font-size: 1.06rem; }
.answers + p { margin-top: 1.2rem; }
.small, .note { font-size: .875rem; color: var(--soft); }
.caution { color: var(--caution); }
.exact, code { font-family: var(--mono); font-size: .86em; }
.small-print { margin: 1.2rem 0 0; padding: 0 1.25rem; font-size: .8125rem; color: var(--soft); text-wrap: balance; }
.small-print p { margin: 0; }
.person { margin: 0 0 1rem; }
.person p { display: inline; }
.person form { display: inline; margin-left: .25rem; }

.facts { margin: 1.1rem 0; }
.facts > div { padding: .55rem 0; border-top: 1px solid var(--line); }
dt { font-size: .875rem; color: var(--soft); }
dd { margin: 0; }
.facts .note, .facts strong + .exact { display: block; }

.rights { margin: 0 0 .6rem; padding: 0; list-style: none; }
.rights li { position: relative; padding: .2rem 0 .2rem 1.35rem; }
.rights li::before {
  content: "";
  position: absolute;
  left: .25rem;
  top: .8rem;
  width: .4rem;
  height: .4rem;
  border-radius: 50%;
  background: var(--deed);
}
code { display: inline-block; color: var(--soft); font-size: .8rem; }

.entries { margin: 0; padding: 0; list-style: none; }
.entries > li { padding: .9rem 0 1rem; border-top: 1px solid var(--line); }
.entries > li:first-child { border-top: 0; }
.entries p { margin: 0 0 .5rem; }
.entries strong + .exact { display: block; }
.entries form + form { margin-top: .6rem; }
h3 { margin: 0 0 .4rem; font-size: 1rem; line-height: 1.35; }
.notice { padding: .7rem 1rem; border-radius: .5rem; border: 1px solid var(--edge); }

.steps { margin: 0; padding: 0 0 0 1.35rem; }
.steps li { padding: .15rem 0 .35rem .2rem; }
.steps li::marker { color: var(--soft); font-variant-numeric: tabular-nums; }

.warning { padding: .8rem 1rem; border-radius: .5rem; background: var(--warning); color: var(--warning-ink); border: 1px solid transparent; }
.include { display: flex; gap: .7rem; align-items: center; min-height: 2.75rem; padding: .4rem 0; cursor: pointer; }
.include input { flex: none; width: 1.35rem; height: 1.35rem; margin: 0; accent-color: var(--deed); }
.promise { margin: 1.4rem 0 0; padding: 1.2rem 0 0; border-top: 1px dashed var(--line); color: var(--soft); font-size: .94rem; }

button, .button {
  min-height: 2.9rem;
  padding: .55rem 1.2rem;
  border: 2px solid var(--edge);
  border-radius: .5rem;
  background: transparent;
  color: var(--ink);
  font: inherit;
  font-weight: 600;
  line-height: 1.25;
  text-align: center;
  text-decoration: none;
  cursor: pointer;
}
a.button { display: inline-flex; align-items: center; justify-content: center; gap: .4em; }
button:hover, .button:hover { background: var(--hover); }
button.main { background: var(--deed); border-color: var(--deed); color: var(--deed-ink); }
button.main:hover { background: var(--deed-hover); border-color: var(--deed-hover); }
button.link { min-height: 0; padding: .35rem 0; border: 0; font-weight: 400; text-decoration: underline; text-underline-offset: .15em; background: none; }
.answers { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.4rem 0 0; }
.answers > * { flex: 1 1 auto; }
.choices { display: grid; gap: .7rem; margin: 1.3rem 0; }
.choice { display: flex; align-items: center; justify-content: space-between; gap: 1rem; text-align: left; }
.choice::after { content: "→" / ""; }
.choice .small { display: block; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 3px; }

.technical { margin: 1.5rem 0 0; padding: 1rem 0 0; border-top: 1px dashed var(--line); font-size: .875rem; color: var(--soft); }
.technical > div { display: flex; gap: .6rem; align-items: baseline; }
.technical dt { flex: none; width: 3.8rem; }
.technical dd { font-family: var(--mono); font-size: .8rem; }

@media (min-width: 48rem) {
  .ticket { display: grid; grid-template-columns: 12.5rem minmax(0, 1fr); }
  .stub {
    --notch: 100% 0;
    --hole: 100% 50%;
    --hole-every: 100% 10px;
    display: flex;
    flex-direction: column;
    justify-content: space-between;
    gap: 1.5rem;
    padding: 2.6rem 1.4rem 2rem;
    border-radius: .6rem 0 0 .6rem;
    text-align: center;
  }
  .house { position: sticky; top: 2.6rem; flex-direction: column; gap: .5rem; }
  .brand { flex-direction: column; gap: .8rem; font-size: 1.4rem; }
  .hanger { width: 4.6rem; }
  .slip {
    --other-notch: 0 100%;
    --hole: 0 50%;
    --hole-every: 100% 10px;
    padding: 2.4rem 2.75rem;
    border-radius: 0 .6rem .6rem 0;
  }
  h1 { font-size: 2rem; }
  .facts > div { display: grid; grid-template-columns: 9rem minmax(0, 1fr); gap: 1rem; align-items: baseline; }
  .answers { justify-content: flex-end; }
  .answers > * { flex: 0 1 auto; min-width: 9rem; }
  .small-print { text-align: center; }
}
@media (forced-colors: active) {
  .ticket { border: 1px solid; }
}
`
