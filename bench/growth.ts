import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import type { BenchDatabase, DatabaseKind } from './databases.ts'
import { type Load, startLoad } from './load/load.ts'
import type { Measured } from './load/plan.ts'
import { cores, inFolder } from './measure.ts'
import { multiply } from './multiply.ts'
import { type Operation, planOf } from './operations.ts'
import { usageOfTree } from './processes.ts'
import type { Seed } from './seed.ts'
import { type Cli, fillGateway, type Installation, startGateway } from './servers/gateway.ts'
import { freePort } from './servers/port.ts'

/** Those whose cost could depend on how much is stored. */
export const growing = ['retrieve', 'refresh', 'introspect', 'authorize'] as const satisfies Operation[]

export type GrowthEffort = {
  cli: Cli
  databases: readonly DatabaseKind[]
  /** Sessions that are stored. */
  sizes: readonly number[]
  /** Processes that share the database. */
  workers: readonly number[]
  rounds: number
  seconds: number
  connections: number
  tell: (what: string) => void
}

/** Where something was measured. */
export type Setting = { database: string; sessions: number; workers: number }

/** One operation in one setting in one round. CPU time is that of all processes of the gateway, or of the database. */
export type GrowthSample = Setting &
  Measured & { operation: Operation; cpuMicroseconds: number; databaseMicroseconds: number }

/** What a database holds on disk, and a gateway over it in memory after all operations of a round. */
export type GrowthSize = Setting & { bytes: number; rssBytes: number }

export type Growth = { samples: GrowthSample[]; sizes: GrowthSize[] }

/** Sessions that are asked for, however many are stored. */
const asked = 1_000

type Stock = {
  kind: DatabaseKind
  database: BenchDatabase
  sessions: number
  folder: string
  installation: Installation
  seed: Seed
  /** Refresh tokens that one run uses up: what it leaves of them is known to nobody. */
  perRun: number
}

/** Fills a database of every kind and size, and then measures each in turn in every round. */
export async function measureGrowth(effort: GrowthEffort): Promise<Growth> {
  return await inFolder(async (root) => {
    const stocks: Stock[] = []
    for (const kind of effort.databases) {
      for (const sessions of effort.sizes) stocks.push(await fill(effort, kind, sessions, root))
    }
    const load = await startLoad(cores.load)
    const growth: Growth = { samples: [], sizes: [] }
    try {
      for (let round = 1; round <= effort.rounds; round++) {
        for (const stock of stocks) {
          for (const workers of effort.workers) {
            effort.tell(`round ${round} of ${effort.rounds}: ${nameOf(stock)}, ${workers} processes`)
            const { samples, size } = await measureStock(effort, load, stock, workers)
            growth.samples.push(...samples)
            growth.sizes.push(size)
          }
        }
      }
    } finally {
      await load.stop()
    }
    return growth
  })
}

const nameOf = ({ kind, sessions }: Pick<Stock, 'kind' | 'sessions'>) =>
  `${kind.name}, ${sessions.toLocaleString('en')} sessions`

async function fill(
  effort: GrowthEffort,
  kind: DatabaseKind,
  sessions: number,
  root: string,
): Promise<Stock> {
  effort.tell(`fills ${nameOf({ kind, sessions })}`)
  const folder = mkdtempSync(join(root, 'stock-'))
  const database = await kind.create(folder)
  const installation = { cli: effort.cli, databaseUrl: database.url, port: await freePort(), workers: 1 }
  const child = await startGateway({ cores: cores.both, folder, node: [] }, installation)
  const seed = await fillGateway(installation, { sessions: asked, refreshTokens: asked, codes: 0 })
  await child.stop()
  await multiply(database, Math.round(sessions / asked) - 1)
  await database.settle()
  const runs = effort.rounds * effort.workers.length
  return { kind, database, sessions, folder, installation, seed, perRun: Math.floor(asked / runs) }
}

/** One process has a core of its own; several share both with the load, as there are no more. */
async function measureStock(effort: GrowthEffort, load: Load, stock: Stock, workers: number) {
  const { kind, database, sessions, folder } = stock
  const place = { cores: workers === 1 ? cores.server : cores.both, folder, node: [] }
  const child = await startGateway(place, { ...stock.installation, workers })
  const setting = { database: kind.name, sessions, workers }
  const used = () => ({ own: usageOfTree(child.pid).cpuMicroseconds, ofDatabase: kind.cpuMicroseconds() })
  try {
    const seed = { ...stock.seed, refreshTokens: stock.seed.refreshTokens.splice(0, stock.perRun) }
    const samples: GrowthSample[] = []
    for (const operation of growing) {
      // Every session in its turn: what is asked for again and again would be in every cache.
      await load.prepare({ ...planOf(operation, seed, effort.connections), order: 'in turn' })
      await load.run(effort.seconds / 2)
      const before = used()
      const measured = await load.run(effort.seconds)
      const after = used()
      const perOperation = (from: number, to: number) => (to - from) / measured.operations
      samples.push({
        ...setting,
        ...measured,
        operation,
        cpuMicroseconds: perOperation(before.own, after.own),
        databaseMicroseconds: perOperation(before.ofDatabase, after.ofDatabase),
      })
    }
    const { rssBytes } = usageOfTree(child.pid)
    return { samples, size: { ...setting, rssBytes, bytes: await database.bytes() } }
  } finally {
    await child.stop()
  }
}
