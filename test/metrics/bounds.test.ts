import { expect, test } from 'vitest'
import { createExposition, type Readings } from '../../src/metrics/exposition.ts'
import { createReadings } from '../../src/metrics/readings.ts'
import { type Database, openDatabase } from '../../src/storage/database.ts'
import { StorageUnavailableError } from '../../src/storage/unavailable.ts'

const atRest = {
  holder: 'this process',
  chores: { list: async () => [] },
  load: { underWay: () => 0 },
  pace: { states: () => [] },
  refresher: { underWay: () => ({ held: 0, waiting: 0, late: 0, unstored: 0 }) },
}

async function openCounted() {
  const opened = await openDatabase('sqlite::memory:')
  let asked = 0
  let fails = false
  const database: Database = {
    ...opened,
    async extent() {
      asked++
      if (fails) throw new StorageUnavailableError('closed')
      return await opened.extent()
    },
  }
  return {
    database,
    asked: () => asked,
    break: () => {
      fails = true
    },
  }
}

test('however many ids there are, the series are not more than a hundred and one', async () => {
  const database = await openDatabase('sqlite::memory:')
  const exposition = createExposition()
  for (let id = 0; id < 150; id++) {
    exposition.meter.count('upstreamRefreshes', { provider: `provider-${id}`, outcome: 'refreshed' })
  }
  const text = await exposition.render(await createReadings({ ...atRest, database, clock: () => 0 })())
  await database.close()
  expect(text.match(/^coatcheck_upstream_refreshes_total\{/gm)).toHaveLength(101)
  expect(text).toContain('coatcheck_upstream_refreshes_total{provider="other",outcome="refreshed"} 50')
})

test('a word that is none of a label’s is not told', async () => {
  const exposition = createExposition()
  // As a mistake of ours that no type caught would.
  exposition.meter.count('sweeps', { outcome: 'alice@example.com' as 'done' })
  const nothing = {
    connections: [],
    upstreamRevocations: [],
    refreshLeases: [],
    unstoredTokens: [],
    choreDoneAt: [],
    choresHeld: [],
    providerState: [],
  }
  const more = { requestsUnderWay: [], writeQueueLength: [], auditRows: [], databaseBytes: [], buildInfo: [] }
  const text = await exposition.render({ ...nothing, ...more } satisfies Readings)
  expect(text).toContain('coatcheck_sweeps_total{outcome="other"} 1')
  expect(text).not.toContain('alice')
})

test('two gateways of one process count for themselves', async () => {
  const [one, other] = [createExposition(), createExposition()]
  one.meter.count('databaseBusy', {})
  const database = await openDatabase('sqlite::memory:')
  const readings = await createReadings({ ...atRest, database, clock: () => 0 })()
  await database.close()
  expect(await one.render(readings)).toContain('coatcheck_database_busy_total 1')
  expect(await other.render(readings)).toContain('coatcheck_database_busy_total 0')
})

test('the database is asked every fifteen seconds at most, however often somebody scrapes', async () => {
  const { database, asked } = await openCounted()
  let now = 1_000
  const read = createReadings({ ...atRest, database, clock: () => now })
  await Promise.all([read(), read(), read()])
  now += 14
  await read()
  expect(asked()).toBe(1)
  now += 60
  await read()
  expect(asked()).toBe(2)
  await database.close()
})

test('what is not of the database is told without it, and what is of it is missing, not 0', async () => {
  const { database, break: breakIt } = await openCounted()
  breakIt()
  const read = createReadings({ ...atRest, database, clock: () => 0 })
  const text = await createExposition().render(await read())
  await database.close()
  expect(text).toContain('\ncoatcheck_unstored_tokens 0\n')
  expect(text).not.toMatch(/^coatcheck_(connections|audit_rows|database_bytes)[ {]/m)
})
