import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { auditEvent } from '../../audit/event.ts'
import { OAuthError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { authenticateCaller, type Caller, callerParameters } from '../../http/callers.ts'
import { allowAnyOrigin } from '../../http/cors.ts'
import { acceptFormsOnly, formOf, refuseFaults } from '../../http/form-body.ts'
import { noteRetrieval } from '../../http/noted-retrieval.ts'
import { answerOAuthError, asOAuthError } from '../../http/oauth-errors.ts'
import { countClient, countRequest } from '../../http/rates.ts'
import { type Parameters, readParameters } from '../../lib/parameters.ts'
import { authorizationCode } from './authorization-code.ts'
import type { TokenAnswer, TokenGrant } from './grant.ts'
import { refreshToken } from './refresh-token.ts'
import { exchangedFor, tokenExchange, tokenExchangeGrant } from './token-exchange.ts'
import { inRetrievalTerms, retrievalCodeOf } from './upstream-exchange.ts'

type Grants = { [Kind in Caller['kind']]: ReadonlyMap<string, TokenGrant<Kind>> }

/** The grant types, by who may use them. */
const grants: Grants = {
  client: new Map([
    ['authorization_code', authorizationCode],
    ['refresh_token', refreshToken],
  ]),
  resource: new Map([[tokenExchangeGrant, tokenExchange]]),
}

const shared = ['grant_type', ...callerParameters]

/** `POST /oauth/token` (RFC 6749 section 3.2): one pipeline, so that no grant can forget a step. */
export async function tokenEndpoint(scope: FastifyInstance, gateway: Gateway): Promise<void> {
  acceptFormsOnly(scope)
  allowAnyOrigin(scope, ['/oauth/token'])
  scope.setErrorHandler((error: FastifyError | Error, request, reply) =>
    answerError(gateway, error, request, reply),
  )
  scope.post('/oauth/token', async (request, reply) => {
    const form = formOf(request)
    refuseFaults(form, shared)
    const caller = await authenticateCaller(gateway, request, form)
    countTokenRequest(gateway, request, caller)
    const { type, answer } = await answerFor(gateway, caller, form)
    gateway.meter.count('tokensIssued', { grant: type.split(':').at(-1) ?? type })
    if (isRetrieval(form)) noteRetrieval(gateway, reply, 'exchange', 'released')
    // What was answered for is spent, so this must not take the answer back.
    await noteUse(gateway, caller).catch((error) => request.log.warn({ err: error }, 'a use went unnoted'))
    return reply.header('cache-control', 'no-store').send(answer)
  })
}

/** Whoever exchanges tokens finds the same members in every error of theirs. */
function answerError(
  gateway: Gateway,
  error: FastifyError | Error,
  request: FastifyRequest,
  reply: FastifyReply,
) {
  const read = readParameters(typeof request.body === 'string' ? request.body : '')
  const form = read.outcome === 'read' ? read.parameters : undefined
  if (form?.values.get('grant_type') !== tokenExchangeGrant) return answerOAuthError(error, request, reply)
  const meant = asOAuthError(error)
  const told = meant && inRetrievalTerms(meant)
  if (isRetrieval(form)) {
    noteRetrieval(gateway, reply, 'exchange', (told && retrievalCodeOf(told)) ?? 'server_error')
  }
  return answerOAuthError(told ?? error, request, reply)
}

/** Whether what is asked for is an upstream token. */
function isRetrieval(form: Parameters): boolean {
  return form.values.get('grant_type') === tokenExchangeGrant && exchangedFor(form) === 'upstream'
}

function countTokenRequest(gateway: Gateway, request: FastifyRequest, caller: Caller): void {
  if (caller.kind === 'resource') {
    countRequest(gateway, ['retrievals_per_resource', caller.resource.id])
    return
  }
  countClient(gateway, request, caller.client)
}

type Answered = { type: string; answer: TokenAnswer }

async function answerFor(gateway: Gateway, caller: Caller, form: Parameters): Promise<Answered> {
  const type = form.values.get('grant_type')
  if (type === undefined) throw new OAuthError('invalid_request', 'The parameter grant_type is missing')
  switch (caller.kind) {
    case 'client': {
      const grant = grants.client.get(type) ?? refuse(type)
      refuseFaults(form, grant.parameters)
      return { type, answer: await grant.answer(gateway, caller, form) }
    }
    case 'resource': {
      const grant = grants.resource.get(type) ?? refuse(type)
      refuseFaults(form, grant.parameters)
      return { type, answer: await grant.answer(gateway, caller, form) }
    }
  }
}

function refuse(type: string): never {
  const isKnown = [grants.client, grants.resource].some((known) => known.has(type))
  throw isKnown
    ? new OAuthError('unauthorized_client', 'This caller may not use this grant type')
    : new OAuthError('unsupported_grant_type', 'This grant type is not supported')
}

/**
 * A registration that works lives on; only a proven use counts, or anybody could keep any client alive. One that came
 * by itself enters the record here, or anybody could fill that.
 */
async function noteUse({ config, clock, store }: Gateway, caller: Caller): Promise<void> {
  if (caller.kind !== 'client') return
  const { id, metadata, invited, createdAt, lastUsedAt } = caller.client
  const now = clock()
  const expiresAt = caller.client.expiresAt === null ? null : now + config.lifetimes.idle_client
  if (lastUsedAt !== null || invited) return await store.clients.touch(caller.client, now, expiresAt)
  const facts = { actor: `client:${id}`, clientId: id, detail: { after: metadata, since: createdAt } }
  const event = auditEvent(now, { event: 'client.registered', ...facts })
  await store.clients.noteFirstUse(id, now, expiresAt, event)
}
