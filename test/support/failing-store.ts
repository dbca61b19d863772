import type { Store } from '../../src/storage/store.ts'
import { StorageUnavailableError } from '../../src/storage/unavailable.ts'

/** Whether the store fails before it does what it was asked, or did it and only the answer is lost. */
export type FailurePoint = 'before' | 'after'

export type FailingStore = {
  /** Every call of a repository since the last time it was armed, as `grants.revoke`. */
  calls(): string[]
  /** Fails the `nth` call from now on (from 1), or every call of that name, until `heal`. */
  arm(which: number | string, point: FailurePoint): void
  heal(): void
}

/** Puts a switch before every repository of a running gateway. Reads fail, too: nobody may rely on them. */
export function failingStore(store: Store): FailingStore {
  let armed: { which: number | string; point: FailurePoint } | undefined
  let calls: string[] = []

  const isMeant = (name: string) =>
    armed !== undefined && (armed.which === calls.length || armed.which === name)

  for (const [repository, methods] of Object.entries(store) as [string, Record<string, unknown>][]) {
    for (const [method, carryOut] of Object.entries(methods)) {
      if (typeof carryOut !== 'function') continue
      methods[method] = async (...parameters: unknown[]) => {
        const name = `${repository}.${method}`
        calls.push(name)
        const point = isMeant(name) ? armed?.point : undefined
        if (point === 'before') throw new StorageUnavailableError('full')
        const answer = await carryOut(...parameters)
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
  }
}
