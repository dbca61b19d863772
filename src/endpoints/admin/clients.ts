import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { auditEvent } from '../../audit/event.ts'
import { type PreRegistration, preRegistrationSchema } from '../../clients/declared-client.ts'
import { newClientId } from '../../clients/ids.ts'
import { keepsSecret, registrationAnswer } from '../../clients/metadata.ts'
import type { Gateway } from '../../gateway.ts'
import { accept } from '../../http/problems.ts'
import { newSecret, sha256 } from '../../lib/secret.ts'
import type { Client } from '../../storage/clients.ts'
import { authorOf } from './authenticate.ts'
import { enabledChange, idOf, listQuery, pageAnswer, pageOf } from './input.ts'
import { notFound, readOnly, receipt } from './receipt.ts'

const query = listQuery({ origin: z.enum(['admin', 'config', 'dynamic', 'document']).optional() })

export function clientRoutes(api: FastifyInstance, gateway: Gateway): void {
  const { clients, removals } = gateway.store

  api.get('/clients', async (request) => {
    const { origin, ...page } = accept(query, request.query)
    return pageAnswer(await clients.list(origin ? { origin } : {}, pageOf(page)), viewOf)
  })

  api.post('/clients', async (request, reply) => {
    const registration = accept(preRegistrationSchema, request.body)
    const { actor, now } = authorOf(gateway, request)
    const { client, secret } = newClient(registration, now)
    const detail = { after: described(client) }
    await clients.create(
      client,
      auditEvent(now, { event: 'client.registered', actor, clientId: client.id, detail }),
    )
    return reply.code(201).send({ ...viewOf(client), ...registrationAnswer(client, secret) })
  })

  api.get('/clients/:id', async (request) => viewOf(await getClient(gateway, idOf(request))))

  api.patch('/clients/:id', async (request) => {
    const change = accept(enabledChange, request.body)
    const client = await getClient(gateway, idOf(request))
    if (client.origin === 'config') throw readOnly()
    const { actor, now } = authorOf(gateway, request)
    const detail = { before: { enabled: client.enabled }, after: change }
    const event = auditEvent(now, { event: 'client.changed', actor, clientId: client.id, detail })
    const changed = await clients.update(client.id, change, event)
    if (!changed) throw notFound('client')
    return viewOf(changed)
  })

  api.delete('/clients/:id', async (request) => {
    const client = await getClient(gateway, idOf(request))
    if (isDeclared(gateway, client)) throw readOnly()
    const { actor, now } = authorOf(gateway, request)
    const detail = { before: described(client) }
    const event = auditEvent(now, { event: 'client.deleted', actor, clientId: client.id, detail })
    const removed = await removals.client(client.id, now, event)
    if (!removed) throw notFound('client')
    return receipt({ client: client.id }, removed)
  })
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
