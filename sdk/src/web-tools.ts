import type { Needs } from './checks.ts'
import { concat, type EventStreamEditor, eventStreamEditor, type Piece } from './event-stream.ts'
import type { GuardedTools } from './guarded-tools.ts'
import type { Handler } from './protect.ts'
import {
  bodyUsed,
  isPlainJson,
  nothingAsked,
  notJson,
  notTraced,
  type RpcBody,
  type RpcFault,
  readRpcBytes,
  tooLarge,
} from './rpc-body.ts'
import type { AnswerEdit } from './tool-list.ts'

/** A request with calls of tools, from the token to the lists in its answer. */
export async function handleTools(
  tools: GuardedTools,
  request: Request,
  handler: Handler,
  { needs, address }: { readonly needs: Needs | undefined; readonly address: string | undefined },
): Promise<Response> {
  const { method, url, headers } = request
  const visitor = { method, path: new URL(url).pathname, authorization: headers.get('authorization') }
  const entered = await tools.enter(visitor, needs)
  if (entered instanceof Response) return entered
  const read = await readRequest(request, tools.largestBody)
  const passed = await tools.pass(entered, read.body, address)
  if (passed instanceof Response) return passed
  const answer = await handler(read.request, { authInfo: passed.authInfo })
  return await editResponse(answer, passed.edit, tools.unreadable)
}

type ReadRequest = {
  readonly body: RpcBody | RpcFault
  /** To be handed on in place of the one whose body was read. */
  readonly request: Request
}

/** Reads what a request asks, within a number of bytes, and gives it back unread. */
async function readRequest(request: Request, largest: number): Promise<ReadRequest> {
  const { url, method, headers, signal } = request
  if (request.bodyUsed) return { body: bodyUsed, request }
  // Hono's server for Node says that there is no body, and hands one out.
  if (method === 'TRACE') return { body: notTraced, request }
  if (request.body === null) return { body: nothingAsked, request }
  const bytes = await readBytes(request.body, largest)
  if (!bytes) return { body: tooLarge, request }
  // Some servers hand in what only looks like a Request, and no Request can be made from.
  const again = (body: Uint8Array<ArrayBuffer> | null) => new Request(url, { method, headers, body, signal })
  // They also have a stream for every DELETE.
  if (bytes.length === 0) return { body: nothingAsked, request: again(null) }
  return isPlainJson(headers.get('content-type'), headers.get('content-encoding'))
    ? { body: readRpcBytes(bytes), request: again(bytes) }
    : { body: notJson, request }
}

async function readBytes(body: ReadableStream<Uint8Array>, largest: number) {
  const reader = body.getReader()
  const parts: Uint8Array[] = []
  for (let size = 0; ; ) {
    const { done, value } = await reader.read()
    // A copy: what is handed on belongs to nobody else.
    if (done) return new Uint8Array(concat(parts))
    size += value.byteLength
    if (size > largest) {
      await reader.cancel()
      return undefined
    }
    parts.push(value)
  }
}

/** How an answer is edited, by its description. */
export type AnswerForm = 'json' | 'events' | 'unreadable' | 'other'

export function formOf(
  contentType: string | null | undefined,
  encoding: string | null | undefined,
): AnswerForm {
  const [type = ''] = (contentType ?? '').toLowerCase().split(';')
  const form = { 'application/json': 'json', 'text/event-stream': 'events' }[type.trim()] as
    | 'json'
    | 'events'
    | undefined
  if (form === undefined) return 'other'
  return /^(?:identity)?$/i.test((encoding ?? '').trim()) ? form : 'unreadable'
}

/** An answer with its lists of tools cut to what may be seen; streams stay streams. */
async function editResponse(
  answer: Response,
  edit: AnswerEdit,
  unreadable: () => Response,
): Promise<Response> {
  const { headers, body } = answer
  if (body === null) return answer
  switch (formOf(headers.get('content-type'), headers.get('content-encoding'))) {
    case 'other':
      return answer
    case 'unreadable':
      await body.cancel()
      return unreadable()
    case 'json':
      return withBody(answer, await edit(await answer.text()))
    case 'events':
      return withBody(answer, body.pipeThrough(editedEvents(eventStreamEditor(edit))))
  }
}

function withBody(answer: Response, body: string | ReadableStream<Uint8Array>): Response {
  const { status, statusText } = answer
  const headers = new Headers(answer.headers)
  headers.delete('content-length')
  return new Response(body, { status, statusText, headers })
}

function editedEvents(editor: EventStreamEditor): TransformStream<Uint8Array, Uint8Array> {
  type Controller = TransformStreamDefaultController<Uint8Array>
  const send = async (pieces: readonly Piece[], controller: Controller) => {
    for (const piece of pieces) controller.enqueue(await piece)
  }
  return new TransformStream({
    transform: async (chunk, controller) => await send(editor.push(chunk), controller),
    flush: async (controller) => await send(editor.end(), controller),
  })
}
