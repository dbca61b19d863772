import { UpstreamError } from './upstream-error.ts'

/** What a client said it can do: `capabilities` of its initialize request. */
export type ClientCapabilities = { readonly elicitation?: { readonly url?: unknown } | undefined }

/** How a tool that a person has to help answers its client. */
export type PersonAction =
  /** MCP 2025-11-25: the error to throw, as `McpError`'s arguments or a JSON-RPC error. */
  | {
      readonly as: 'error'
      readonly error: {
        readonly code: -32042
        readonly message: string
        readonly data: { readonly elicitations: readonly UrlElicitation[] }
      }
    }
  /** MCP 2026-07-28: the result to return; the client comes again when the person is done. */
  | {
      readonly as: 'result'
      readonly result: {
        readonly resultType: 'input_required'
        readonly inputRequests: Readonly<Record<string, unknown>>
      }
    }
  | InWords

/** A client that can do neither: words, which the model passes on, as the result of the tool. */
type InWords = {
  readonly as: 'words'
  readonly result: { isError: true; content: { type: 'text'; text: string }[] }
}

type UrlElicitation = { mode: 'url'; elicitationId: string; url: string; message: string }

const urlElicitationRequired = -32042

/** What is known of the client; `revision` is the negotiated protocol version. A server without sessions knows neither. */
type ToldClient = {
  readonly revision?: string | undefined
  readonly capabilities?: ClientCapabilities | undefined
}

/**
 * The right MCP answer to an UpstreamError. Where a person has to act and the client can show a URL it is one to open; in
 * every other case words, which say who must act. Takes whatever a tool may have caught: all other errors it throws again.
 */
export function personAction(error: unknown): InWords
export function personAction(error: unknown, client: ToldClient): PersonAction
export function personAction(error: unknown, client: ToldClient = {}): PersonAction {
  if (!(error instanceof UpstreamError)) throw error
  const { connectUrl, whoMustAct } = error.refusal
  const canOpen = client.capabilities?.elicitation?.url !== undefined
  if (whoMustAct !== 'user' || connectUrl === undefined) return inWords(error)
  const message = `${error.message}. Connect your account to go on.`
  if (client.revision !== undefined && client.revision >= '2026-07-28') {
    if (!canOpen) return inWords(error)
    const connect = { method: 'elicitation/create', params: { mode: 'url', url: connectUrl, message } }
    return { as: 'result', result: { resultType: 'input_required', inputRequests: { connect } } }
  }
  if (!canOpen) return inWords(error)
  const elicitation: UrlElicitation = {
    mode: 'url',
    elicitationId: crypto.randomUUID(),
    url: connectUrl,
    message,
  }
  return {
    as: 'error',
    error: {
      code: urlElicitationRequired,
      message: 'URL elicitation required',
      data: { elicitations: [elicitation] },
    },
  }
}

function inWords(error: UpstreamError): InWords {
  const text = `${error.message}.${whatHelps(error)}`
  return { as: 'words', result: { isError: true, content: [{ type: 'text', text }] } }
}

function whatHelps({ refusal }: UpstreamError): string {
  const { whoMustAct, connectUrl, retryAfter, accounts } = refusal
  if (accounts)
    return ` Ask which account is meant: ${accounts.map(({ id, label }) => `${label} (${id})`).join(', ')}.`
  switch (whoMustAct) {
    case 'user':
      return connectUrl === undefined ? '' : ` Open ${connectUrl} in a browser, then try again.`
    case 'admin':
      return ' An administrator has to look at this.'
    case 'nobody':
      return retryAfter === undefined ? ' Try again later.' : ` Try again in ${retryAfter} seconds.`
    case 'caller':
      return ''
  }
}
