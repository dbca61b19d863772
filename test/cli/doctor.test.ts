import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import SqliteDatabase from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { checkedFindings } from '../../src/cli/provider-words.ts'
import { clockSkew } from '../../src/cli/published-findings.ts'
import { loadConfig } from '../../src/config/config.ts'
import { type Gateway, openGateway } from '../../src/gateway.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { saveProvider } from '../../src/upstream/provider-registration.ts'
import { notes } from '../support/admin-rows.ts'
import { coatcheck, coatcheckAt } from '../support/cli.ts'
import { freePort, startTestGateway } from '../support/gateway.ts'
import { oidcAt, openIssuer } from '../support/issuer.ts'

async function runningGateway(options = {}) {
  const gateway = await startTestGateway(options)
  onTestFinished(async () => await gateway.stop())
  return gateway
}

test('a gateway that is well is told to be, with the redirect URI to register', async () => {
  const gateway = await runningGateway()
  const { issuer } = await openIssuer()
  await gateway.admin('PUT', '/providers/forge', oidcAt(issuer))
  await gateway.admin('PUT', '/resources/notes', notes)
  const { out, exitCode } = await coatcheckAt(gateway)(['doctor'])
  expect(out).toMatch(/^ok +metadata: /m)
  expect(out).toMatch(/^ok +JWKS: one key/m)
  expect(out).toMatch(/^ok +database: it takes writes/m)
  expect(out).toMatch(
    /^ok +database: SQLite .*journal wal, pages of 8192; synchronous full, foreign keys on/m,
  )
  expect(out).toMatch(/^ok +master keys: test seals/m)
  expect(out).toMatch(/^ok +signing keys: [\w-]{8} signs, for/m)
  expect(out).toMatch(/^ok +provider forge: answers at/m)
  expect(out).toContain(`${gateway.issuer}/oauth/callback/forge`)
  expect(out).toContain('coatcheck resource credential create notes')
  expect(out).toMatch(/^Nothing is wrong; \w+ notes?\.$/m)
  expect(exitCode).toBe(0)
})

test('a provider that cannot be reached is wrong, and exit code 1', async () => {
  const gateway = await runningGateway()
  const descriptor = { extends: 'oidc', name: 'Nobody' }
  await gateway.admin('PUT', '/providers/nobody', {
    descriptor,
    variables: { issuer: 'http://127.0.0.1:1' },
    client_id: 'x',
  })
  const { out, exitCode } = await coatcheckAt(gateway)(['doctor', '--json'])
  expect(exitCode).toBe(1)
  const { ok, findings } = JSON.parse(out ?? '') as { ok: boolean; findings: object[] }
  expect(ok).toBe(false)
  expect(findings).toContainEqual({
    about: 'provider nobody',
    state: 'wrong',
    message: expect.stringContaining('cannot be reached'),
    advice: expect.stringContaining('curl'),
  })
})

test('an issuer that is not the one clients are told is wrong, to the byte', async () => {
  const gateway = await runningGateway()
  const url = gateway.issuer.replace('localhost', '127.0.0.1')
  const { out, exitCode } = await coatcheckAt(gateway)(['doctor', '--url', url])
  expect(exitCode).toBe(1)
  expect(out).toContain(`names the issuer ${gateway.issuer}, which is not ${url} to the byte`)
})

test('an issuer with a path is looked up where RFC 8414 says', async () => {
  const gateway = await runningGateway({
    env: (port: number) => ({ COATCHECK_ISSUER: `http://localhost:${port}/gate` }),
  })
  const { out, exitCode } = await coatcheckAt(gateway)(['doctor'])
  expect(out).toContain('/.well-known/oauth-authorization-server/gate names this issuer')
  expect(exitCode).toBe(0)
})

/** A folder for a gateway of this machine, with what a terminal there reads. */
function newFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'coatcheck-doctor-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

const newKey = (id = 'one') => `${id}:${randomBytes(32).toString('base64')}`

/** What a gateway that does not run is started with. */
async function stopped(file: unknown = {}) {
  const folder = newFolder()
  const env = {
    COATCHECK_ISSUER: `http://localhost:${await freePort()}`,
    COATCHECK_DATABASE_URL: `sqlite:${join(folder, 'coatcheck.db')}`,
    COATCHECK_ALLOW_LOOPBACK_UPSTREAMS: 'true',
    COATCHECK_CONFIG: 'c.json',
    COATCHECK_MASTER_KEYS: newKey(),
  }
  const files = { 'c.json': JSON.stringify(file) }
  const config = () => loadConfig(env, () => files['c.json'])
  /** Writes as a gateway would that is then stopped. */
  async function run(use: (gateway: Gateway) => Promise<void> = async () => {}) {
    const [first] = config().masterKeys ?? []
    if (!first) throw new Error('no master key')
    const secrets = { masterKeys: [first] as const, adminToken: undefined }
    const { gateway, database } = await openGateway(config(), secrets, systemClock)
    await use(gateway)
    await database.close()
  }
  const doctor = async (more: Record<string, string> = {}) =>
    await coatcheck(['doctor'], { env: { ...env, ...more }, files })
  return { folder, file: join(folder, 'coatcheck.db'), run, doctor }
}

