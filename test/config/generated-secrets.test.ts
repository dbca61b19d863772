import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Config, ConfigError, loadConfig } from '../../src/config/config.ts'
import { configuredSecrets, secretsForStart } from '../../src/config/generated-secrets.ts'
import { openGateway } from '../../src/gateway.ts'

const run = promisify(execFile)

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'coatcheck-secrets-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const noFile = () => {
  throw new Error('no file')
}
const database = () => `sqlite:${join(folder, 'data', 'coatcheck.db')}`
const config = (env: Record<string, string> = {}): Config =>
  loadConfig({ COATCHECK_DATABASE_URL: database(), ...env }, noFile)
const keyOf = (masterKey: object) => ('key' in masterKey ? masterKey.key : undefined)
const inData = (name: string) => join(folder, 'data', name)
const modeOf = (path: string) => statSync(path).mode & 0o777

test('the first start writes a master key and an admin token for the owner alone', () => {
  const { generated, masterKeys, adminToken } = configuredSecrets(config())
  expect(generated).toEqual([inData('master.key'), inData('admin.token')])
  expect(generated.map(modeOf)).toEqual([0o600, 0o600])
  expect(modeOf(join(folder, 'data'))).toBe(0o700)
  expect(masterKeys).toHaveLength(1)
  expect(keyOf(masterKeys[0])).toHaveLength(32)
  expect(adminToken).toMatch(/^cc_admin_[\w-]{43}$/)
  expect(readFileSync(inData('admin.token'), 'utf8')).toBe(`${adminToken}\n`)
})

test('the second start reads the same and writes nothing', () => {
  const { generated: _, ...first } = configuredSecrets(config())
  const before = readFileSync(inData('master.key'), 'utf8')
  expect(configuredSecrets(config())).toEqual({ ...first, generated: [] })
  expect(readFileSync(inData('master.key'), 'utf8')).toBe(before)
})

test('nothing lies beside the two files', () => {
  configuredSecrets(config())
  expect(readdirSync(join(folder, 'data')).toSorted()).toEqual(['admin.token', 'master.key'])
})

test('processes that start at once end up with one secret', async () => {
  const script = `
    import { loadConfig } from './src/config/config.ts'
    import { configuredSecrets } from './src/config/generated-secrets.ts'
    const { adminToken, masterKeys } = configuredSecrets(loadConfig(process.env, () => ''))
    console.log(adminToken, Buffer.from(masterKeys[0].key).toString('hex'))`
  const env = { COATCHECK_DATABASE_URL: database() }
  const start = () => run(process.execPath, ['--input-type=module', '--eval', script], { env })
  const answers = await Promise.all(Array.from({ length: 4 }, start))
  expect(new Set(answers.map(({ stdout }) => stdout)).size).toBe(1)
})

test('two gateways have two keys', () => {
  const one = configuredSecrets(config())
  rmSync(join(folder, 'data'), { recursive: true })
  const two = configuredSecrets(config())
  expect(two.adminToken).not.toBe(one.adminToken)
  expect(keyOf(two.masterKeys[0])).not.toEqual(keyOf(one.masterKeys[0]))
})

test('what is configured is used, and nothing is written for it', () => {
  const key = `mine:${Buffer.from('a key of thirty-two bytes to use').toString('base64')}`
  const token = 'an admin token of 32 characters.'
  const secrets = configuredSecrets(config({ COATCHECK_MASTER_KEYS: key, COATCHECK_ADMIN_TOKEN: token }))
  expect(secrets).toMatchObject({ masterKeys: [{ id: 'mine' }], adminToken: token, generated: [] })
  expect(() => statSync(join(folder, 'data'))).toThrow('ENOENT')
})

test('only what is missing is generated', () => {
  const secrets = configuredSecrets(config({ COATCHECK_ADMIN_TOKEN: 'x'.repeat(32) }))
  expect(secrets.generated).toEqual([inData('master.key')])
})

test('a public gateway generates nothing: it has the keys it was given, or does not start', () => {
  const key = `mine:${Buffer.from('a key of thirty-two bytes to use').toString('base64')}`
  const isPublic = config({ COATCHECK_ISSUER: 'https://auth.example', COATCHECK_MASTER_KEYS: key })
  expect(configuredSecrets(isPublic)).toMatchObject({ adminToken: undefined, generated: [] })
  expect(() => configuredSecrets({ ...isPublic, masterKeys: undefined })).toThrow(ConfigError)
  expect(() => statSync(join(folder, 'data'))).toThrow('ENOENT')
})

test.each([
  ['master.key', 'local:c2hvcnQ='],
  ['master.key', ''],
  ['admin.token', ''],
  ['admin.token', 'cc_admin_cut-short'],
])('a %s that holds %j is refused and left as it is', (name, content) => {
  mkdirSync(join(folder, 'data'))
  writeFileSync(inData(name), content)
  const attempt = () => configuredSecrets(config())
  expect(attempt).toThrow(ConfigError)
  try {
    attempt()
  } catch (error) {
    const [told] = (error as ConfigError).errors
    expect(told?.startsWith(`${inData(name)}: `)).toBe(true)
    if (content !== '') expect(told).not.toContain(content)
  }
  expect(readFileSync(inData(name), 'utf8')).toBe(content)
})

test('a place where nothing can be read or written is an error that names it', () => {
  writeFileSync(join(folder, 'data'), 'a file where the folder should be')
  expect(() => configuredSecrets(config())).toThrow(ConfigError)
})

test('the files lie beside the database file, however its URL is spelt', () => {
  const spellings = [database(), database().replace('sqlite:', 'sqlite://')]
  const found = spellings.map((url) => configuredSecrets(config({ COATCHECK_DATABASE_URL: url })))
  expect(found[1]?.adminToken).toBe(found[0]?.adminToken)
})

test('a master key that is gone is not made anew for a database that is sealed under it', async () => {
  const start = async () => {
    const own = config()
    const { generated: _, ...secrets } = await secretsForStart(own)
    await (await openGateway(own, secrets, () => 1_800_000_000)).database.close()
  }
  await start()
  await start()
  const kept = readFileSync(inData('master.key'), 'utf8')
  rmSync(inData('master.key'))
  const refused = await start().catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(ConfigError)
  const [line, ...others] = (refused as ConfigError).errors
  expect(line).toContain(`${inData('master.key')}: is gone, and the database is sealed under local`)
  expect(others).toEqual([])
  // A service that opens what it sealed before does not stand in for it.
  const beside = {
    COATCHECK_KEY_SERVICE_URL: 'http://127.0.0.1:1/v1/transit/keys/coatcheck',
    COATCHECK_KEY_SERVICE_TOKEN: 't',
    COATCHECK_KEY_SERVICE_USE: 'open',
  }
  await expect(secretsForStart(config(beside))).rejects.toThrow(ConfigError)
  // Nothing was made in its place, and put back it opens everything.
  expect(readdirSync(join(folder, 'data'))).not.toContain('master.key')
  writeFileSync(inData('master.key'), kept, { mode: 0o600 })
  await start()
})
