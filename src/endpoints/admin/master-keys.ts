import { z } from 'zod'
import { auditEvent } from '../../audit/event.ts'
import { Problem } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { countUse, type KeyUse } from '../../keys/inventory.ts'
import type { Reseal } from '../../storage/reseals.ts'
import { time } from './answer.ts'
import { ok, type Route, route } from './route.ts'

const resealView = z
  .strictObject({
    master_key_id: z.string().describe('What wraps everything afterwards'),
    state: z.enum(['under_way', 'finished']),
    requested_by: z.string(),
    requested_at: time,
    finished_at: time.nullable(),
    resealed: z.int().describe('Values that were wrapped anew'),
    unopened: z.int().describe('Values that open under no key, and were left as they are'),
  })
  .meta({ id: 'Reseal' })

const masterKeyView = z
  .strictObject({
    id: z.string(),
    state: z
      .enum(['sealing', 'opening', 'missing'])
      .describe('Of this process; `missing`: known to the database, and not configured'),
    values: z.record(z.string(), z.int()).describe('How many values it wraps, by table'),
    total: z.int(),
    to_reseal: z.int().describe('How many of them would be wrapped otherwise now'),
    may_retire: z.boolean().describe('Nothing needs it, and this process does not seal with it'),
  })
  .meta({ id: 'MasterKey' })

const none: KeyUse = { byTable: {}, total: 0, stale: 0 }

export function masterKeyRoutes(gateway: Gateway): Route[] {
  const { store, sealer, clock } = gateway
  const [sealing = ''] = sealer.keyIds
  const readUse = oneAtATime(async () => await countUse(gateway, await sealer.currentPrefix()))
  return [
    route({
      method: 'GET',
      path: '/master-keys',
      role: 'read',
      operationId: 'listMasterKeys',
      summary: 'List the master keys, what each still wraps, and how far a resealing is',
      answers: {
        200: z.strictObject({ items: z.array(masterKeyView), reseal: resealView.nullable() }),
      },
      handle: async () => {
        const [uses, reseal] = [await readUse(), await store.reseals.find()]
        const known = (await store.keyChecks.list()).map(({ masterKeyId }) => masterKeyId)
        const ids = [...new Set([...sealer.keyIds, ...known, ...[...uses.keys()].filter(Boolean)])]
        const items = ids.map((id) => viewOf(id, uses.get(id) ?? none, sealer.keyIds))
        return ok({ items, reseal: reseal ? resealOf(reseal) : null })
      },
    }),

    route({
      method: 'POST',
      path: '/master-keys/reseal',
      role: 'write',
      operationId: 'resealValues',
      summary: 'Have every sealed value wrapped by the sealing key, in the background',
      body: z.strictObject({}).prefault({}),
      answers: { 200: resealView },
      handle: async ({ by: { actor } }) => {
        const now = clock()
        const detail = { master_key_id: sealing }
        const event = auditEvent(now, { event: 'master_keys.reseal_requested', actor, detail })
        await store.reseals.request({ masterKeyId: sealing, requestedBy: actor, requestedAt: now }, event)
        const reseal = await store.reseals.find()
        if (!reseal) throw new Error('a reseal that was asked for is gone')
        return ok(resealOf(reseal))
      },
    }),

    route({
      method: 'DELETE',
      path: '/master-keys/{id}',
      role: 'write',
      operationId: 'retireMasterKey',
      summary: 'Let go of a master key that nothing is sealed under',
      params: z.strictObject({ id: z.string().regex(/^[\w-]{1,64}$/) }),
      answers: { 200: z.strictObject({ id: z.string(), state: z.literal('retired') }) },
      problems: ['not_found', 'conflict'],
      handle: async ({ params: { id }, by: { actor } }) => {
        const checks = await store.keyChecks.list()
        if (!checks.some(({ masterKeyId }) => masterKeyId === id)) {
          throw new Problem(404, 'not_found', 'The database knows no such master key')
        }
        if (id === sealing) throw new Problem(409, 'conflict', 'Everything new is sealed under this key')
        const { total, byTable } = (await readUse()).get(id) ?? none
        if (total > 0) {
          const where = Object.entries(byTable).map(([table, count]) => `${count} in ${table}`)
          const detail = `Wrapped by it: ${where.join(', ')}. POST /master-keys/reseal moves them to ${sealing}.`
          throw new Problem(409, 'conflict', 'Values are still sealed under this key', { detail })
        }
        const event = auditEvent(clock(), {
          event: 'master_key.retired',
          actor,
          detail: { master_key_id: id },
        })
        await store.keyChecks.retire(id, event)
        return ok({ id, state: 'retired' as const })
      },
    }),
  ]
}

function viewOf(id: string, { byTable, total, stale }: KeyUse, atHand: readonly string[]) {
  const isSealing = id === atHand[0]
  const state = isSealing ? 'sealing' : atHand.includes(id) ? 'opening' : 'missing'
  return {
    id,
    state: state as 'sealing' | 'opening' | 'missing',
    values: byTable,
    total,
    to_reseal: stale,
    may_retire: !isSealing && total === 0,
  }
}

function resealOf({ masterKeyId, requestedBy, requestedAt, finishedAt, resealed, unopened }: Reseal) {
  return {
    master_key_id: masterKeyId,
    state: finishedAt === null ? ('under_way' as const) : ('finished' as const),
    requested_by: requestedBy,
    requested_at: requestedAt,
    finished_at: finishedAt,
    resealed,
    unopened,
  }
}

/** Who asks while an answer is being found waits for the next one, together with all others who do. */
function oneAtATime<Value>(find: () => Promise<Value>): () => Promise<Value> {
  let running: Promise<unknown> = Promise.resolve()
  let next: Promise<Value> | undefined
  return () => {
    next ??= running.then(() => {
      const found = find()
      next = undefined
      running = found.catch(() => {})
      return found
    })
    return next
  }
}