test('a configuration that is wrong is told with every mistake, and what could not be checked', async () => {
  const env = {
    COATCHECK_ISSUER: `http://localhost:${await freePort()}`,
    COATCHECK_HOST: '0.0.0.0',
    COATCHECK_PORT: 'x',
  }
  const { out, exitCode } = await coatcheck(['doctor'], { env })
  expect(exitCode).toBe(1)
  expect(out).toMatch(/^wrong +configuration: COATCHECK_PORT: is not a port/m)
  expect(out).toMatch(/^wrong +configuration: COATCHECK_HOST: /m)
  expect(out).toMatch(/^wrong +metadata: no gateway listens at http.*\n +→ Start it/m)
  expect(out).toMatch(/^unchecked +database, keys and providers: /m)
  expect(out).toMatch(/^3 things are wrong; 2 not checked\.$/m)
})

test('with the gateway stopped nothing is made, and what a first start makes is said', async () => {
  const { doctor, folder } = await stopped()
  const { out } = await doctor({ COATCHECK_MASTER_KEYS: '' })
  expect(out).toMatch(/^ok +configuration: /m)
  expect(out).toMatch(/^note +secrets: there is no master key yet/m)
  expect(out).toMatch(/^note +database: there is none at .*coatcheck\.db yet/m)
  expect(readdirSync(folder)).toEqual([])
})

test('with the gateway stopped its database, its key and its providers are checked from here', async () => {
  const { issuer } = await openIssuer()
  const { doctor, run, file } = await stopped({
    providers: { work: oidcAt(issuer), away: oidcAt('http://127.0.0.1:1') },
  })
  await run(async ({ store, sealer }) => {
    const rules = { issuerIsLoopback: true, allowLoopback: true }
    const by = { origin: 'admin', actor: 'admin:token', now: systemClock() } as const
    const definition = { ...oidcAt(issuer), enabled: true, scopes: ['openid'] }
    await saveProvider({ store, sealer, rules }, 'mine', definition, by)
  })
  const before = readFileSync(file)
  const { out, exitCode } = await doctor()
  expect(exitCode).toBe(1)
  expect(out).toMatch(/^ok +database: SQLite .*journal wal, pages of 8192$/m)
  expect(out).toMatch(/^ok +database: every page of the file is sound/m)
  expect(out).toMatch(/^ok +master keys: one: what this database was sealed with/m)
  expect(out).toMatch(/^ok +provider work: answers at/m)
  expect(out).toMatch(/^ok +provider mine: answers at/m)
  expect(out).toMatch(/^wrong +provider away: http:\/\/127\.0\.0\.1:1 cannot be reached/m)
  expect(readFileSync(file)).toEqual(before)
})

test('a master key that is not that of the database is told before a start finds out', async () => {
  const { doctor, run, file } = await stopped()
  await run()
  const wrongOne = await doctor({ COATCHECK_MASTER_KEYS: newKey('one') })
  expect(wrongOne.out).toMatch(/^wrong +master keys: master key one is not the one this database knows/m)
  const another = await doctor({ COATCHECK_MASTER_KEYS: newKey('two') })
  expect(another.out).toMatch(/^wrong +master keys: this database is sealed with other master keys: one/m)
  const migrated = await coatcheck(['migrate'], {
    env: { COATCHECK_DATABASE_URL: `sqlite:${file}`, COATCHECK_MASTER_KEYS: newKey('two') },
  })
  expect(migrated).toMatchObject({ err: expect.stringContaining('other master keys: one'), exitCode: 1 })
  const none = await doctor({ COATCHECK_MASTER_KEYS: '' })
  expect(none.out).toMatch(
    /^wrong +master keys: the database is sealed under one, and there is no key at all/m,
  )
})

test('migrations still to run, another version and a damaged file are told, and nothing is changed', async () => {
  const { doctor, run, file } = await stopped()
  await run()
  const change = (sql: string) => {
    const database = new SqliteDatabase(file)
    database.exec(sql)
    database.close()
  }
  change('DELETE FROM applied_migrations')
  expect((await doctor()).out).toMatch(/^note +database: \d+ migrations? (is|are) still to run/m)
  expect((await doctor()).out).toMatch(/still to run/)
  change(`INSERT INTO applied_migrations (tag, hash) VALUES ('9999_later', 'x')`)
  expect((await doctor()).out).toMatch(/^wrong +database: the database was written by a newer version/m)
  writeFileSync(file, 'no database'.repeat(1000))
  expect((await doctor()).out).toMatch(/^wrong +database: the storage is unavailable: faulty/m)
})

