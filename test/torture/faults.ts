import { setTimeout } from 'node:timers/promises'
import type { ChildGateway } from '../support/child-gateway.ts'
import type { Model } from './model.ts'

/** Breaks something, and remembers when: an answer may be missing then, and be asked for again. */
export async function broken<Value>(model: Model, breaking: () => Promise<Value>): Promise<Value> {
  const fault = { from: Date.now() / 1000, to: Number.POSITIVE_INFINITY }
  model.faults.push(fault)
  try {
    return await breaking()
  } finally {
    fault.to = Date.now() / 1000
  }
}

/** Starts a gateway and answers how many milliseconds it took until it takes writes. */
export async function readyAgain(gateway: ChildGateway): Promise<number> {
  const began = performance.now()
  await gateway.start()
  await untilReady(gateway)
  return performance.now() - began
}

export async function untilReady({ url }: Pick<ChildGateway, 'url'>, patience = 60_000): Promise<number> {
  const began = performance.now()
  for (;;) {
    const waited = performance.now() - began
    const status = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(5_000) }).then(
      async (response) => {
        await response.body?.cancel()
        return response.status
      },
      () => 0,
    )
    if (status === 200) return waited
    if (waited > patience) throw new Error(`not ready after ${patience} ms`)
    await setTimeout(20)
  }
}
