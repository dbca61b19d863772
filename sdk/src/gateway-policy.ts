import { canonicalJson } from './canonical-json.ts'
import { type Decided, type Listed, readDecisions, readReach } from './decision-answer.ts'
import { askedCall } from './decision-request.ts'
import { type Denial, deny } from './denials.ts'
import { digest } from './digest.ts'
import { askGateway, type GatewayAccess } from './gateway-request.ts'
import { keptAnswers } from './kept-answers.ts'
import type { ToolCall } from './rpc-body.ts'
import { singleFlight } from './single-flight.ts'
import { type ToolCaller, type ToolPolicy, type ToolReach, unknownTool } from './tool-policy.ts'

/** How many answers are kept, of each kind. */
const keptDecisions = 2000
const keptLists = 500
/** Seconds after which somebody turned away may come again. */
const retryAfter = 5

/**
 * Asks the gateway (`POST /v1/decisions`, `GET /v1/tools`). A yes is kept for as long as the gateway says, which is not at all
 * where it counts; a no never. Whatever keeps the gateway from answering is a no.
 */
export function gatewayPolicy(access: GatewayAccess): ToolPolicy {
  const { clock } = access.outside
  const yeses = keptAnswers<Decided>(keptDecisions, clock)
  const lists = keptAnswers<ToolReach>(keptLists, clock)
  const flights = singleFlight<Decided | undefined>()
  const listFlights = singleFlight<ToolReach>()

  async function ask(calls: readonly Keyed[], caller: ToolCaller): Promise<readonly Decided[]> {
    const asked = await Promise.all(calls.map(({ call }) => askedCall(call, calls.length)))
    if (!asked.every((each) => each !== undefined))
      return calls.map(() => no(unavailable('arguments_too_large')))
    const { token: userToken, address, scopes: grantedScopes } = caller
    const body = { calls: asked, ...(address !== undefined && { address }) }
    const answer = await askGateway(access, '/v1/decisions', { method: 'POST', userToken, body })
    if (answer.outcome === 'unavailable') return calls.map(() => no(unavailable(answer.reason)))
    const decided = readDecisions(
      answer.text,
      calls.map(({ call: { tool } }) => ({ tool, grantedScopes })),
    )
    if (!decided) return calls.map(() => no(unavailable('decision_unreadable')))
    for (const [at, each] of decided.entries()) {
      const key = calls[at]?.key
      if (each.allowed && key !== undefined) yeses.keep(key, each, each.cacheFor)
    }
    return decided
  }

  /** Calls that are the same at the same time share a yes that may be kept; one that counts is everybody's own. */
  async function askOnce(keyed: Keyed, caller: ToolCaller): Promise<Decided | undefined> {
    let isMine = false
    const decided = await flights(keyed.key, async () => {
      isMine = true
      return (await ask([keyed], caller))[0]
    })
    const isShared = decided?.allowed === true && decided.cacheFor > 0
    return isMine || isShared ? decided : (await ask([keyed], caller))[0]
  }

  async function askAll(
    calls: readonly Keyed[],
    caller: ToolCaller,
  ): Promise<readonly (Decided | undefined)[]> {
    const [only, ...more] = calls
    if (only === undefined) return []
    return more.length === 0 ? [await askOnce(only, caller)] : await ask(calls, caller)
  }

  return {
    async decide(calls, caller) {
      const keyed = await Promise.all(calls.map(async (call) => ({ call, key: await keyOf(call, caller) })))
      const open = keyed.filter(({ call, key }) => isName(call.tool) && !yeses.find(key))
      const decided = await askAll(open, caller)
      return keyed.map((each) => {
        if (!isName(each.call.tool)) return unknownTool(each.call.tool)
        const at = open.indexOf(each)
        return at === -1 ? undefined : denialOf(decided[at])
      })
    },
    async reach(caller) {
      const key = await digest(JSON.stringify([caller.token, caller.address ?? '']))
      const kept = lists.find(key)
      if (kept) return kept
      return await listFlights(key, async () => {
        const listed = await askForList(access, caller)
        lists.keep(key, listed.reach, listed.cacheFor)
        return listed.reach
      })
    },
  }
}

type Keyed = { readonly call: ToolCall; readonly key: string }

/** What lies in memory opens nothing: of token and arguments it is a digest. */
const keyOf = async (
  { tool, arguments: values }: ToolCall,
  { token, address = '' }: ToolCaller,
): Promise<string> => await digest(JSON.stringify([token, address, tool, canonicalJson(values)]))

const denialOf = (decided: Decided | undefined): Denial | undefined => {
  if (decided === undefined) return unavailable('decision_unreadable')
  return decided.allowed ? undefined : decided.denial
}

const no = (denial: Denial): Decided => ({ allowed: false, denial })

const unavailable = (reason: string): Denial => deny('policy_unavailable', { reason, retryAfter })

async function askForList(access: GatewayAccess, caller: ToolCaller): Promise<Listed> {
  const { token: userToken, address, scopes } = caller
  const query = address === undefined ? '' : `?${new URLSearchParams({ address })}`
  const answer = await askGateway(access, `/v1/tools${query}`, { method: 'GET', userToken })
  const listed = answer.outcome === 'answer' ? readReach(answer.text, scopes) : undefined
  if (listed) return listed
  const reason = answer.outcome === 'unavailable' ? answer.reason : 'list_unreadable'
  return { reach: { outcome: 'denied', denial: unavailable(reason) }, cacheFor: 0 }
}

/** Anything else is no name that could have been published: no control characters, no half of a surrogate pair. */
const isName = (tool: string): boolean => /^[^\p{Cc}\p{Cs}]{1,200}$/u.test(tool)
