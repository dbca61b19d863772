import type { DenialSite } from './denial-answer.ts'
import type { Denial } from './denials.ts'
import { denialMessage, type RpcCall } from './json-rpc.ts'
import type { RpcBody } from './rpc-body.ts'
import { type AnswerEdit, listEdit } from './tool-list.ts'
import type { ToolCaller, ToolPolicy } from './tool-policy.ts'

/** What is decided about a request before the server behind gets to see it. */
export type Judged =
  | { readonly outcome: 'answered'; readonly response: Response }
  /** It goes on; what comes back is to be edited. */
  | { readonly outcome: 'passed'; readonly edit: AnswerEdit }

export type ToolGate = {
  judge(body: RpcBody, caller: ToolCaller): Promise<Judged>
  /** What is told of a token that is good but for `end`: a scope that a call lacks comes first, everything else after. */
  firstDenial(body: RpcBody, caller: ToolCaller, end: Denial): Promise<Denial>
}

type Parts = {
  readonly policy: ToolPolicy
  readonly site: DenialSite
  readonly isInband: (denial: Denial) => boolean
  readonly refuse: (denial: Denial, call?: RpcCall) => Response
}

/** Stands between a transport and its clients, and knows nothing of either. */
export function toolGate({ policy, site, isInband, refuse }: Parts): ToolGate {
  const answered = (response: Response) => ({ outcome: 'answered', response }) as const

  /**
   * A batch is one message: it is run as a whole or not at all. A denial that is delivered by HTTP answers for all of it;
   * otherwise each of its requests gets an answer of its own.
   */
  function refuseAll(body: RpcBody, denials: readonly (Denial | undefined)[]): Response {
    const first = denials.find((denial) => denial !== undefined && !isInband(denial)) ?? denials.find(Boolean)
    if (!first) throw new TypeError('there is nothing to refuse')
    const call = body.calls[denials.indexOf(first)]
    const rpc = { method: 'tools/call', ...(call?.id === undefined ? {} : { id: call.id }) }
    if (!body.isBatch || !isInband(first)) return refuse(first, rpc)
    const denied = new Map(body.calls.map(({ id }, at) => [id, denials[at]]))
    const answers = body.ids.flatMap((id): object[] => {
      const denial = denied.get(id)
      const answer = denial ? denialMessage(denial, { id, method: 'tools/call' }, site) : notRun(id)
      return answer ? [answer] : []
    })
    return answers.length === 0
      ? refuse(first)
      : Response.json(answers, { headers: { 'cache-control': 'no-store' } })
  }

  return {
    async judge(body, caller) {
      const { calls, listIds } = body
      const denials = await policy.decide(calls, caller)
      if (denials.some((denial) => denial !== undefined)) return answered(refuseAll(body, denials))
      const reach = listIds.length > 0 ? await policy.reach(caller) : undefined
      if (reach?.outcome === 'denied') return answered(refuse(reach.denial))
      return {
        outcome: 'passed',
        edit: listEdit(listIds, async () => reach ?? (await policy.reach(caller)), site),
      }
    },
    async firstDenial({ calls }, caller, end) {
      const denials = calls.length > 0 ? await policy.decide(calls, caller) : []
      return denials.find((denial) => denial?.code === 'scope_insufficient') ?? end
    },
  }
}

const notRun = (id: string | number) => ({
  jsonrpc: '2.0',
  id,
  error: { code: -32003, message: 'Not run, because another call of this batch was refused' },
})
