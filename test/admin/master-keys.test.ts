import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { createSealer, type MasterKey } from '../../src/lib/seal.ts'
import { checkMasterKeys } from '../../src/storage/key-check.ts'
import { connection, subject } from '../storage/rows.ts'
import { openAdminGateway } from '../support/admin-gateway.ts'

const old: MasterKey = { id: 'old', key: randomBytes(32) }
const fresh: MasterKey = { id: 'fresh', key: randomBytes(32) }
const configured = (...keys: MasterKey[]) =>
  keys.map(({ id, key }) => `${id}:${Buffer.from(key).toString('base64')}`).join(',')

/** A gateway that seals with the new key, and two tokens that the old one sealed. */
async function open() {
  const opened = await openAdminGateway({ env: { COATCHECK_MASTER_KEYS: configured(fresh, old) } })
  const { gateway, database } = opened
  const { db, tables } = database
  const before = createSealer([old, fresh])
  await checkMasterKeys(gateway.store, before, 1)
  const place = { table: 'connections', row: 'con_1', column: 'sealed_access_token' }
  const sealedAccessToken = await before.seal('CANARY-token', place)
  await db.insert(tables.subjects).values(subject('ada')).returning()
  const row = connection('con_1', { sealedAccessToken, sealedRefreshToken: null })
  await db.insert(tables.connections).values(row).returning()
  return { ...opened, place }
}

test('what each key wraps is told, everything moves to the one that seals, and then the other is let go', async () => {
  const { admin, gateway, answers, place } = await open()
  const list = async () => (await admin('GET', '/master-keys')).json
  expect(await list()).toEqual({
    items: [
      {
        id: 'fresh',
        state: 'sealing',
        values: { audit_keys: 1 },
        total: 1,
        to_reseal: 0,
        may_retire: false,
      },
      {
        id: 'old',
        state: 'opening',
        values: { connections: 1 },
        total: 1,
        to_reseal: 1,
        may_retire: false,
      },
    ],
    reseal: null,
  })
  const refused = await admin('DELETE', '/master-keys/old')
  expect(refused).toMatchObject({ status: 409, json: { code: 'conflict' } })
  expect(refused.json.detail).toContain('1 in connections')
  expect((await admin('DELETE', '/master-keys/fresh')).status).toBe(409)
  expect((await admin('DELETE', '/master-keys/never')).status).toBe(404)

  const asked = await admin('POST', '/master-keys/reseal', {})
  expect(asked.json).toMatchObject({
    master_key_id: 'fresh',
    state: 'under_way',
    requested_by: 'admin:token',
  })
  const lease = await gateway.store.chores.take('resealing', undefined, 'this process')
  if (!lease) throw new Error('somebody else is at it')
  await gateway.resealing.goOn({ ...lease, signal: new AbortController().signal })
  const after = await list()
  expect(after.reseal).toMatchObject({ state: 'finished', resealed: 1, unopened: 0 })
  expect(after.items[1]).toMatchObject({ id: 'old', total: 0, may_retire: true })
  const stored = await gateway.store.connections.find('con_1')
  expect(await createSealer([fresh]).open(stored?.sealedAccessToken ?? '', place)).toBe('CANARY-token')

  expect((await admin('DELETE', '/master-keys/old')).json).toEqual({ id: 'old', state: 'retired' })
  const { items } = (await admin('GET', '/audit-events')).json
  expect(items.map(({ event }: { event: string }) => event)).toEqual(
    expect.arrayContaining(['master_keys.reseal_requested', 'master_keys.resealed', 'master_key.retired']),
  )
  expect(answers.join()).not.toMatch(/CANARY|v1\.(?:old|fresh)\./)
})

test('many who ask at once cause two counts at most', async () => {
  const { admin, gateway } = await open()
  const { sealedValues } = gateway.store
  const tally = sealedValues.tally.bind(sealedValues)
  let tallies = 0
  sealedValues.tally = async (...asked) => {
    tallies++
    return await tally(...asked)
  }
  const answered = await Promise.all(Array.from({ length: 20 }, () => admin('GET', '/master-keys')))
  expect(new Set(answered.map(({ status }) => status))).toEqual(new Set([200]))
  expect(tallies).toBeLessThanOrEqual(2 * sealedValues.columns.length)
})

test('a process that still seals with a key another one let go of makes it known again', async () => {
  const { gateway } = await open()
  const sealsWithOld = createSealer([old, fresh])
  const known = async () => (await gateway.store.keyChecks.list()).map(({ masterKeyId }) => masterKeyId)
  const event = { id: 'e', at: 1, event: 'master_key.retired', actor: 'a', outcome: 'ok', detail: {} }
  await gateway.store.keyChecks.retire('old', event)
  expect(await known()).toEqual(['fresh'])
  await checkMasterKeys(gateway.store, sealsWithOld, 2)
  expect((await known()).toSorted()).toEqual(['fresh', 'old'])
})
