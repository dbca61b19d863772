import { type Child, startChild } from '../child.ts'
import type { Operation } from '../operations.ts'
import type { Amounts, Seed } from '../seed.ts'

/** Where a server runs: the cores it may use, the folder of its database, and more arguments of Node. */
export type Place = { cores: string; folder: string; node: readonly string[] }

/** What a server has cost so far; `bench/usage.js` says it. */
export type Usage = {
  /** Of all its threads, user and system together. */
  cpuMicroseconds: number
  rssBytes: number
  peakRssBytes: number
}

/** One that answers. */
export type RunningServer = {
  /** Puts into it what the operations ask for. */
  seed(amounts: Amounts): Promise<Seed>
  usage(): Promise<Usage>
  stop(): Promise<void>
}

/** A kind of server that can be measured. */
export type Server = {
  name: string
  operations: readonly Operation[]
  /** More codes than it redeems in a second. */
  codesPerSecond: number
  start(place: Place): Promise<RunningServer>
}

/** Loaded into every child that is a server. */
export const measured = ['--import', './bench/usage.js']

export const usageOf = (child: Child) => async () => await child.ask<Usage>('usage')

/** A server of ours, which says when it listens, and fills itself when it is told how much. */
export async function startScript({ cores, folder, node }: Place, script: string, ...more: string[]) {
  const child = startChild({ cores, args: [...measured, ...node, script, folder, ...more] })
  await child.told<'listening'>()
  return {
    seed: async (amounts: Amounts) => await child.ask<Seed>(amounts),
    usage: usageOf(child),
    stop: child.stop,
  } satisfies RunningServer
}

/** The child's side of it. */
export function fillWhenTold(fill: (amounts: Amounts) => Seed | Promise<Seed>): void {
  process.on('message', (message: Amounts | string) => {
    if (typeof message === 'string') return
    Promise.resolve(fill(message)).then(
      (seed) => process.send?.(seed),
      (error) => {
        throw error
      },
    )
  })
  process.send?.('listening')
}
