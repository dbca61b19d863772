import type { FastifyInstance } from 'fastify'
import { auditEvent } from '../../audit/event.ts'
import { Problem } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { accept, invalid } from '../../http/problems.ts'
import type { ProviderRow } from '../../storage/providers.ts'
import { providerDefinitionSchema } from '../../upstream/provider-definition.ts'
import { described, type ProviderRegistration, saveProvider } from '../../upstream/provider-registration.ts'
import type { BrokenProvider } from '../../upstream/registry.ts'
import { authorOf } from './authenticate.ts'
import { givenIdOf, noQuery } from './input.ts'
import { checkProvider, redirectUriOf } from './provider-check.ts'
import { notFound, readOnly, receipt } from './receipt.ts'

export function providerRoutes(api: FastifyInstance, gateway: Gateway): void {
  api.get('/providers', async (request) => {
    accept(noQuery, request.query)
    const [rows, { broken }] = await Promise.all([gateway.store.providers.list(), gateway.providers.list()])
    return { items: rows.map((row) => viewOf(gateway, row, broken)) }
  })

  api.get('/providers/:id', async (request) => {
    const row = await getProvider(gateway, givenIdOf(request))
    return viewOf(gateway, row, (await gateway.providers.list()).broken)
  })

  api.put('/providers/:id', async (request, reply) => {
    const id = givenIdOf(request)
    const definition = accept(providerDefinitionSchema, request.body)
    const saved = await saveProvider(registrationIn(gateway), id, definition, authorOf(gateway, request))
    switch (saved.outcome) {
      case 'saved':
        return reply.code(saved.created ? 201 : 200).send({
          ...viewOf(gateway, saved.row),
          connections_needing_reauthorization: saved.connectionsEnded,
        })
      case 'unchanged':
        return { ...viewOf(gateway, saved.row), connections_needing_reauthorization: 0 }
      case 'refused':
        throw invalid(saved.errors)
      case 'read_only':
        throw readOnly()
      case 'overtaken':
        throw new Problem(409, 'overtaken', 'Somebody else changed this provider at the same moment')
    }
  })

  api.delete('/providers/:id', async (request) => {
    const row = await getProvider(gateway, givenIdOf(request))
    if (isDeclared(gateway, row)) throw readOnly()
    const { actor, now } = authorOf(gateway, request)
    const event = auditEvent(now, {
      event: 'provider.deleted',
      actor,
      provider: row.id,
      detail: { before: described(row) },
    })
    const removed = await gateway.store.removals.provider(row.id, now, event)
    if (!removed) throw notFound('provider')
    return receipt({ provider: row.id }, removed)
  })

  api.post('/providers/:id/check', async (request) => {
    return await checkProvider(gateway, await getProvider(gateway, givenIdOf(request)))
  })
}

async function getProvider(gateway: Gateway, id: string): Promise<ProviderRow> {
  const row = await gateway.store.providers.find(id)
  if (!row) throw notFound('provider')
  return row
}

function registrationIn({ store, sealer, config }: Gateway): ProviderRegistration {
  const { issuerIsLoopback, allowLoopbackUpstreams: allowLoopback } = config
  return { store, sealer, rules: { issuerIsLoopback, allowLoopback } }
}

/** One that the file no longer declares is disabled, and may be deleted here. */
function isDeclared({ config }: Gateway, { id, origin }: ProviderRow): boolean {
  return origin === 'config' && Object.hasOwn(config.declarations.providers, id)
}

function viewOf(gateway: Gateway, row: ProviderRow, broken: readonly BrokenProvider[] = []) {
  const faults = broken.find(({ id }) => id === row.id)?.errors
  return {
    id: row.id,
    origin: row.origin,
    ...described(row),
    client_secret_stored: row.sealedClientSecret !== null,
    redirect_uri: redirectUriOf(gateway, row.id),
    created_at: row.createdAt,
    updated_at: row.updatedAt,
    ...(faults && { broken: faults }),
  }
}
