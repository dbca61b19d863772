import { expect, test } from 'vitest'
import { createDecisionLog } from '../../src/policy/decision-log.ts'
import type { Decision } from '../../src/storage/decisions.ts'

const yes = (id: string): Decision => ({
  id,
  at: 1,
  resourceId: 'notes',
  subjectId: 'ada',
  clientId: 'editor',
  tool: 'read',
  allowed: true,
  code: null,
  detail: {},
  expiresAt: 2,
})

/** A table that fails or waits when it is told to. */
function createTable() {
  const rows = new Map<string, Decision>()
  let before: () => Promise<void> = async () => {}
  return {
    rows,
    interrupt: (next: () => Promise<void>) => {
      before = next
    },
    decisions: {
      async record(made: readonly Decision[]) {
        await before()
        for (const each of made) rows.set(each.id, each)
      },
      find: async (id: string) => rows.get(id),
      list: () => Promise.reject(new Error('nobody lists')),
    },
  }
}

test('a plain yes is found while it waits, while it is written, and afterwards', async () => {
  const table = createTable()
  const log = createDecisionLog(table)
  await log.record(yes('a'))
  expect(await log.find('a')).toMatchObject({ id: 'a' })
  const { promise, resolve } = Promise.withResolvers<void>()
  table.interrupt(() => promise)
  const flushed = log.flush()
  expect(table.rows.size).toBe(0)
  expect(await log.find('a')).toMatchObject({ id: 'a' })
  resolve()
  await flushed
  expect(await log.find('a')).toMatchObject({ id: 'a' })
})

test('what the store did not take is written the next time, the latest of it', async () => {
  const table = createTable()
  const log = createDecisionLog(table)
  table.interrupt(() => Promise.reject(new Error('down')))
  for (let id = 0; id < 1200; id++) await log.record(yes(`y${id}`)).catch(() => {})
  table.interrupt(async () => {})
  await log.flush()
  expect(table.rows.has('y1199')).toBe(true)
  expect(table.rows.has('y0')).toBe(false)
  expect(table.rows.size).toBeGreaterThanOrEqual(1000)
})

test('a no is written before it is answered', async () => {
  const table = createTable()
  await createDecisionLog(table).record({ ...yes('no'), allowed: false, code: 'policy_denied' })
  expect([...table.rows.keys()]).toEqual(['no'])
})
