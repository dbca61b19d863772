import { decodeJwt } from 'jose'
import type { AuthInfo } from './auth-info.ts'
import type { Needs } from './checks.ts'
import { type Denial, deny } from './denials.ts'
import type { Guard, Visitor } from './protect.ts'
import { faultResponse, type RpcBody, type RpcFault } from './rpc-body.ts'
import { scopesOf } from './scope.ts'
import type { ToolGate } from './tool-gate.ts'
import type { AnswerEdit } from './tool-list.ts'

/** Who sent a request, before its body is read. */
export type Entered =
  | { readonly outcome: 'admitted'; readonly authInfo: AuthInfo }
  /** The token is good, but for this; it may lack a scope, too, which is told first. */
  | { readonly outcome: 'ended'; readonly token: string; readonly denial: Denial }

export type Passed = { readonly authInfo: AuthInfo; readonly edit: AnswerEdit }

/** The two steps in which a request with calls of tools gets in: nobody's body is read before they are known. */
export type GuardedTools = {
  /** Of a request, in bytes. */
  readonly largestBody: number
  enter(visitor: Visitor, needs?: Needs): Promise<Response | Entered>
  pass(entered: Entered, body: RpcBody | RpcFault, address?: string): Promise<Response | Passed>
  /** In place of an answer that cannot be looked into. */
  unreadable(): Response
}

export function guardedTools(
  gate: ToolGate,
  largestBody: number,
  { documents, decide, refuse }: Pick<Guard, 'documents' | 'decide' | 'refuse'>,
): GuardedTools {
  return {
    largestBody,
    async enter(visitor, needs) {
      const document = await documents(visitor)
      if (document) return document
      const verdict = await decide(visitor.authorization, needs)
      if (verdict.outcome === 'allowed') return { outcome: 'admitted', authInfo: verdict.authInfo }
      const { denial } = verdict
      const token = tokenIn(visitor.authorization)
      return denial.code === 'token_revoked' ? { outcome: 'ended', token, denial } : refuse(denial)
    },
    async pass(entered, body, address) {
      if (entered.outcome === 'ended') {
        if (body.outcome === 'refused') return refuse(entered.denial)
        const { token, denial } = entered
        return refuse(await gate.firstDenial(body, { token, scopes: scopesInside(token), address }, denial))
      }
      if (body.outcome === 'refused') return faultResponse(body)
      const { authInfo } = entered
      const { token, scopes } = authInfo
      const judged = await gate.judge(body, { token, scopes, address })
      return judged.outcome === 'answered' ? judged.response : { authInfo, edit: judged.edit }
    },
    unreadable: () => refuse(deny('policy_unavailable', { reason: 'answer_encoded', retryAfter: 5 })),
  }
}

/** Of a header that was accepted before. */
function tokenIn(authorization: Visitor['authorization']): string {
  const [line = ''] = [authorization ?? ''].flat()
  return line.slice(line.lastIndexOf(' ') + 1)
}

/** Nobody else says which scopes a revoked token has; its signature was found good. */
function scopesInside(token: string): string[] {
  try {
    return scopesOf(decodeJwt(token))
  } catch {
    return []
  }
}
