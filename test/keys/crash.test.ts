import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { verifyAll } from '../../src/keys/inventory.ts'
import { createSealer, type MasterKey } from '../../src/lib/seal.ts'
import { type Database, openDatabase } from '../../src/storage/database.ts'
import { checkMasterKeys, verifyMasterKeys } from '../../src/storage/key-check.ts'
import { createStore } from '../../src/storage/store.ts'
import { connection, subject } from '../storage/rows.ts'
import { type ChildGateway, startChildGateway } from '../support/child-gateway.ts'
import { coatcheck } from '../support/cli.ts'

// Promise 7 against `kill -9` in the middle of a change of master keys (CR-08).

const old: MasterKey = { id: 'old', key: randomBytes(32) }
const fresh: MasterKey = { id: 'fresh', key: randomBytes(32) }
const configured = (...keys: MasterKey[]) =>
  keys.map(({ id, key }) => `${id}:${Buffer.from(key).toString('base64')}`).join(',')
const many = 3_000

let gateway: ChildGateway
let database: Database
let url: string
beforeAll(async () => {
  gateway = await startChildGateway({ COATCHECK_MASTER_KEYS: configured(fresh, old) })
  url = gateway.database.url
  database = await openDatabase(url)
  const store = createStore(database.db, database.tables, database.batch)
  await checkMasterKeys(store, createSealer([old, fresh]), 1)
  await fill(database)
})
afterAll(async () => {
  await database.close()
  await gateway.stop()
})

async function fill({ db, tables }: Database): Promise<void> {
  const sealer = createSealer([old])
  await db.insert(tables.subjects).values(subject('ada')).returning()
  for (let from = 0; from < many; from += 200) {
    const rows = Array.from({ length: 200 }, async (_, index) => {
      const id = `con_${from + index}`
      const place = { table: 'connections', row: id, column: 'sealed_access_token' }
      const sealedAccessToken = await sealer.seal(`token of ${id}`, place)
      return connection(id, { sealedAccessToken, sealedRefreshToken: null })
    })
    await db
      .insert(tables.connections)
      .values(await Promise.all(rows))
      .returning()
  }
}

type Told = {
  items: { id: string; total: number; may_retire: boolean }[]
  reseal: { state: string; resealed: number; unopened: number }
}
const told = async () => await gateway.admin<Told>('GET', '/master-keys')
const leftOf = ({ items }: Told) => items.find(({ id }) => id === 'old')?.total ?? 0

test('killed in the middle, a resealing ends with every value under the new key', async () => {
  await gateway.admin('POST', '/master-keys/reseal', {})
  // Looked at beside the gateway, which would take longer to count than to get on.
  const { reseals } = createStore(database.db, database.tables, database.batch)
  await expect
    .poll(async () => (await reseals.find())?.resealed ?? 0, { timeout: 20_000, interval: 5 })
    .toBeGreaterThan(many * 0.2)
  await gateway.crash()
  const killed = leftOf(await told())
  expect(killed).toBeGreaterThan(0)
  expect(killed).toBeLessThan(many)
  await expect
    .poll(async () => (await told()).reseal.state, { timeout: 30_000, interval: 200 })
    .toBe('finished')
  const after = await told()
  expect(leftOf(after)).toBe(0)
  expect(after.reseal.unopened).toBe(0)

  const alone = createSealer([fresh])
  const store = createStore(database.db, database.tables, database.batch)
  const verified = await verifyAll({ store, sealer: alone })
  expect(verified.unopened).toEqual([])
  expect(verified.values).toBeGreaterThan(many)
  const asAtStart = await openDatabase(url, {
    beforeMigrations: async (checks, isSealedUnder) =>
      void (await verifyMasterKeys(checks, alone, isSealedUnder)),
  })
  await asAtStart.close()
})

test('the command line verifies beside the gateway: all of it, and what was moved, without a word of it', async () => {
  const env = {
    COATCHECK_ISSUER: gateway.issuer,
    COATCHECK_DATABASE_URL: url,
    COATCHECK_MASTER_KEYS: configured(fresh),
    COATCHECK_ADMIN_TOKEN: gateway.adminToken,
  }
  const good = await coatcheck(['keys', 'verify'], { env })
  expect(good).toMatchObject({ exitCode: 0 })
  expect(good.out).toMatch(/^All \d+ sealed values open\.$/)

  const { sealedValues } = createStore(database.db, database.tables, database.batch)
  const [column] = sealedValues.columns
  if (!column) throw new Error('no column')
  const [one, two] = await sealedValues.page(column, '', 2)
  if (!one?.sealed || !two) throw new Error('no rows')
  await sealedValues.replace(column, two, one.sealed)
  const bad = await coatcheck(['keys', 'verify'], { env })
  expect(bad.exitCode).toBe(1)
  expect(bad.out).toContain(`connections.sealed_access_token of "${two.id}": damaged`)
  expect(bad.out).not.toMatch(/token of con_|v1\.fresh\./)

  expect((await coatcheck(['keys', 'list'], { env })).out).toMatch(/^old +opening +0 +0 +yes$/m)
  expect(await coatcheck(['keys', 'retire', 'fresh'], { env })).toMatchObject({ exitCode: 1 })
  expect((await coatcheck(['keys', 'retire', 'old'], { env })).out).toContain('old is needed no more')
  expect((await coatcheck(['keys', 'reseal'], { env })).out).toContain('wrapped by fresh')
})