test('generated secrets that others may read are wrong', async () => {
  const { doctor, folder } = await stopped()
  const path = join(folder, 'master.key')
  writeFileSync(path, newKey())
  chmodSync(path, 0o640)
  const { out } = await doctor({ COATCHECK_MASTER_KEYS: '' })
  expect(out).toContain(`secrets: others on this machine may read ${path}`)
  expect(out).toContain(`→ chmod 600 ${path}`)
  writeFileSync(path, 'cut short')
  expect((await doctor({ COATCHECK_MASTER_KEYS: '' })).out).toMatch(/^wrong +secrets: .*master\.key: /m)
})

test('declared mistakes that only a start would find are found', async () => {
  const { doctor } = await stopped({ resources: { notes: { resource: 'http://notes.test', name: 'Notes' } } })
  expect((await doctor()).out).toMatch(/^wrong +configuration: .*notes.*/m)
})

test('without a credential only what is public is checked', async () => {
  const gateway = await runningGateway()
  const env = { COATCHECK_ISSUER: gateway.issuer, COATCHECK_DATABASE_URL: `sqlite:${newFolder()}/x.db` }
  const { out, exitCode } = await coatcheck(['doctor'], { env })
  expect(out).toMatch(/^ok +metadata/m)
  expect(out).toMatch(/^ok +database: it takes writes/m)
  expect(out).toMatch(
    /^unchecked +keys, limits, providers and MCP servers: .*\n +→ there is no administrator’s token/m,
  )
  expect(exitCode).toBe(0)
})

test('a credential that is refused is wrong', async () => {
  const gateway = await runningGateway()
  const env = { COATCHECK_ISSUER: gateway.issuer, COATCHECK_ADMIN_TOKEN: 'x'.repeat(40) }
  const { out, exitCode } = await coatcheck(['doctor'], { env })
  expect(out).toMatch(
    /^wrong +keys, limits, providers and MCP servers: the administrator’s credential is refused/m,
  )
  expect(exitCode).toBe(1)
})

test('what an administrator may not do is unchecked, and nothing of it fails', async () => {
  const gateway = await runningGateway()
  await gateway.admin('PUT', '/providers/away', oidcAt('http://127.0.0.1:1'))
  await gateway.admin('POST', '/administrators', {
    name: 'ada',
    role: 'read',
    password: 'ada’s long password',
  })
  const asAda = ['doctor', '--user', 'ada', '--password-file', 'pw']
  const { out, exitCode } = await coatcheckAt(gateway)(asAda, { files: { pw: 'ada’s long password\n' } })
  expect(exitCode).toBe(0)
  expect(out).toMatch(/^unchecked +provider away: this administrator may only read/m)
  expect(out).toContain(`${gateway.issuer}/oauth/callback/away`)
  expect(out).toMatch(/^ok +signing keys: /m)
  expect(out).toMatch(/^ok +limits: /m)
  expect(out).not.toMatch(/^wrong/m)
})

test('every finding fits the screen, in color where it has any, and says what to do', async () => {
  const gateway = await runningGateway()
  await gateway.admin('PUT', '/providers/away', oidcAt('http://127.0.0.1:1'))
  const doctor = async (isColored: boolean, ...more: string[]) =>
    (await coatcheckAt(gateway)(['doctor', ...more], { screen: { columns: 80, isColored } })).out ?? ''
  const plain = await doctor(false)
  const words = plain.split('\n').filter((line) => line.trim().includes(' '))
  expect(words.filter((line) => line.length > 80 && !/http:\S+$/.test(line))).toEqual([])
  expect(plain).toMatch(/^wrong .*\n(?: {11}\S.*\n)* {11}→ /m)
  const colored = await doctor(true)
  expect(colored).toContain('\u001b[31mwrong')
  const timeless = (text: string) => text.replace(/for \d+ seconds?/, 'for a while')
  expect(timeless(stripVTControlCharacters(colored))).toBe(timeless(plain))
  const { findings } = JSON.parse(await doctor(true, '--json')) as { findings: Record<string, string>[] }
  expect(findings.filter(({ state, advice }) => (state === 'ok') !== (advice === undefined))).toEqual([])
})

test.each([
  ['Fri, 15 Jan 2027 08:00:00 GMT', 1_800_000_010, 'ok'],
  ['Fri, 15 Jan 2027 08:00:00 GMT', 1_800_000_100, 'wrong'],
  ['Fri, 15 Jan 2027 08:00:00 GMT', 1_799_999_900, 'wrong'],
  [null, 1_800_000_000, 'unchecked'],
])('a gateway that says %s at %i is %s', (date, now, state) => {
  expect(clockSkew(date, now)).toMatchObject([{ state }])
})

test('what is wrong with a disabled provider is only a note', () => {
  const problems = [{ message: 'x', advice: 'y' }]
  const checked = { ok: false, problems, warnings: [], redirect_uri: 'https://a.test/cb' }
  const states = (use: 'enabled' | 'disabled') =>
    checkedFindings({ id: 'forge', use }, checked).map(({ state }) => state)
  expect(states('disabled')).toEqual(['note', 'ok'])
  expect(states('enabled')).toEqual(['wrong', 'ok'])
})
