import { displayExact, displayText } from '../lib/display-text.ts'
import { type Html, html } from '../lib/html.ts'
import { layout } from './layout.ts'
import { technical } from './technical.ts'

/** What went wrong, in words for the person; `error-text.ts` has them for all we know of. */
export type ErrorText = { title: string; message: string; whatToDo: string | readonly string[] }

export type ErrorProps = ErrorText & {
  issuerHost: string
  /** Finds the matching lines in our log; printed on the stub. */
  requestId?: string
  /** A stable code and a sentence for whoever develops the client. */
  code?: string
  detail?: string
}

/** An error that is shown and never redirected. */
export function errorPage(props: ErrorProps): Html {
  const number = props.requestId === undefined ? {} : { ticketNumber: props.requestId }
  return layout(
    { title: displayText(props.title, 120), issuerHost: props.issuerHost, ...number },
    html`<h1>${displayText(props.title, 120)}</h1>
<p class="lead">${displayText(props.message, 600)}</p>
<h2>What you can do</h2>
${advice(props.whatToDo)}
${technical({ Code: displayExact(props.code ?? '', 64), Detail: displayText(props.detail ?? '', 300) })}`,
  )
}

/** A sentence or two, or steps in their order. */
function advice(whatToDo: ErrorText['whatToDo']): Html {
  return typeof whatToDo === 'string'
    ? html`<p>${displayText(whatToDo, 600)}</p>`
    : html`<ol class="steps">${whatToDo.map((step) => html`<li>${displayText(step, 600)}</li>`)}</ol>`
}
