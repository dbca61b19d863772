import { setTimeout as pause } from 'node:timers/promises'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Gateway } from '../gateway.ts'
import { requestConnect } from '../grants/connect-request.ts'
import { type AskingResource, type OpenSession, openSession } from '../grants/open-session.ts'
import { pinnedSite, siteGone } from '../grants/pinned-site.ts'
import { type Release, retrieveToken } from '../grants/retrieval.ts'
import { type RetrievalRefusal, refusal } from '../grants/retrieval-error.ts'
import { readWish, wishParameters } from '../grants/retrieval-wish.ts'
import { authenticateResource } from '../http/asking-resource.ts'
import { queryOf } from '../http/form-body.ts'
import { acceptJsonOnly } from '../http/json-body.ts'
import { noteRetrieval } from '../http/noted-retrieval.ts'
import { countRequest, secondsToWait } from '../http/rates.ts'
import { answer, answerRetrievalError, outcomeOfError, refuse } from '../http/retrieval-errors.ts'
import { userTokenIn } from '../http/user-token.ts'
import { findFault } from '../lib/parameters.ts'
import { sha256 } from '../lib/secret.ts'
import type { ConnectLink } from '../storage/connect-links.ts'
import type { HeldConnection } from '../storage/connections.ts'
import { formatScope, parseScope } from '../tokens/scope.ts'

type BySession = { Params: { tsid: string } }
type ByProvider = { Params: { tsid: string; provider: string } }
type ByTicket = { Params: { tsid: string; ticket: string } }

/** Token retrieval for MCP servers: what a token session holds, and fresh upstream tokens out of it. */
export async function tokenSessionEndpoints(scope: FastifyInstance, gateway: Gateway): Promise<void> {
  acceptJsonOnly(scope)
  scope.setErrorHandler(answerRetrievalError)
  const stopping = new AbortController()
  scope.addHook('preClose', async () => stopping.abort())
  let waiting = 0

  scope.get<BySession>('/v1/token-sessions/:tsid', async (request, reply) => {
    const asking = await authenticateResource(gateway, request, 'retrievals_per_resource')
    const session = await sessionFor(gateway, request, asking, request.params.tsid)
    return session.outcome === 'refused' ? refuse(reply, session) : answer(reply, sessionAnswer(session))
  })

  scope.get<ByProvider>(
    '/v1/token-sessions/:tsid/tokens/:provider',
    {
      errorHandler(error, request, reply) {
        noteRetrieval(gateway, reply, 'rest', outcomeOfError(error))
        return answerRetrievalError(error, request, reply)
      },
    },
    async (request, reply) => {
      const token = await tokenFor(gateway, request)
      const isRefused = token.outcome === 'refused'
      noteRetrieval(gateway, reply, 'rest', isRefused ? token.code : 'released')
      return isRefused ? refuse(reply, token) : answer(reply, tokenAnswer(token))
    },
  )

  scope.post<ByProvider>('/v1/token-sessions/:tsid/connect/:provider', async (request, reply) => {
    const asking = await authenticateResource(gateway, request, 'retrievals_per_resource')
    const wish = connectSchema.safeParse(request.body ?? {})
    const scopes = wish.success ? parseScope(wish.data.scope) : undefined
    if (!wish.success || !scopes) return refuse(reply, refusal('invalid_request'))
    const { tsid, provider } = request.params
    const session = await sessionFor(gateway, request, asking, tsid)
    if (session.outcome === 'refused') return refuse(reply, session)
    const { account } = wish.data
    countRequest(gateway, ['connect_links_per_session', (session.drawnOn ?? session.grant).id])
    const made = await requestConnect(gateway, asking, session, { provider, scopes, account })
    if (made.outcome === 'refused') return refuse(reply, made)
    const { connectUrl, ticket, expiresIn } = made.link
    return answer(reply, { connect_url: connectUrl, ticket, expires_in: expiresIn })
  })

  scope.get<ByTicket>('/v1/token-sessions/:tsid/connect/:ticket', async (request, reply) => {
    const asking = await authenticateResource(gateway, request, 'retrievals_per_resource')
    const query = queryOf(request)
    const wait = query.values.get('wait') ?? '0'
    if (findFault(query, ['wait']) || !/^\d{1,3}$/.test(wait))
      return refuse(reply, refusal('invalid_request'))
    const { tsid, ticket } = request.params
    const session = await sessionFor(gateway, request, asking, tsid)
    if (session.outcome === 'refused') return refuse(reply, session)
    const { drawnOn } = session
    if (!drawnOn) return refuse(reply, refusal('unknown_token_session'))
    const asked = { ticketHash: sha256(ticket), grantId: drawnOn.id }
    const hasRoom = waiting < gateway.config.limits.requests_under_way * mostWaiting
    const patience = {
      seconds: hasRoom ? Math.min(Number(wait), longestWait) : 0,
      stopping: stopping.signal,
    }
    waiting++
    const link = await settledLink(gateway, request, asked, patience).finally(() => waiting--)
    if (!link) return refuse(reply, refusal('unknown_token_session'))
    return answer(reply, linkAnswer(gateway, link))
  })
}

