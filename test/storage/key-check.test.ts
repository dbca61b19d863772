import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import SqliteDatabase from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/config.ts'
import { openGateway } from '../../src/gateway.ts'
import { createSealer, type MasterKey } from '../../src/lib/seal.ts'
import { checkMasterKeys, WrongMasterKey } from '../../src/storage/key-check.ts'
import type { KeyCheck } from '../../src/storage/key-checks.ts'
import type { Store } from '../../src/storage/store.ts'

let folder: string
let file: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'coatcheck-keys-'))
  file = join(folder, 'coatcheck.db')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const newKey = (id: string): MasterKey => ({ id, key: randomBytes(32) })

/** Opens a gateway over the file as a start does, and closes it again. */
async function open(...masterKeys: [MasterKey, ...MasterKey[]]): Promise<void> {
  const env = { COATCHECK_DATABASE_URL: `sqlite:${file}` }
  const config = loadConfig(env, () => '{}')
  const { gateway, database } = await openGateway(
    config,
    { masterKeys, adminToken: undefined },
    () => 1_800_000_000,
  )
  await gateway.signingKeys.signingKey()
  await database.close()
}

/** Everything in the database, as one fingerprint. */
function fingerprint(): string {
  const database = new SqliteDatabase(file, { readonly: true })
  const all = "select name, sql from sqlite_master where type = 'table' order by name"
  const tables = database.prepare<[], { name: string }>(all).all()
  const rows = tables.map((table) => [table, database.prepare(`select * from "${table.name}"`).all()])
  database.close()
  return createHash('sha256').update(JSON.stringify(rows)).digest('hex')
}

describe('a start (CR-06)', () => {
  test('with the key of the first start goes well, any number of times', async () => {
    const key = newKey('a')
    await open(key)
    const before = fingerprint()
    await open(key)
    expect(fingerprint()).toBe(before)
  })

  test.each([
    ['the same id', 'a'],
    ['another id', 'b'],
  ])('with another key under %s refuses, and writes nothing', async (_what, id) => {
    await open(newKey('a'))
    const before = fingerprint()
    await expect(open(newKey(id))).rejects.toThrow(WrongMasterKey)
    expect(fingerprint()).toBe(before)
  })

  test('with another key refuses before the migrations that are pending', async () => {
    await open(newKey('a'))
    // As an older version would have left it: every migration is still to be run.
    const database = new SqliteDatabase(file)
    database.exec('DELETE FROM applied_migrations')
    database.close()
    const before = fingerprint()
    await expect(open(newKey('a'))).rejects.toThrow(WrongMasterKey)
    await expect(open(newKey('b'))).rejects.toThrow(WrongMasterKey)
    expect(fingerprint()).toBe(before)
  })

  test('with a new key before the known one goes on, and then with both in either order', async () => {
    const [old, fresh] = [newKey('old'), newKey('fresh')]
    await open(old)
    await open(fresh, old)
    await open(old, fresh)
  })

  test('without a key that something is still sealed under names the missing one (CR-09)', async () => {
    const [old, fresh] = [newKey('old'), newKey('fresh')]
    await open(old)
    await open(fresh, old)
    await expect(open(fresh)).rejects.toThrow('master keys that are not configured: old;')
  })

  test('with a wrong key beside the right one refuses where its id is known', async () => {
    const [old, fresh] = [newKey('old'), newKey('fresh')]
    await open(old)
    await open(fresh, old)
    await expect(open(fresh, newKey('old'))).rejects.toThrow(WrongMasterKey)
    await expect(open(newKey('fresh'), old)).rejects.toThrow(WrongMasterKey)
  })

  test('says which key, and never the key', async () => {
    const wrong = newKey('a')
    await open(newKey('a'))
    const error = await open(wrong).catch((thrown: Error) => thrown)
    expect(String(error)).toContain('master key a')
    expect(String(error)).not.toContain(Buffer.from(wrong.key).toString('base64').slice(0, 12))
  })

  test('of two at the same moment, each with a key of its own under one id, leaves one of them running', async () => {
    const checks: KeyCheck[] = []
    const meeting = Promise.withResolvers<void>()
    let looks = 0
    const keyChecks: Pick<Store['keyChecks'], 'list' | 'create'> = {
      async list() {
        // Both look before either has written.
        if (++looks === 2) meeting.resolve()
        const seen = [...checks]
        await meeting.promise
        return looks > 2 ? [...checks] : seen
      },
      async create(check) {
        if (!checks.some(({ masterKeyId }) => masterKeyId === check.masterKeyId)) checks.push(check)
      },
    }
    const outcomes = await Promise.allSettled(
      [newKey('a'), newKey('a')].map((key) => checkMasterKeys({ keyChecks }, createSealer([key]), 1)),
    )
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })
})
