import { describe, expect, test } from 'vitest'
import { StorageUnavailableError } from '../../src/storage/unavailable.ts'
import { createWaitingWrites } from '../../src/upstream/waiting-writes.ts'

/** A write that the store takes at the time given, and how often it was carried out. */
function writeThatWorksAt(time: number, error: Error = new StorageUnavailableError('full')) {
  let times = 0
  return {
    times: () => times,
    write: {
      holds: 'tokens',
      async carryOut() {
        times++
        if (times < time) throw error
        return `written at ${times}`
      },
    } as const,
  }
}

describe('a write the store does not take', () => {
  test('waits, and is written when somebody asks', async () => {
    const waiting = createWaitingWrites<string>()
    const { write } = writeThatWorksAt(3)
    await expect(waiting.write('con', write)).rejects.toThrow('the storage is unavailable: full')
    await expect(waiting.retry('con')).rejects.toThrow()
    expect([waiting.ids(), waiting.withTokens()]).toEqual([['con'], 1])
    expect(await waiting.retry('con')).toBe('written at 3')
    expect([waiting.ids(), waiting.withTokens()]).toEqual([[], 0])
    expect(await waiting.retry('con')).toBeUndefined()
  })

  test('is written once by all who come for it at the same moment', async () => {
    const waiting = createWaitingWrites<string>()
    const { write, times } = writeThatWorksAt(1)
    waiting.later('con', write)
    expect(times()).toBe(0)
    const written = await Promise.all([waiting.retry('con'), waiting.retry('con'), waiting.retry('con')])
    expect(written).toEqual(['written at 1', 'written at 1', 'written at 1'])
    expect(times()).toBe(1)
  })

  test('for a reason that does not pass is not tried for ever', async () => {
    const waiting = createWaitingWrites<string>()
    const { write } = writeThatWorksAt(9, new TypeError('a mistake'))
    await expect(waiting.write('con', write)).rejects.toThrow('a mistake')
    expect(waiting.ids()).toEqual([])
  })
})
