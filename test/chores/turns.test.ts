import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createTurns, type SharedChore, type Turn, type Turns } from '../../src/chores/turns.ts'
import { type Database, openDatabase } from '../../src/storage/database.ts'
import { createStore, type Store } from '../../src/storage/store.ts'
import { StorageUnavailableError } from '../../src/storage/unavailable.ts'

// Of several processes one works at a time; which, and when another takes over, without any test waiting a second.

const name = 'sweep'
let database: Database
let store: Store
let now: number
/** Which process worked, in order. */
let worked: string[]
let failures: unknown[]

beforeEach(async () => {
  database = await openDatabase('sqlite::memory:')
  store = createStore(database.db, database.tables, database.batch)
  now = 1_900_000_000
  worked = []
  failures = []
})
afterEach(() => database.close())

type Process = Turns & {
  /** A second goes by for it: a sign of life, where it works. */
  beat(): Promise<void>
  /** A second goes by in which it looks, and what it begins ends. */
  turn(): Promise<void>
}

type Given = Partial<SharedChore> & { itsStore?: Pick<Store, 'chores'>; clock?: () => number }

function startProcess(
  holder: string,
  { itsStore = store, clock = () => now, ...given }: Given = {},
): Process {
  const beats = new Set<() => void>()
  const chore: SharedChore = { name, every: 300, work: async () => void worked.push(holder), ...given }
  const eachSecond = (beat: () => void) => {
    beats.add(beat)
    return () => beats.delete(beat)
  }
  const parts = { store: itsStore, holder, clock, eachSecond }
  const turns = createTurns(parts, [chore], (_, error) => void failures.push(error))
  return {
    ...turns,
    async beat() {
      for (const beat of beats) beat()
      // Writes are answered in their order.
      await store.chores.renew({ name: 'another', fence: 1 })
    },
    async turn() {
      await turns.look()
      await turns.settle()
    },
  }
}

/** Work that goes on until it is told to end. */
function endlessWork() {
  const { promise: begun, resolve: begin } = Promise.withResolvers<Turn>()
  const { promise: ended, resolve: end } = Promise.withResolvers<void>()
  const work = async (turn: Turn) => {
    begin(turn)
    await ended
  }
  return { work, begun, end }
}

const row = async () => (await store.chores.list()).find((each) => each.name === name)
const looks = async (process: Process, count: number) => {
  for (let times = 0; times < count; times++) await process.turn()
}

describe('a chore that comes up every five minutes', () => {
  test('is done by one of all, at the first look, and not again before it is due, whoever looks', async () => {
    const all = ['a', 'b', 'c'].map((holder) => startProcess(holder))
    await Promise.all(all.map((each) => each.turn()))
    expect(worked).toHaveLength(1)
    now += 299
    for (const each of [...all, startProcess('new here')]) await each.turn()
    expect(worked).toHaveLength(1)
    now += 1
    await Promise.all(all.map((each) => each.turn()))
    expect(worked).toHaveLength(2)
    expect(await row()).toMatchObject({ holder: null, doneAt: now })
  })

  test('is not held up for long by a time that a wrong clock wrote', async () => {
    await startProcess('ahead', { clock: () => now + 86_400 }).turn()
    const other = startProcess('right')
    await other.turn()
    expect(worked).toEqual(['ahead', 'right'])
    await other.turn()
    expect(worked).toHaveLength(2)
  })

  test('is done no more than once by each and in each pause where the clocks of two are far apart', async () => {
    const both = [startProcess('right'), startProcess('ahead', { clock: () => now + 400 })]
    for (let seconds = 0; seconds < 600; seconds++, now++) for (const each of both) await each.turn()
    // At its beginning, in its middle and at its end.
    expect(worked.length).toBeGreaterThanOrEqual(2)
    expect(worked.length).toBeLessThanOrEqual(6 + 1)
  })

  test('is left to others by a process in which it failed, for as long', async () => {
    const broken = startProcess('broken', { work: () => Promise.reject(new Error('not here')) })
    await broken.turn()
    expect(failures).toHaveLength(1)
    expect(await row()).toMatchObject({ holder: null, doneAt: null })
    await looks(broken, 300)
    expect(failures).toHaveLength(1)
    await startProcess('sound').turn()
    expect(worked).toEqual(['sound'])
    now += 300
    await broken.turn()
    expect(failures).toHaveLength(2)
  })
})

