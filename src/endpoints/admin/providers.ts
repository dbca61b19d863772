import { z } from 'zod'
import { auditEvent } from '../../audit/event.ts'
import type { Gateway } from '../../gateway.ts'
import type { ProviderRow } from '../../storage/providers.ts'
import { providerDefinitionSchema } from '../../upstream/provider-definition.ts'
import { described, type ProviderRegistration, saveProvider } from '../../upstream/provider-registration.ts'
import type { BrokenProvider } from '../../upstream/registry.ts'
import { listOf, notFound, origin, readOnly, saveAnswer, time } from './answer.ts'
import { byGivenId } from './input.ts'
import { checkProvider, providerCheck, redirectUriOf } from './provider-check.ts'
import { receipt, receiptSchema } from './receipt.ts'
import { ok, type Route, route } from './route.ts'

const { client_secret: _, admit, ...said } = providerDefinitionSchema.shape

const view = {
  id: z.string(),
  origin,
  ...said,
  admit: admit.unwrap(),
  client_secret_stored: z.boolean(),
  redirect_uri: z.string().describe('To be registered at the provider, byte for byte'),
  created_at: time,
  updated_at: time,
}

const providerView = z
  .strictObject({
    ...view,
    broken: z
      .array(z.strictObject({ pointer: z.string(), message: z.string() }))
      .optional()
      .describe('Why it cannot be used, where it cannot'),
  })
  .meta({ id: 'Provider' })

const savedView = z
  .strictObject({ ...view, connections_needing_reauthorization: z.int() })
  .meta({ id: 'SavedProvider' })

export function providerRoutes(gateway: Gateway): Route[] {
  const { store, providers, revocations } = gateway
  return [
    route({
      method: 'GET',
      path: '/providers',
      role: 'read',
      operationId: 'listProviders',
      summary: 'List the providers',
      answers: { 200: listOf(providerView) },
      handle: async () => {
        const [rows, { broken }] = await Promise.all([store.providers.list(), providers.list()])
        return ok({ items: rows.map((row) => viewOf(gateway, row, broken)) })
      },
    }),

    route({
      method: 'GET',
      path: '/providers/{id}',
      role: 'read',
      operationId: 'getProvider',
      summary: 'Show one provider',
      params: byGivenId,
      answers: { 200: providerView },
      problems: ['not_found'],
      handle: async ({ params }) => {
        const row = await getProvider(gateway, params.id)
        return ok(viewOf(gateway, row, (await providers.list()).broken))
      },
    }),

    route({
      method: 'PUT',
      path: '/providers/{id}',
      role: 'write',
      operationId: 'saveProvider',
      summary: 'Create or replace a provider; without client_secret the stored one is kept',
      params: byGivenId,
      body: providerDefinitionSchema,
      answers: { 200: savedView, 201: savedView },
      problems: ['read_only', 'overtaken'],
      handle: async ({ params, body, by }) => {
        const saved = await saveProvider(registrationIn(gateway), params.id, body, by)
        const ended = saved.outcome === 'saved' ? saved.connectionsEnded : 0
        return saveAnswer(saved, (row: ProviderRow) => ({
          ...viewOf(gateway, row),
          connections_needing_reauthorization: ended,
        }))
      },
    }),

    route({
      method: 'DELETE',
      path: '/providers/{id}',
      role: 'write',
      operationId: 'deleteProvider',
      summary:
        'Delete a provider with its connections, here and there, and end the token sessions that draw on them',
      params: byGivenId,
      answers: { 200: receiptSchema },
      problems: ['not_found', 'read_only'],
      handle: async ({ params, by: { actor, now } }) => {
        const row = await getProvider(gateway, params.id)
        if (isDeclared(gateway, row)) throw readOnly()
        const detail = { before: described(row) }
        const event = auditEvent(now, { event: 'provider.deleted', actor, provider: row.id, detail })
        const removed = await store.removals.provider(row.id, now, event)
        if (!removed) throw notFound('provider')
        const carriedOut = await revocations.carryOut(event.id)
        return receipt({ provider: row.id }, { ...removed, carriedOut })
      },
    }),

    route({
      method: 'POST',
      path: '/providers/{id}/check',
      role: 'write',
      operationId: 'checkProvider',
      summary: 'Say whether a provider can be used, as far as can be told without a person',
      params: byGivenId,
      answers: { 200: providerCheck },
      problems: ['not_found'],
      handle: async ({ params }) => ok(await checkProvider(gateway, await getProvider(gateway, params.id))),
    }),
  ]
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
function isDeclared({ config }: Gateway, { id, origin: from }: ProviderRow): boolean {
  return from === 'config' && Object.hasOwn(config.declarations.providers, id)
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
    ...(faults && { broken: [...faults] }),
  }
}
