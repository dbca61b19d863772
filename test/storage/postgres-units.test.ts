import type { QueryConfig } from 'pg'
import { expect, test } from 'vitest'
import { createStatementNames } from '../../src/storage/postgres/statement-names.ts'
import { type Line, type Progress, transact } from '../../src/storage/postgres/units.ts'

/** A line to a server that goes by its rules, and the statements it was told. */
function lineOf(answerTo: (text: string) => string | Error) {
  const told: string[] = []
  const query = async ({ text }: QueryConfig) => {
    told.push(text)
    const answer = answerTo(text)
    if (answer instanceof Error) throw answer
    return { command: answer }
  }
  return { told, line: { query } as unknown as Line }
}

test('what the server rolled back at COMMIT is not told to be there', async () => {
  const { told, line } = lineOf((text) => (text === 'COMMIT' ? 'ROLLBACK' : text))
  const progress: Progress = { mayBeCommitted: false }
  const outcome = transact('BEGIN', line, progress, async () => 'done')
  await expect(outcome).rejects.toThrow('a transaction that had failed')
  expect(told).toEqual(['BEGIN', 'COMMIT', 'ROLLBACK'])
  expect(progress.mayBeCommitted).toBe(false)
})

test('a statement has one name in every process, whatever each of them was asked first', () => {
  const statement = (text: string) => ({ name: '', text })
  const [one, other] = [createStatementNames('lasting'), createStatementNames('lasting')]
  const first = one.named(statement('select 1'))
  expect(other.named(statement('select 2')).name).not.toBe(first.name)
  expect(other.named(statement('select 1'))).toEqual(first)
  // PostgreSQL cuts off what is longer.
  expect(first.name.length).toBeLessThan(64)
})
