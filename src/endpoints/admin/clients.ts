import { z } from 'zod'
import { auditEvent } from '../../audit/event.ts'
import { type PreRegistration, preRegistrationSchema } from '../../clients/declared-client.ts'
import { newClientId } from '../../clients/ids.ts'
import { keySetSchema } from '../../clients/key-set.ts'
import { clientMetadataShape, keepsSecret } from '../../clients/metadata.ts'
import type { Gateway } from '../../gateway.ts'
import { newSecret, sha256 } from '../../lib/secret.ts'
import type { Client } from '../../storage/clients.ts'
import { notFound, pageAnswer, pagedListOf, readOnly, time } from './answer.ts'
import { disconnectQuery, endConnections } from './disconnect.ts'
import { byId, enabledChange, listQuery, pageOf } from './input.ts'
import { receipt, receiptSchema } from './receipt.ts'
import { created, ok, type Route, route } from './route.ts'

const clientOrigin = z.enum(['admin', 'config', 'dynamic', 'document'])

const clientView = z
  .strictObject({
    client_id: z.string(),
    origin: clientOrigin,
    trusted: z.boolean(),
    enabled: z.boolean(),
    created_at: time,
    last_used_at: time.nullable(),
    expires_at: time.nullable(),
    ...clientMetadataShape,
    // As they were kept, which says more than as they may be sent.
    grant_types: z.array(z.string()),
    response_types: z.array(z.string()),
    jwks: keySetSchema.optional(),
    token_endpoint_auth_signing_alg: z.string().optional(),
    application_type: z.string().optional(),
  })
  .meta({ id: 'Client' })

const newClientView = clientView
  .extend({
    client_id_issued_at: time,
    client_secret: z.string().optional().describe('In this one answer'),
    client_secret_expires_at: z.literal(0).optional(),
  })
  .meta({ id: 'NewClient' })

export function clientRoutes(gateway: Gateway): Route[] {
  const { clients, removals } = gateway.store
  return [
    route({
      method: 'GET',
      path: '/clients',
      role: 'read',
      operationId: 'listClients',
      summary: 'List the clients, the youngest first, however they came to be known',
      query: listQuery({ origin: clientOrigin.optional() }),
      answers: { 200: pagedListOf(clientView) },
      handle: async ({ query: { origin, ...page } }) =>
        pageAnswer(await clients.list(origin ? { origin } : {}, pageOf(page)), viewOf),
    }),

    route({
      method: 'POST',
      path: '/clients',
      role: 'write',
      operationId: 'createClient',
      summary: 'Register a client; its secret, if it has one, is in this one answer',
      body: preRegistrationSchema({ appSchemes: gateway.config.registration.app_schemes }),
      answers: { 201: newClientView },
      handle: async ({ body, by: { actor, now } }) => {
        const { client, secret } = newClient(body, now)
        const detail = { after: described(client) }
        const event = auditEvent(now, { event: 'client.registered', actor, clientId: client.id, detail })
        await clients.create(client, event)
        return created({
          ...viewOf(client),
          client_id_issued_at: now,
          // RFC 7591 section 3.2.1: zero says that it does not expire.
          ...(secret !== undefined && { client_secret: secret, client_secret_expires_at: 0 as const }),
        })
      },
    }),

    route({
      method: 'GET',
      path: '/clients/{id}',
      role: 'read',
      operationId: 'getClient',
      summary: 'Show one client',
      params: byId,
      answers: { 200: clientView },
      problems: ['not_found'],
      handle: async ({ params }) => ok(viewOf(await getClient(gateway, params.id))),
    }),

    route({
      method: 'PATCH',
      path: '/clients/{id}',
      role: 'write',
      operationId: 'changeClient',
      summary: 'Enable or disable a client',
      params: byId,
      body: enabledChange,
      answers: { 200: clientView },
      problems: ['not_found', 'read_only'],
      handle: async ({ params, body, by: { actor, now } }) => {
        const client = await getClient(gateway, params.id)
        if (client.origin === 'config') throw readOnly()
        const detail = { before: { enabled: client.enabled }, after: body }
        const event = auditEvent(now, { event: 'client.changed', actor, clientId: client.id, detail })
        const changed = await clients.update(client.id, body, event)
        if (!changed) throw notFound('client')
        return ok(viewOf(changed))
      },
    }),

    route({
      method: 'DELETE',
      path: '/clients/{id}',
      role: 'write',
      operationId: 'deleteClient',
      summary: 'Delete a client and end its token sessions',
      params: byId,
      query: disconnectQuery,
      answers: { 200: receiptSchema },
      problems: ['not_found', 'read_only'],
      handle: async ({ params, query: { disconnect }, by }) => {
        const { actor, now } = by
        const client = await getClient(gateway, params.id)
        if (isDeclared(gateway, client)) throw readOnly()
        const detail = { before: described(client) }
        const event = auditEvent(now, { event: 'client.deleted', actor, clientId: client.id, detail })
        // Which connections were its sessions' can be told only while it is there.
        const ended = await endConnections(gateway, { clientId: client.id }, disconnect, by)
        const removed = await removals.client(client.id, now, event)
        if (!removed) throw notFound('client')
        return receipt({ client: client.id }, { ...removed, ...ended })
      },
    }),
  ]
}

async function getClient({ store, clock }: Gateway, id: string): Promise<Client> {
  const client = await store.clients.find(id, clock())
  if (!client) throw notFound('client')
  return client
}

function newClient(registration: PreRegistration, now: number): { client: Client; secret?: string } {
  const secret = keepsSecret(registration.metadata) ? newSecret('cc_secret_') : undefined
  const client: Client = {
    id: newClientId(),
    origin: 'admin',
    ...registration,
    secretHash: secret === undefined ? null : sha256(secret),
    createdAt: now,
    invited: true,
    lastUsedAt: null,
    registrationTokenHash: null,
    freshUntil: null,
    expiresAt: null,
  }
  return secret === undefined ? { client } : { client, secret }
}

/** One that the file no longer declares is disabled, and may be deleted here. */
function isDeclared({ config }: Gateway, { id, origin }: Client): boolean {
  return origin === 'config' && config.declarations.clients.some((client) => client.id === id)
}

function described({ metadata, trusted, enabled }: Client) {
  return { metadata, trusted, enabled }
}

function viewOf(client: Client) {
  const { id, origin, metadata, trusted, enabled, createdAt, lastUsedAt, expiresAt } = client
  return {
    client_id: id,
    origin,
    trusted,
    enabled,
    created_at: createdAt,
    last_used_at: lastUsedAt,
    expires_at: expiresAt,
    ...metadata,
  }
}
