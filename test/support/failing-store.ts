import { expect } from 'vitest'
import type { Store } from '../../src/storage/store.ts'
import { StorageUnavailableError } from '../../src/storage/unavailable.ts'
import type { TestClock } from './gateway.ts'

/** Whether the store fails before it does what it was asked, or did it and only the answer is lost. */
export type FailurePoint = 'before' | 'after'

export type FailingStore = {
  /** Every call of a repository since the last time it was armed, as `grants.revoke`. */
  calls(): string[]
  /** Fails the `nth` call from now on (from 1), or every call of those names, until `heal`. */
  arm(which: number | string[], point: FailurePoint): void
  heal(): void
  /** Lets calls of those names wait, before they are carried out or with their answer, until what it answers is called. */
  hold(names: string[], point?: FailurePoint): () => void
}

/** What a gateway asks for on its own, now and then, whoever asks it for what. */
const ofItsOwn = ['chores', 'rateLevels', 'signInPlaces']

/** Puts a switch before every repository of a running gateway. Reads fail, too: nobody may rely on them. */
export function failingStore(store: Store): FailingStore {
  let armed: { which: number | string[]; point: FailurePoint } | undefined
  let calls: string[] = []
  let held: { names: string[]; point: FailurePoint; released: Promise<void> } | undefined

  const isMeant = (name: string) =>
    armed !== undefined &&
    (typeof armed.which === 'number' ? armed.which === calls.length : armed.which.includes(name))

  for (const [repository, methods] of Object.entries(store) as [string, Record<string, unknown>][]) {
    if (ofItsOwn.includes(repository)) continue
    for (const [method, carryOut] of Object.entries(methods)) {
      if (typeof carryOut !== 'function') continue
      methods[method] = async (...parameters: unknown[]) => {
        const name = `${repository}.${method}`
        calls.push(name)
        const point = isMeant(name) ? armed?.point : undefined
        const stop = held?.names.includes(name) ? held : undefined
        if (stop?.point === 'before') await stop.released
        if (point === 'before') throw new StorageUnavailableError('full')
        const answer = await carryOut(...parameters)
        if (stop?.point === 'after') await stop.released
        if (point === 'after') throw new StorageUnavailableError('faulty')
        return answer
      }
    }
  }
  return {
    calls: () => [...calls],
    arm(which, point) {
      calls = []
      armed = { which, point }
    },
    heal() {
      calls = []
      armed = undefined
    },
    hold(names, point = 'before') {
      const { promise, resolve } = Promise.withResolvers<void>()
      held = { names, point, released: promise }
      return () => {
        held = undefined
        resolve()
      }
    },
  }
}

export type FailedCall = { nth: number; point: FailurePoint; name: string }

/**
 * Makes a request again and again, another call of the store failing each time, until none is left to fail. Answers
 * the calls that failed, in their order, first before and then after they were carried out.
 */
export async function forEveryFailure(
  { store, clock }: { store: FailingStore; clock: TestClock },
  prepare: () => Promise<() => Promise<Response>>,
  judge: (response: Response, failed: FailedCall, again: () => Promise<Response>) => Promise<void>,
): Promise<string[]> {
  const seen: string[] = []
  for (const point of ['before', 'after'] as const) {
    for (let nth = 1; ; nth++) {
      const request = await prepare()
      // What is remembered for a second is read again.
      clock.advance(1)
      store.arm(nth, point)
      const response = await request()
      const name = store.calls()[nth - 1]
      store.heal()
      if (name === undefined) {
        await response.body?.cancel()
        break
      }
      seen.push(name)
      await judge(response, { nth, point, name }, request)
    }
  }
  return seen
}

/** The answer to whoever asks while the store does not. */
export async function expectUnavailable(response: Response, failed: FailedCall): Promise<void> {
  expect({ ...failed, status: response.status }).toEqual({ ...failed, status: 503 })
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(response.headers.get('retry-after')).toBe('5')
  expect(await response.json()).toMatchObject({
    error: 'temporarily_unavailable',
    error_code: 'gateway_unavailable',
    who_must_act: 'admin',
    retry_after: 5,
  })
}
