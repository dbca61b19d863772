import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type Load, startLoad } from './load/load.ts'
import type { Measured } from './load/plan.ts'
import { type Operation, planOf } from './operations.ts'
import type { Amounts, Seed } from './seed.ts'
import type { Server } from './servers/server.ts'

/** One operation of one server in one round. */
export type Sample = Measured & { server: string; operation: Operation; cpuMicroseconds: number }

/** How large a server's process became in one round. */
export type Peak = { server: string; peakRssBytes: number }

export type Measurement = { samples: Sample[]; peaks: Peak[] }

export type Effort = {
  operations: readonly Operation[]
  rounds: number
  /** Seconds each operation is measured in each round, after half as long to warm up. */
  seconds: number
  connections: number
  /** More arguments of the measured process, such as Node's profiler. */
  node: readonly string[]
  tell: (what: string) => void
}

/** The first core is the server's, the second the load's. */
export const cores = { server: '0', load: '1', both: '0,1' }

/**
 * Every round measures every server in turn, each time a fresh one, and begins with another: what the machine does
 * meanwhile befalls all of them, and a ratio within a round is worth more than any figure of its own.
 */
export async function measure(servers: readonly Server[], effort: Effort): Promise<Measurement> {
  const load = await startLoad(cores.load)
  const all: Measurement = { samples: [], peaks: [] }
  try {
    for (let round = 0; round < effort.rounds; round++) {
      for (let turn = 0; turn < servers.length; turn++) {
        const server = servers[(round + turn) % servers.length]
        if (!server) continue
        effort.tell(`round ${round + 1} of ${effort.rounds}: ${server.name}`)
        const { samples, peaks } = await measureOnce(server, load, effort)
        all.samples.push(...samples)
        all.peaks.push(...peaks)
      }
    }
  } finally {
    await load.stop()
  }
  return all
}

async function measureOnce(server: Server, load: Load, effort: Effort): Promise<Measurement> {
  const { connections, seconds, node } = effort
  const warmUp = seconds / 2
  const wanted = server.operations.filter((operation) => effort.operations.includes(operation))
  const codesIn = (time: number) => (wanted.includes('code') ? Math.ceil(time * server.codesPerSecond) : 0)
  return await inFolder(async (folder) => {
    const running = await server.start({ cores: cores.server, folder, node })
    try {
      const codes = codesIn(warmUp) + codesIn(warmUp + seconds)
      const stock = await running.seed({ sessions: 256, refreshTokens: 2 * connections, codes })
      // All of it once before any of it is measured, or what comes first would pay for what V8 has yet to compile.
      const [spent, seed] = split(stock, { refreshTokens: connections, codes: codesIn(warmUp) })
      for (const operation of wanted) {
        await load.prepare(planOf(operation, spent, connections))
        await load.run(warmUp)
      }
      const samples: Sample[] = []
      for (const operation of wanted) {
        await load.prepare(planOf(operation, seed, connections))
        await load.run(warmUp)
        const before = await running.usage()
        const measured = await load.run(seconds)
        const after = await running.usage()
        if (measured.operations === 0) throw new Error(`${server.name} ran out of ${operation}`)
        const cpuMicroseconds = (after.cpuMicroseconds - before.cpuMicroseconds) / measured.operations
        samples.push({ server: server.name, operation, cpuMicroseconds, ...measured })
      }
      const { peakRssBytes } = await running.usage()
      return { samples, peaks: [{ server: server.name, peakRssBytes }] }
    } finally {
      await running.stop()
    }
  })
}

/** So much of what can be used only once, and the rest of it. */
function split(seed: Seed, { refreshTokens, codes }: Pick<Amounts, 'refreshTokens' | 'codes'>): [Seed, Seed] {
  return [
    { ...seed, refreshTokens: seed.refreshTokens.slice(0, refreshTokens), codes: seed.codes.slice(0, codes) },
    { ...seed, refreshTokens: seed.refreshTokens.slice(refreshTokens), codes: seed.codes.slice(codes) },
  ]
}

/** A start over an empty folder, one over what it left there, and how large the process then is. */
export type Start = {
  server: string
  freshMilliseconds: number
  againMilliseconds: number
  idleRssBytes: number
}

export async function measureStart(server: Server): Promise<Start> {
  return await inFolder(async (folder) => {
    const timed = async () => {
      const began = performance.now()
      const running = await server.start({ cores: cores.server, folder, node: [] })
      const milliseconds = performance.now() - began
      await pause(500)
      const { rssBytes } = await running.usage()
      await running.stop()
      return { milliseconds, rssBytes }
    }
    const fresh = await timed()
    const again = await timed()
    return {
      server: server.name,
      freshMilliseconds: fresh.milliseconds,
      againMilliseconds: again.milliseconds,
      idleRssBytes: again.rssBytes,
    }
  })
}

export async function inFolder<Result>(work: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'coatcheck-bench-'))
  try {
    return await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
