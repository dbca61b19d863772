import type { FastifyInstance, FastifyRequest } from 'fastify'
import { auditEvent, type EventFacts } from '../audit/event.ts'
import { newClientId } from '../clients/ids.ts'
import { changedRegistration } from '../clients/managed-registration.ts'
import { keepsSecret, readClientMetadata, registrationAnswer } from '../clients/metadata.ts'
import { registrationRules } from '../clients/registration-policy.ts'
import { OAuthError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import { allowAnyOrigin } from '../http/cors.ts'
import { acceptJsonOnly } from '../http/json-body.ts'
import { answerOAuthError } from '../http/oauth-errors.ts'
import { countClient, countRequest, holderOf, tooManyRequests } from '../http/rates.ts'
import { parseBearer } from '../lib/bearer-token.ts'
import { equalSecrets, newSecret, sha256 } from '../lib/secret.ts'
import type { Client } from '../storage/clients.ts'
import type { RegistrationToken } from '../storage/registration-tokens.ts'

type ById = { Params: { client_id: string } }

/**
 * `POST /oauth/register` (RFC 7591), open to whomever the policy lets in. What registers itself is never trusted:
 * people see its name marked unverified, and one that nobody uses is forgotten within a day. Below its own address
 * each manages its registration with the token it was given (RFC 7592).
 */
export async function registrationEndpoint(scope: FastifyInstance, gateway: Gateway): Promise<void> {
  acceptJsonOnly(scope)
  allowAnyOrigin(scope, ['/oauth/register'])
  allowAnyOrigin(scope, ['/oauth/register/:client_id'], 'GET, PUT, DELETE, OPTIONS')
  scope.setErrorHandler(answerOAuthError)
  scope.addHook('onSend', (_request, reply, _payload, done) => {
    reply.header('cache-control', 'no-store')
    done()
  })

  scope.post('/oauth/register', async (request, reply) => {
    countRequest(gateway, ['registrations_per_address', holderOf(request)], ['registrations'])
    const allowedBy = await requireAllowed(gateway, request)
    const now = gateway.clock()
    const metadata = readClientMetadata(request.body, registrationRules(gateway.config.registration))
    const secret = keepsSecret(metadata) ? newSecret('cc_secret_') : undefined
    const token = newRegistrationToken()
    const client: Client = {
      id: newClientId(),
      origin: 'dynamic',
      metadata,
      secretHash: secret === undefined ? null : sha256(secret),
      registrationTokenHash: sha256(token),
      trusted: false,
      enabled: true,
      invited: allowedBy !== undefined,
      createdAt: now,
      lastUsedAt: null,
      freshUntil: null,
      expiresAt: now + gateway.config.lifetimes.unused_client,
    }
    if (allowedBy) await createInvited(gateway, client, allowedBy)
    else {
      await requireRoom(gateway, now)
      await gateway.store.clients.createUnrecorded(client)
    }
    return reply.code(201).send(managedAnswer(gateway, client, token, secret))
  })

  scope.get<ById>('/oauth/register/:client_id', async (request) => {
    const { client, token } = await authenticateRegistration(gateway, request, request.params.client_id)
    countClient(gateway, request, client)
    return managedAnswer(gateway, client, token)
  })

  scope.put<ById>('/oauth/register/:client_id', async (request) => {
    const { client, token } = await authenticateRegistration(gateway, request, request.params.client_id)
    countRequest(gateway, ['registration_changes_per_client', client.id], ['registration_changes'])
    const { metadata, secretHash, secret } = changedRegistration(
      client,
      request.body,
      registrationRules(gateway.config.registration),
    )
    const successor = newRegistrationToken()
    const now = gateway.clock()
    const facts = { event: 'client.changed', detail: { before: client.metadata, after: metadata } } as const
    const changed = await gateway.store.clients.replaceRegistration(
      { id: client.id, registrationTokenHash: sha256(token) },
      { metadata, secretHash, registrationTokenHash: sha256(successor) },
      recordOf(client, now, facts),
    )
    if (!changed) throw notTheirs(token)
    return managedAnswer(gateway, changed, successor, secret)
  })

  scope.delete<ById>('/oauth/register/:client_id', async (request, reply) => {
    const { client, token } = await authenticateRegistration(gateway, request, request.params.client_id)
    countClient(gateway, request, client)
    const now = gateway.clock()
    const removed = await gateway.store.removals.client(
      client.id,
      now,
      recordOf(client, now, { event: 'client.deleted' }),
    )
    if (!removed) throw notTheirs(token)
    return reply.code(204).send()
  })
}

async function createInvited(
  { store, clock }: Gateway,
  client: Client,
  by: RegistrationToken,
): Promise<void> {
  const now = clock()
  const facts = { clientId: client.id, detail: { registration_token: by.id } }
  const event = auditEvent(now, { event: 'client.registered', actor: `client:${client.id}`, ...facts })
  if (!(await store.clients.createBy({ ...by, now }, client, event))) refuseToken()
}

/** A flood of weeks is bounded, too; and what is young is safe, so that nobody is displaced on their way to sign in. */
async function requireRoom({ store, config, headroom }: Gateway, now: number): Promise<void> {
  if (headroom.take('unused clients')) return
  const { protected_client: protectedFor } = config.lifetimes
  const bound = {
    origin: 'dynamic',
    limit: config.limits.unused_clients,
    protectedSince: now - protectedFor,
  } as const
  const room = await store.unusedClients.makeRoom(bound, now)
  if (room.outcome === 'there is') return headroom.note('unused clients', room.left)
  throw tooManyRequests((room.oldestProtected ?? now) + protectedFor - now)
}

/** What nobody used yet is not recorded, or anybody could fill the record: it enters it when it is first used. */
function recordOf(client: Client, now: number, facts: Pick<EventFacts, 'event' | 'detail'>) {
  if (client.lastUsedAt === null && !client.invited) return undefined
  return auditEvent(now, { ...facts, actor: `client:${client.id}`, clientId: client.id })
}

/** What the policy asks of whoever registers; the token that allows it, where it asks for one (RFC 7591 section 3). */
async function requireAllowed(
  { config, store, clock }: Gateway,
  request: FastifyRequest,
): Promise<RegistrationToken | undefined> {
  switch (config.registration.policy) {
    case 'open':
    case 'allow_list':
      return undefined
    case 'closed':
      throw new OAuthError('access_denied', 'Clients do not register themselves here', { status: 403 })
    case 'initial_access_token': {
      const token = parseBearer(request.headers.authorization)
      if (token === undefined) throw notAllowed('Bearer')
      const known = await store.registrationTokens.find(sha256(token), clock())
      return known ?? refuseToken()
    }
  }
}

function refuseToken(): never {
  throw notAllowed('Bearer error="invalid_token"')
}

function notAllowed(challenge: string): OAuthError {
  return new OAuthError('invalid_token', 'Registering needs an initial access token of the administrator', {
    status: 401,
    headers: { 'www-authenticate': challenge },
  })
}

const newRegistrationToken = () => newSecret('cc_rat_')

/** Of a token that nobody has: what is compared with where there is no client. */
const nobodysHash = sha256(newRegistrationToken())

/** Whoever holds the token of this very registration. Unknown, deleted or another's: one answer for all. */
async function authenticateRegistration(
  gateway: Gateway,
  request: FastifyRequest,
  id: string,
): Promise<{ client: Client; token: string }> {
  const { store, clock } = gateway
  const token = parseBearer(request.headers.authorization)
  const client = token === undefined ? undefined : await store.clients.find(id, clock())
  const isTheirs = equalSecrets(sha256(token ?? ''), client?.registrationTokenHash ?? nobodysHash)
  if (token === undefined || !client?.enabled || client.origin !== 'dynamic' || !isTheirs) {
    const counted = ['failed_authentications_per_caller', sha256(id)] as const
    countRequest(gateway, ['failed_authentications_per_address', holderOf(request)], counted)
    throw notTheirs(token)
  }
  return { client, token }
}

function notTheirs(token: string | undefined): OAuthError {
  // RFC 6750 section 3.1: a request that tried nothing is told no error.
  const challenge = token === undefined ? 'Bearer' : 'Bearer error="invalid_token"'
  return new OAuthError('invalid_token', 'This token does not manage this registration', {
    status: 401,
    headers: { 'www-authenticate': challenge },
  })
}

/** The answer with what manages the registration from here on (RFC 7592 section 3). */
function managedAnswer({ config }: Gateway, client: Client, token: string, secret?: string) {
  return {
    ...registrationAnswer(client, secret),
    registration_access_token: token,
    registration_client_uri: `${config.issuer}/oauth/register/${client.id}`,
  }
}
