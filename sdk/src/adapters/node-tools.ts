import type { Entered, GuardedTools } from '../guarded-tools.ts'
import type { NodeAnswer } from './answer-courses.ts'
import { editNodeAnswer } from './node-answer.ts'
import { type NodeBody, readNodeBody } from './node-body.ts'

export type NodeCall = {
  readonly request: NodeBody & { readonly socket?: { readonly remoteAddress?: string | undefined } | null }
  readonly response: NodeAnswer
  /** What a body parser made of the body, if one came before. */
  readonly parsed: unknown
  /** Where the client is, if a framework knows better than the socket. */
  readonly address: string | undefined
}

/** Judges what a request calls. Answers it, or lets it on: then its owner is known, and its answer edited. */
export async function passNode(
  tools: GuardedTools,
  entered: Entered,
  { request, response, parsed, address }: NodeCall,
): Promise<Response | undefined> {
  const body = await readNodeBody(request, parsed, tools.largestBody)
  const passed = await tools.pass(entered, body, address ?? request.socket?.remoteAddress)
  if (passed instanceof Response) return passed
  Object.assign(request, { auth: passed.authInfo })
  editNodeAnswer(response, passed.edit, tools.unreadable)
  return undefined
}