describe('a chore that is asked for', () => {
  test('is done whenever it is, and nothing is written while it is not', async () => {
    let isAskedFor = false
    const process = startProcess('a', { every: 5, isWanted: async () => isAskedFor })
    await looks(process, 10)
    expect(await row()).toBeUndefined()
    isAskedFor = true
    await looks(process, 5)
    expect(worked).toEqual(['a'])
    await process.turn()
    expect(worked).toEqual(['a', 'a'])
  })
})

describe('a chore that fails each time', () => {
  test('is tried less and less often, to once in five minutes, and as before once it did not fail', async () => {
    let isBroken = true
    const work = async () => {
      worked.push('tried')
      if (isBroken) throw new Error('not now')
    }
    const process = startProcess('a', { every: 1, isWanted: async () => true, work })
    await looks(process, 3_000)
    expect(worked.length).toBeGreaterThan(10)
    expect(worked.length).toBeLessThan(25)
    isBroken = false
    await looks(process, 301)
    worked = []
    await looks(process, 10)
    expect(worked).toHaveLength(10)
  })
})

describe('whoever is at it', () => {
  test('keeps it as long as it shows signs of life, and gives it back when it is done', async () => {
    const { work, begun, end } = endlessWork()
    const busy = startProcess('busy', { work })
    const other = startProcess('other')
    await busy.look()
    const { signal } = await begun
    for (let seconds = 0; seconds < 20; seconds++) {
      await busy.beat()
      await other.turn()
    }
    expect({ worked, aborted: signal.aborted }).toEqual({ worked: [], aborted: false })
    end()
    await busy.settle()
    now += 300
    await other.turn()
    expect(worked).toEqual(['other'])
  })

  test('is taken over at the sixth look of another that saw none, however its clock goes', async () => {
    await store.chores.take(name, undefined, 'dead')
    const other = startProcess('other')
    now += 100_000
    await looks(other, 5)
    expect(worked).toEqual([])
    await other.turn()
    expect(worked).toEqual(['other'])
  })

  test('learns that it was, once it comes back, is told to end, and does not say that it is done', async () => {
    const { work, begun, end } = endlessWork()
    const frozen = startProcess('frozen', { work })
    await frozen.look()
    const { signal, fence } = await begun
    const other = startProcess('other')
    await looks(other, 6)
    expect(worked).toEqual(['other'])
    const { doneAt } = (await row()) ?? {}
    now += 50
    await frozen.beat()
    expect(signal.aborted).toBe(true)
    end()
    await frozen.settle()
    expect(await row()).toMatchObject({ fence: fence + 1, doneAt, holder: null })
    expect(failures).toEqual([])
  })

  test('is told to end when its process stops, and others begin at once', async () => {
    const stopping = startProcess('stopping', {
      work: ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
    })
    await stopping.look()
    await expect.poll(async () => (await row())?.holder).toBe('stopping')
    await stopping.stop()
    expect(await row()).toMatchObject({ holder: null, doneAt: null })
    await startProcess('other').turn()
    expect(worked).toEqual(['other'])
    await stopping.turn()
    expect(worked).toEqual(['other'])
  })

  test('goes on where the store is away for a moment, and takes up what it could not give back', async () => {
    let isAway = false
    const unlessAway =
      <Args extends unknown[], Answer>(call: (...args: Args) => Promise<Answer>) =>
      async (...args: Args) => {
        if (isAway) throw new StorageUnavailableError('unreachable')
        return await call(...args)
      }
    const { renew, release } = store.chores
    const itsStore = {
      chores: { ...store.chores, renew: unlessAway(renew), release: unlessAway(release) },
    }
    const { work, begun, end } = endlessWork()
    const process = startProcess('a', { itsStore, work })
    await process.look()
    const { signal } = await begun
    isAway = true
    await process.beat()
    expect(signal.aborted).toBe(false)
    end()
    await process.settle()
    expect(failures).toHaveLength(1)
    expect(await row()).toMatchObject({ holder: 'a' })
    isAway = false
    await looks(process, 301)
    expect(await row()).toMatchObject({ holder: null, doneAt: now })
  })
})
