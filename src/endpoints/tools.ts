import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { auditEvent } from '../audit/event.ts'
import { OAuthError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import type { AskingResource } from '../grants/open-session.ts'
import { authenticateResource, NotAResource } from '../http/asking-resource.ts'
import { acceptJsonOnly } from '../http/json-body.ts'
import { answer, answerRetrievalError } from '../http/retrieval-errors.ts'
import { tokenBearer } from '../http/tool-caller.ts'
import { userTokenText } from '../http/user-token.ts'
import { unstorableText } from '../lib/storable-text.ts'
import { judge } from '../policy/decision.ts'
import { manifestChange } from '../policy/manifest.ts'
import { publishedToolSchema, toolState } from '../policy/tool.ts'
import { getToolPolicies } from '../policy/tool-policy.ts'

const manifestSchema = z.strictObject({ tools: z.array(publishedToolSchema).max(1000) })

/** Schemas of tools are large; a manifest with a thousand of them must fit. */
const mostBytes = 4 * 1024 * 1024

/**
 * The tools of the MCP server that asks with its credential. `PUT /v1/tools` publishes them: new and changed ones wait for
 * review. `GET /v1/tools` lists them, and with a person's token in `Coatcheck-User-Token` says which of them it may call.
 */
export async function toolEndpoints(scope: FastifyInstance, gateway: Gateway): Promise<void> {
  acceptJsonOnly(scope)
  scope.setErrorHandler(answerRetrievalError)

  const publishers = new WeakMap<FastifyRequest, AskingResource>()
  // Before anything so large is read.
  const authenticate = async (request: FastifyRequest) => {
    publishers.set(request, await authenticateResource(gateway, request, 'manifests_per_resource'))
  }
  scope.put('/v1/tools', { bodyLimit: mostBytes, onRequest: authenticate }, async (request, reply) => {
    const { resource, credential } = publishers.get(request) ?? notPublishing()
    const manifest = manifestSchema.safeParse(request.body)
    if (!manifest.success || unstorableText(manifest.data).length > 0) {
      throw new OAuthError('invalid_request', 'This is not a list of tools')
    }
    const { tools } = manifest.data
    if (new Set(tools.map(({ name }) => name)).size < tools.length) {
      throw new OAuthError('invalid_request', 'Two of these tools have one name')
    }
    const now = gateway.clock()
    const known = await gateway.store.tools.list(resource.id)
    const { rows, summary } = manifestChange(resource.id, known, tools, now)
    const event = auditEvent(now, {
      event: 'tools.published',
      actor: `resource:${credential.id}`,
      resourceId: resource.id,
      detail: toldOf(summary),
    })
    const isNews = Object.values(summary).some((names) => names.length > 0)
    const isKept = await gateway.store.tools.publish(resource.id, rows, now, isNews ? event : undefined)
    if (!isKept) throw new NotAResource()
    return answer(reply, { tools: rows.length, ...summary })
  })

  scope.get('/v1/tools', async (request, reply) => {
    const asking = await authenticateResource(gateway, request, 'decisions_per_resource')
    const token = userTokenText(request)
    return answer(
      reply,
      token === undefined ? await published(gateway, asking) : await callable(gateway, asking, request),
    )
  })
}

function notPublishing(): never {
  throw new NotAResource()
}

/** Names of each kind that are recorded: the record is kept for long, and a manifest may be all new each time. */
const mostTold = 20

function toldOf(summary: Record<string, string[]>): Record<string, unknown> {
  const told = Object.entries(summary).map(([kind, names]) => [kind, names.slice(0, mostTold)])
  const counts = Object.entries(summary).map(([kind, names]) => [kind, names.length])
  return { ...Object.fromEntries(told), counts: Object.fromEntries(counts) }
}

async function published({ store }: Gateway, { resource }: AskingResource) {
  const tools = await store.tools.list(resource.id)
  return {
    tools: tools.map((tool) => ({
      name: tool.name,
      state: toolState(tool),
      ...(tool.rule && { access: tool.rule.access, scopes: tool.rule.scopes, match: tool.rule.match }),
    })),
  }
}

/** Whether each may be called now, by what is known before a call: arguments, counts and sign-ins for one call are not. */
async function callable(gateway: Gateway, { resource }: AskingResource, request: FastifyRequest) {
  const bearer = await tokenBearer(gateway, resource, userTokenText(request))
  const refused = bearer.outcome === 'refused' ? bearer.code : bearer.end
  if (bearer.outcome === 'refused' || refused !== undefined) return { code: refused, tools: [], cache_for: 0 }
  const { caller, claims } = bearer
  const now = gateway.clock()
  const policies = await getToolPolicies(gateway.store, { resource, subjectId: caller.subjectId, now })
  const address = addressOf(request)
  const verdicts = policies.map((policy) => {
    const name = policy.tool?.name ?? ''
    const { authTime, acr } = claims
    const verdict = judge(policy, caller, { now, tool: name, arguments: 'unknown', address, authTime, acr })
    return { name, allowed: verdict.allowed, ...(verdict.allowed ? {} : { code: verdict.code }) }
  })
  return { tools: verdicts, cache_for: 1 }
}

/** Where the person's client is, as the MCP server saw it. */
function addressOf({ query }: FastifyRequest): string | undefined {
  const { address } = query as Record<string, unknown>
  return typeof address === 'string' && address.length <= 64 ? address : undefined
}
