import { type DenialBody, type DenialSite, denialBody } from './denial-answer.ts'
import type { Denial } from './denials.ts'

/** The request a denial answers; one without an id is a notification and gets no answer. */
export type RpcCall = { readonly id?: string | number | null; readonly method: string }

export type RpcAnswer = { readonly jsonrpc: '2.0'; readonly id: string | number } & (
  | { readonly result: Readonly<Record<string, unknown>> }
  | { readonly error: { readonly code: number; readonly message: string; readonly data: DenialBody } }
)

/** Where a denial lies in `_meta` of a result. */
export const denialMetaKey = 'coatcheck/denial'

/** Of our own choice, in the range JSON-RPC leaves to servers. */
const unauthenticatedCode = -32001
const forbiddenCode = -32003

/**
 * A denial as the answer to one JSON-RPC request. A tool call fails as a result, which models and people get to
 * read; everything else fails as an error.
 */
export function denialMessage(denial: Denial, call: RpcCall, site: DenialSite = {}): RpcAnswer | undefined {
  const { id, method } = call
  if (id === undefined || id === null) return undefined
  const body = denialBody(denial, site)
  if (method === 'tools/call') {
    const content = [{ type: 'text', text: denial.message }]
    return { jsonrpc: '2.0', id, result: { isError: true, content, _meta: { [denialMetaKey]: body } } }
  }
  const code = denial.status === 401 ? unauthenticatedCode : forbiddenCode
  return { jsonrpc: '2.0', id, error: { code, message: denial.message, data: body } }
}
