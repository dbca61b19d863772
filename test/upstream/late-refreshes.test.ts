import { describe, expect, test, vi } from 'vitest'
import type { RefreshLease } from '../../src/storage/refresh-leases.ts'
import type { Store } from '../../src/storage/store.ts'
import { StorageUnavailableError } from '../../src/storage/unavailable.ts'
import { createLateRefreshes, createPatience } from '../../src/upstream/late-refreshes.ts'
import { connection } from '../storage/rows.ts'

function setUp(most: number) {
  let now = 1_900_000_000
  const renewed: string[] = []
  const late = createLateRefreshes({
    leases: {
      async renew({ connectionId }: RefreshLease) {
        renewed.push(connectionId)
      },
    } as unknown as Store['refreshLeases'],
    clock: () => now,
    most,
  })
  const admit = (id: string, ended: Promise<unknown>) => {
    const patience = createPatience(1)
    const lease = { connectionId: id, fence: 1, holder: 'me' } as RefreshLease
    return { isIn: late.admit({ connection: connection(id), lease, patience }, ended), patience }
  }
  return { late, admit, renewed, advance: (seconds: number) => (now += seconds) }
}

const forEver = new Promise<never>(() => {})

describe('refreshes nobody waits for', () => {
  test('are no more than there may be, and an end makes room', async () => {
    const { late, admit } = setUp(2)
    const first = Promise.withResolvers<void>()
    expect(
      [admit('a', first.promise), admit('b', forEver), admit('c', forEver)].map(({ isIn }) => isIn),
    ).toEqual([true, true, false])
    expect([late.has(connection('a')), late.has(connection('c'))]).toEqual([true, false])
    first.resolve()
    await late.ends()[0]
    expect(late.has(connection('a'))).toBe(false)
    expect(admit('c', forEver).isIn).toBe(true)
  })

  test('are of the tokens that were sent, and not of those that came since', () => {
    const { late, admit } = setUp(2)
    admit('a', forEver)
    expect(late.has({ ...connection('a'), version: 2 })).toBe(false)
    expect(late.has({ ...connection('a'), createdAt: 7 })).toBe(false)
  })

  test('keep their leases, which is written as seldom as will do, whichever way the clock goes', async () => {
    const { late, admit, renewed, advance } = setUp(2)
    admit('a', forEver)
    for (let second = 0; second < 12; second++) {
      await late.renew()
      advance(1)
    }
    expect(renewed).toHaveLength(3)
    advance(-3600)
    await late.renew()
    expect(renewed).toHaveLength(4)
  })

  test('end as if their provider’s time was over', () => {
    const { late, admit } = setUp(1)
    const { patience } = admit('a', forEver)
    late.giveUp()
    expect(patience.signal.reason).toMatchObject({ code: 'deadline' })
  })

  test('tell of mistakes of ours, and not of what waits for the store', async () => {
    const { late, admit } = setUp(2)
    admit('a', Promise.reject(new StorageUnavailableError('full')))
    admit('b', Promise.reject(new TypeError('a mistake')))
    await Promise.all(late.ends())
    await expect(late.renew()).rejects.toThrow('a mistake')
    await late.renew()
  })
})

test('patience runs out after its time, and not at all once it is ended', async () => {
  vi.useFakeTimers()
  const [short, ended] = [createPatience(10), createPatience(10)]
  short.begin()
  ended.begin()
  vi.advanceTimersByTime(9_999)
  expect(short.hasRunOut()).toBe(false)
  ended.end()
  vi.advanceTimersByTime(1)
  vi.useRealTimers()
  expect(await short.ranOut).toBe('ran out')
  expect([short.hasRunOut(), ended.hasRunOut()]).toEqual([true, false])
})