const connectSchema = z.strictObject({
  scope: z.string().max(4096).default(''),
  account: z
    .string()
    .regex(/^(new|acct_[\w-]{22})$/)
    .optional(),
})

const longestWait = 30

/** The part of all requests under way that may be such that only wait: beyond it work would be refused for them. */
const mostWaiting = 1 / 4

async function tokenFor(
  gateway: Gateway,
  request: FastifyRequest<ByProvider>,
): Promise<Release | RetrievalRefusal> {
  const asking = await authenticateResource(gateway, request, 'retrievals_per_resource')
  const query = queryOf(request)
  const wish = findFault(query, wishParameters) ? undefined : readWish(query)
  if (!wish) return refusal('invalid_request')
  const { tsid, provider } = request.params
  const userToken = await userTokenIn(gateway, request, asking.resource.uri)
  const token = await retrieveToken(gateway, asking, { tsid, provider, userToken, ...wish })
  return token.outcome === 'refused' ? countGuess(gateway, asking, token) : token
}

async function sessionFor(
  gateway: Gateway,
  request: FastifyRequest,
  asking: AskingResource,
  tsid: string,
): Promise<OpenSession | RetrievalRefusal> {
  const session = await openSession(
    gateway,
    asking,
    tsid,
    await userTokenIn(gateway, request, asking.resource.uri),
  )
  return session.outcome === 'refused' ? countGuess(gateway, asking, session) : session
}

/** Who goes on asking for sessions that are not there is told to stop; those that are there are served still. */
function countGuess(
  gateway: Gateway,
  { resource }: AskingResource,
  refused: RetrievalRefusal,
): RetrievalRefusal {
  if (refused.code !== 'unknown_token_session') return refused
  const wait = secondsToWait(gateway, [['unknown_sessions_per_resource', resource.id]])
  return wait === 0 ? refused : refusal('too_many_requests', { retry_after: wait })
}

/** The session's link once it is no longer under way, or as it stands when the time is up or the gateway stops. */
async function settledLink(
  gateway: Gateway,
  request: FastifyRequest,
  asked: Pick<ConnectLink, 'ticketHash' | 'grantId'>,
  { seconds, stopping }: { seconds: number; stopping: AbortSignal },
): Promise<ConnectLink | undefined> {
  for (let waited = 0; ; waited += 0.5) {
    const link = await gateway.store.connectLinks.find(asked.ticketHash)
    if (link?.grantId !== asked.grantId) return undefined
    const isUnderWay = ['pending', 'opened'].includes(linkState(gateway, link))
    if (!isUnderWay || waited >= seconds || stopping.aborted || request.raw.destroyed) return link
    await pause(500)
  }
}

/** A link that was followed is under way for as long as the interaction it became can last. */
function linkState({ config, clock }: Gateway, { status, expiresAt }: ConnectLink) {
  const lasts = { pending: 0, opened: config.lifetimes.interaction, completed: undefined, failed: undefined }
  const more = lasts[status]
  return more !== undefined && expiresAt + more <= clock() ? 'expired' : status
}

function sessionAnswer({ grant, connections }: OpenSession) {
  return {
    tsid: grant.tsid,
    sub: grant.subjectId,
    client_id: grant.clientId,
    scope: formatScope(grant.scopes),
    expires_at: grant.expiresAt,
    connections: connections.map(connectionAnswer),
  }
}

function connectionAnswer(connection: HeldConnection) {
  const { provider, status, statusReason, statusSince, scopes, accountId, accountLabel } = connection
  const pinned = pinnedSite(connection.siteId, connection.sites ?? undefined)
  const isGone = status === 'live' && pinned.outcome === 'gone'
  return {
    provider,
    account: { id: accountId, label: accountLabel },
    ...(pinned.outcome === 'site' && { site: pinned.site }),
    scope: formatScope(scopes),
    state: isGone ? 'needs_reauthorization' : status,
    ...(connection.accessExpiresAt === null ? {} : { access_expires_at: connection.accessExpiresAt }),
    ...(isGone && { since: pinned.since, reason: siteGone }),
    ...(status === 'live' ? {} : { since: statusSince, reason: statusReason }),
  }
}

function tokenAnswer(release: Release) {
  return {
    access_token: release.accessToken,
    token_type: release.tokenType,
    ...(release.expiresIn === undefined ? {} : { expires_in: release.expiresIn }),
    scope: formatScope(release.scopes),
    provider: release.provider,
    account: release.account,
    ...(release.site && { site: release.site }),
  }
}

function linkAnswer(gateway: Gateway, link: ConnectLink) {
  const { provider, reason } = link
  return { state: linkState(gateway, link), provider, ...(reason === null ? {} : { reason }) }
}
