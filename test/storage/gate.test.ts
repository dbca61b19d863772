import SqliteDatabase from 'better-sqlite3'
import { array, assert, asyncProperty, boolean, integer, record } from 'fast-check'
import { expect, test } from 'vitest'
import { type GateEvent, openGate } from '../../src/storage/sqlite/gate.ts'
import { StorageUnavailableError } from '../../src/storage/unavailable.ts'

function openTestGate() {
  const connection = new SqliteDatabase(':memory:')
  connection.pragma('foreign_keys = ON')
  connection.exec(`
    CREATE TABLE coats (id INTEGER PRIMARY KEY, owner TEXT NOT NULL);
    CREATE TABLE tickets (coat INTEGER REFERENCES coats (id) DEFERRABLE INITIALLY DEFERRED)`)
  const events: GateEvent[] = []
  const gate = openGate(connection, { patience: 50, capacity: 1000, observe: (event) => events.push(event) })
  return {
    connection,
    events,
    gate,
    coats: () => connection.prepare('SELECT id FROM coats ORDER BY id').pluck().all(),
  }
}

const hang = (id: number, owner: string | null = 'ada') => ({
  sql: 'INSERT INTO coats (id, owner) VALUES (?, ?) RETURNING id',
  params: [id, owner],
})
const hangInto = (id: number) => ({ sql: 'INSERT INTO coats (id, owner) VALUES (?, ?)', params: [id, 'ada'] })
const take = (id: number) => ({ sql: 'DELETE FROM coats WHERE id = ? RETURNING id', params: [id] })
const reasonsOf = (outcomes: readonly PromiseSettledResult<unknown>[]) =>
  outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason : 'answered'))

test('a write without RETURNING answers no rows', async () => {
  const { gate, coats } = openTestGate()
  expect(await gate.run(hangInto(1))).toEqual([])
  expect(coats()).toEqual([1])
})

test('nothing is written before the end of the turn, and nothing answered before the commit', async () => {
  const { gate, coats, events } = openTestGate()
  let answered = false
  const write = gate.run(hang(1)).then(() => {
    answered = true
  })
  await Promise.resolve()
  expect({ coats: coats(), answered, events }).toEqual({ coats: [], answered: false, events: [] })
  await write
  expect({ coats: coats(), events }).toEqual({
    coats: [1],
    events: [{ kind: 'committed', units: 1, seconds: expect.any(Number) }],
  })
})

test('a commit that fails is everybody’s failure', async () => {
  const { gate, coats } = openTestGate()
  const outcomes = await Promise.allSettled([
    gate.run(hang(1)),
    gate.run({ sql: 'INSERT INTO tickets (coat) VALUES (?)', params: [99] }),
    gate.runGuarded(hang(2), []),
  ])
  expect(reasonsOf(outcomes)).toEqual(
    Array(3).fill(expect.objectContaining({ code: 'SQLITE_CONSTRAINT_FOREIGNKEY' })),
  )
  expect(coats()).toEqual([])
  await gate.run(hang(3))
  expect(coats()).toEqual([3])
})

test('when SQLite itself gives the transaction up, nobody is told that anything was written', async () => {
  const { gate, coats } = openTestGate()
  await gate.run(hang(1))
  const outcomes = await Promise.allSettled([
    gate.run(hang(2)),
    gate.run({ sql: 'INSERT OR ROLLBACK INTO coats (id, owner) VALUES (?, ?)', params: [1, 'bob'] }),
    gate.run(hang(3)),
  ])
  expect(reasonsOf(outcomes)).toEqual(
    Array(3).fill(expect.objectContaining({ code: 'SQLITE_CONSTRAINT_PRIMARYKEY' })),
  )
  expect(coats()).toEqual([1])
})

test('a full disk refuses what does not fit, and heals', async () => {
  const { gate, coats, connection } = openTestGate()
  const pages = connection.pragma('page_count', { simple: true })
  connection.pragma(`max_page_count = ${pages}`)
  const outcomes = await Promise.allSettled([
    gate.run(hang(1)),
    gate.run(hang(2, 'x'.repeat(100_000))),
    gate.runGuarded(hang(3), [hang(4, 'x'.repeat(100_000))]),
  ])
  expect(reasonsOf(outcomes)).toEqual([
    'answered',
    new StorageUnavailableError('full'),
    new StorageUnavailableError('full'),
  ])
  expect(coats()).toEqual([1])
  expect(await gate.run({ sql: 'SELECT id FROM coats', params: [] })).toEqual([[1]])
  connection.pragma('max_page_count = 1000')
  await gate.run(hang(2, 'x'.repeat(100_000)))
  expect(coats()).toEqual([1, 2])
})

test('a database that may only be read says so, and is read', async () => {
  const { gate, connection } = openTestGate()
  connection.pragma('query_only = ON')
  await expect(gate.run(hang(1))).rejects.toEqual(new StorageUnavailableError('read_only'))
  expect(await gate.run({ sql: 'SELECT count(*) FROM coats', params: [] })).toEqual([[0]])
})

test('a connection that breaks fails everybody who waits', async () => {
  const { gate, connection } = openTestGate()
  await gate.run(hang(1))
  const outcomes = Promise.allSettled([gate.run(hang(2)), gate.run(hang(3))])
  connection.close()
  expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
})

test('a statement that is no SQL fails alone', async () => {
  const { gate, coats } = openTestGate()
  const outcomes = await Promise.allSettled([
    gate.run(hang(1)),
    gate.run({ sql: 'HANG UP', params: [] }),
    gate.runGuarded(hang(2), [{ sql: 'HANG UP', params: [] }]),
    gate.run(hang(3)),
  ])
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled'])
  expect(coats()).toEqual([1, 3])
})

test('more different statements than are kept prepared are no trouble', async () => {
  const { gate } = openTestGate()
  const numbers = Array.from({ length: 1200 }, (_, index) => index % 700)
  const answers = await Promise.all(
    numbers.map((number) => gate.run({ sql: `SELECT ${number}`, params: [] })),
  )
  expect(answers.flat(2)).toEqual(numbers)
})

test('whatever fails, the table holds exactly what was answered', async () => {
  const place = integer({ min: 0, max: 8 })
  const unit = record({ guard: place, hangs: boolean(), writes: array(place, { maxLength: 3 }) })
  const property = asyncProperty(array(array(unit, { maxLength: 8 }), { maxLength: 4 }), async (turns) => {
    const { gate, coats } = openTestGate()
    const model = new Set<number>()
    for (const units of turns) {
      const answers = await Promise.allSettled(
        units.map(({ guard, hangs, writes }) =>
          gate.runGuarded(
            hangs ? hang(guard) : take(guard),
            writes.map((id) => hang(id)),
          ),
        ),
      )
      units.forEach(({ guard, hangs, writes }, index) => {
        const answer = answers[index]
        if (answer?.status !== 'fulfilled' || answer.value === undefined) return
        if (hangs) model.add(guard)
        else model.delete(guard)
        for (const id of writes) model.add(id)
        expect(answer.value).toEqual([[[guard]], ...writes.map((id) => [[id]])])
      })
      expect(coats()).toEqual([...model].sort())
    }
  })
  await assert(property, { numRuns: 200 })
})

test('a guard that writes without answering a row is undone', async () => {
  const { gate, coats } = openTestGate()
  const outcomes = await Promise.all([gate.run(hang(1)), gate.runGuarded(hangInto(2), [hang(3)])])
  expect(outcomes).toEqual([[[1]], undefined])
  expect(coats()).toEqual([1])
})
