import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { OAuthError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import type { AskingResource } from '../grants/open-session.ts'
import { authenticateResource, findAskingResource } from '../http/asking-resource.ts'
import { acceptJsonOnly } from '../http/json-body.ts'
import { type Counted, countRequest, tooManyRequests } from '../http/rates.ts'
import { answer, answerRetrievalError } from '../http/retrieval-errors.ts'
import { type TokenBearer, tokenBearer } from '../http/tool-caller.ts'
import { userTokenText } from '../http/user-token.ts'
import { canonicalJson } from '../lib/canonical-json.ts'
import { newOrderedId } from '../lib/ordered-id.ts'
import { sha256 } from '../lib/secret.ts'
import { unstorableText } from '../lib/storable-text.ts'
import { decide } from '../policy/decide.ts'
import { recordOf, type Said, sayNo, sayRuling } from '../policy/decision-answer.ts'

const storable = (text: string) => unstorableText(text).length === 0

/** Of arguments only the names are kept. */
const callSchema = z.strictObject({
  tool: z.string().min(1).max(200).refine(storable),
  arguments: z.record(z.string().refine(storable), z.unknown()).optional(),
  /** Of all the arguments, where those that came are not all. */
  arguments_digest: z
    .string()
    .regex(/^sha256:[\w-]{43}$/)
    .optional(),
})

const circumstances = {
  address: z.string().max(64).refine(storable).optional(),
  dry_run: z.boolean().default(false),
}
const requestSchema = z.union([
  z.strictObject({ ...callSchema.shape, ...circumstances }).transform(({ address, dry_run, ...call }) => ({
    address,
    dry_run,
    calls: [call],
    isBatch: false,
  })),
  z
    .strictObject({ calls: z.array(callSchema).min(1).max(100), ...circumstances })
    .transform((request) => ({ ...request, isBatch: true })),
])

type ById = { Params: { id: string } }
type Call = z.output<typeof callSchema>
type Circumstances = Pick<z.output<typeof requestSchema>, 'address' | 'dry_run'>

/**
 * `POST /v1/decisions`: may this person's client call this tool? Asked by the MCP server, with its credential and the
 * person's token in `Coatcheck-User-Token`; every no says why, and what would help. `GET /v1/decisions/{id}` explains one.
 */
export async function decisionEndpoints(scope: FastifyInstance, gateway: Gateway): Promise<void> {
  acceptJsonOnly(scope)
  scope.setErrorHandler(answerRetrievalError)

  scope.post('/v1/decisions', async (request, reply) => {
    const asking = await findAskingResource(gateway, request)
    refuseIfUsedUp(gateway, asking)
    const asked = requestSchema.safeParse(request.body)
    if (!asked.success) throw new OAuthError('invalid_request', 'This is not a question about calls of tools')
    const { calls, isBatch, ...around } = asked.data
    const token = userTokenText(request)
    if (token === undefined) throw new OAuthError('invalid_request', 'Coatcheck-User-Token is missing')
    const bearer = await tokenBearer(gateway, asking.resource, token)
    countDecisions(gateway, asking, bearer, calls.length)
    const decisions: object[] = []
    // One after the other: the calls of a batch draw on the same quotas.
    for (const call of calls) decisions.push(await decideOn(gateway, asking, bearer, call, around))
    return answer(reply, isBatch ? { decisions } : { ...decisions[0] })
  })

  scope.get<ById>('/v1/decisions/:id', async (request, reply) => {
    const { resource } = await authenticateResource(gateway, request, 'decisions_per_resource')
    const found = await gateway.decisionLog.find(request.params.id)
    if (found?.resourceId !== resource.id) {
      throw new OAuthError('invalid_request', 'There is no such decision for this resource', { status: 404 })
    }
    const { id, at, subjectId, clientId, tool, allowed, code, detail } = found
    return answer(reply, {
      decision_id: id,
      at,
      sub: subjectId,
      client_id: clientId,
      tool,
      allowed,
      ...(code === null ? {} : { code }),
      ...detail,
    })
  })
}

/** Before a token is looked at, whose it may be. */
function refuseIfUsedUp({ rates, clock }: Gateway, { resource }: AskingResource): void {
  const wait = rates.decisions_per_resource.wait(resource.id, clock())
  if (wait > 0) throw tooManyRequests(wait)
}

/** A batch counts as what it asks for; what one person is refused takes nothing from the others of the MCP server. */
function countDecisions(
  gateway: Gateway,
  { resource }: AskingResource,
  bearer: TokenBearer,
  count: number,
): void {
  const times = (counted: Counted) => Array.from({ length: count }, () => counted)
  if (bearer.outcome !== 'refused') {
    countRequest(gateway, ...times(['decisions_per_person', `${resource.id} ${bearer.caller.subjectId}`]))
  }
  countRequest(gateway, ...times(['decisions_per_resource', resource.id]))
}

async function decideOn(
  gateway: Gateway,
  asking: AskingResource,
  bearer: TokenBearer,
  call: Call,
  around: Circumstances,
): Promise<object> {
  if (bearer.outcome === 'refused') return sayNo(bearer.code, bearer.code)
  const { caller, claims, end } = bearer
  const argumentsHash = digestOf(call)
  const id = newOrderedId(gateway.clock())
  const made = { id, at: gateway.clock(), resourceId: asking.resource.id, caller, tool: call.tool }
  const of = { argumentNames: Object.keys(call.arguments ?? {}), argumentsHash, ...around }
  const record = (said: Said) => recordOf(made, of, said, gateway.config.lifetimes.decisions_kept)
  const ruling = await decide(
    {
      store: gateway.store,
      canStepUp: gateway.canStepUp,
      stepUpLifetime: gateway.config.lifetimes.step_up,
    },
    {
      resource: asking.resource,
      caller,
      call: {
        now: gateway.clock(),
        tool: call.tool,
        arguments: call.arguments ?? {},
        address: around.address,
        authTime: claims.authTime,
        acr: claims.acr,
      },
      argumentsHash,
      mode: end === undefined && !around.dry_run ? 'call' : 'look',
      record: (counted) => record(sayRuling(counted, end)),
    },
  )
  const said = sayRuling(ruling, end)
  if (!said.counted) await gateway.decisionLog.record(record(said))
  return { decision_id: id, ...said.answer }
}

function digestOf({ arguments: values = {}, arguments_digest: digest }: Call): string {
  return digest?.slice('sha256:'.length) ?? sha256(canonicalJson(values))
}
