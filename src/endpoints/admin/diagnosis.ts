import { z } from 'zod'
import type { Limits } from '../../config/settings.ts'
import type { Gateway } from '../../gateway.ts'
import { version } from '../../lib/version.ts'
import type { DatabaseCondition } from '../../storage/condition.ts'
import { verifyMasterKeys, WrongMasterKey } from '../../storage/key-check.ts'
import { refreshLives } from '../../upstream/connection-ends.ts'
import { time } from './answer.ts'
import { ok, type Route, route } from './route.ts'

const used = z.strictObject({ open: z.int(), most: z.int() })

const databaseView = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('sqlite'),
      version: z.string(),
      path: z.string(),
      journal_mode: z.string(),
      synchronous: z.enum(['off', 'normal', 'full', 'extra']),
      foreign_keys: z.boolean(),
      secure_delete: z.boolean(),
      page_size: z.int(),
      bytes: z.int(),
      free_bytes: z.int().optional().describe('Of its disk'),
      exposed: z.array(z.string()).describe('Its files which others on the machine may read or write'),
    }),
    z.strictObject({
      kind: z.literal('postgres'),
      version: z.string(),
      synchronous_commit: z.string(),
      fsync: z.boolean(),
      isolation: z.string(),
      read_only: z.boolean(),
      transport: z.enum(['local', 'encrypted', 'plain']),
      bytes: z.int(),
      pool: used.extend({ waiting: z.int().describe('Requests that wait for a connection') }),
      server: used
        .extend({
          others: z.int().describe('Those that are no gateway’s'),
          gateways: z.int().describe('Processes that are connected now'),
        })
        .describe('Connections of everybody'),
    }),
  ])
  .meta({ id: 'DatabaseCondition' })

export type DatabaseView = z.output<typeof databaseView>

export const diagnosisView = z
  .strictObject({
    version: z.string(),
    now: time,
    database: databaseView,
    master_keys: z.array(
      z.strictObject({
        id: z.string(),
        state: z
          .enum(['sealing', 'opening', 'wrong', 'missing'])
          .describe('`missing`: used in this database, and not configured'),
      }),
    ),
    administrators: z.strictObject({
      token: z.boolean(),
      read: z.int().describe('How many named ones are enabled and may read'),
      write: z.int(),
    }),
    forwarding: z
      .strictObject({
        trusted_proxies: z.array(z.string()),
        direct: z.int(),
        believed: z.int(),
        disbelieved: z.int(),
        last_disbelieved: z.string().optional(),
      })
      .describe('How many requests came with X-Forwarded-For, and from a trusted proxy, since the start'),
    token_lifetime: z.int(),
    limits: z.record(z.string(), z.int()),
    usage: z
      .array(z.strictObject({ limit: z.string(), used: z.int(), most: z.int() }))
      .describe('How much of what all have together is taken just now'),
    connections_ending: z
      .array(z.strictObject({ provider: z.string(), count: z.int() }))
      .describe('How many connections end within a week, whatever is done'),
  })
  .meta({ id: 'Diagnosis' })

export type DiagnosisView = z.output<typeof diagnosisView>

/** What the gateway can tell of itself, in numbers; `coatcheck doctor` puts it in words. */
export function diagnosisRoutes(gateway: Gateway): Route[] {
  return [
    route({
      method: 'GET',
      path: '/diagnosis',
      role: 'read',
      operationId: 'diagnose',
      summary: 'Tell how the gateway itself is doing: database, keys, limits, proxies',
      answers: { 200: diagnosisView },
      handle: async () => ok(await diagnose(gateway)),
    }),
  ]
}

async function diagnose(gateway: Gateway): Promise<DiagnosisView> {
  const { config, clock, store, adminTokenHash } = gateway
  const enabled = (await store.administrators.list()).filter((each) => each.enabled)
  const may = (role: 'read' | 'write') => enabled.filter((each) => each.role === role).length
  const { lastDisbelieved, ...forwarded } = gateway.forwardings.told()
  return {
    version,
    now: clock(),
    database: viewOf(await gateway.databaseCondition()),
    master_keys: await masterKeys(gateway),
    administrators: { token: adminTokenHash !== undefined, read: may('read'), write: may('write') },
    forwarding: {
      trusted_proxies: config.trustedProxies,
      ...forwarded,
      ...(lastDisbelieved !== undefined && { last_disbelieved: lastDisbelieved }),
    },
    token_lifetime: config.lifetimes.access_token,
    limits: config.limits,
    usage: await usageOf(gateway),
    connections_ending: await connectionsEnding(gateway),
  }
}

export function viewOf(condition: DatabaseCondition): DatabaseView {
  switch (condition.kind) {
    case 'sqlite': {
      const { kind, version: own, path, synchronous, bytes, freeBytes } = condition
      return {
        ...{ kind, version: own, path, synchronous, bytes },
        journal_mode: condition.journalMode,
        foreign_keys: condition.foreignKeys,
        secure_delete: condition.secureDelete,
        page_size: condition.pageSize,
        ...(freeBytes !== undefined && { free_bytes: freeBytes }),
        exposed: [...condition.exposed],
      }
    }
    case 'postgres': {
      const { kind, version: own, fsync, isolation, transport, bytes, pool, server } = condition
      return {
        ...{ kind, version: own, fsync, isolation, transport, bytes, pool, server },
        synchronous_commit: condition.synchronousCommit,
        read_only: condition.readOnly,
      }
    }
  }
}

/** Each proven anew by its check; it was at the start, but the database may have been replaced since. */
async function masterKeys({ store, sealer }: Gateway) {
  const checks = await store.keyChecks.list()
  const [sealing] = sealer.keyIds
  const stateOf = async (id: string) => {
    if (!sealer.keyIds.includes(id)) return 'missing' as const
    const own = checks.filter(({ masterKeyId }) => masterKeyId === id)
    const isRight = await verifyMasterKeys(own, sealer).then(
      () => true,
      (error: unknown) => {
        if (error instanceof WrongMasterKey) return false
        throw error
      },
    )
    return isRight ? (id === sealing ? ('sealing' as const) : ('opening' as const)) : ('wrong' as const)
  }
  const ids = new Set([...sealer.keyIds, ...checks.map(({ masterKeyId }) => masterKeyId)])
  return await Promise.all([...ids].map(async (id) => ({ id, state: await stateOf(id) })))
}

async function usageOf({ config: { limits }, clock, rates, store }: Gateway) {
  const now = clock()
  const taken = (limit: 'registrations' | 'registration_changes' | 'authorizations') =>
    [limit, rates[limit].taken('', now)] as const
  const { unusedClients, interactions } = store
  const unused = await Promise.all((['dynamic', 'document'] as const).map(unusedClients.count))
  const used: (readonly [keyof Limits, number])[] = [
    taken('registrations'),
    taken('registration_changes'),
    taken('authorizations'),
    ['authorizations_under_way', (await interactions.countUnderWay('', now)).all],
    ['unused_clients', Math.max(...unused)],
  ]
  return used.map(([limit, count]) => ({ limit, used: count, most: limits[limit] }))
}

const week = 7 * 86_400

async function connectionsEnding({ store, providers, clock }: Gateway) {
  const now = clock()
  return await store.connectionEnds.countEnding({
    after: now,
    before: now + week,
    lives: await refreshLives(providers),
  })
}
