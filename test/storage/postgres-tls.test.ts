import { chownSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openSnapshot } from '../../src/storage/archive/snapshot.ts'
import { openDatabase } from '../../src/storage/database.ts'
import { postgresAddress } from '../../src/storage/postgres/address.ts'
import { connectTo, whoIsLookedAt } from '../../src/storage/postgres/connect.ts'
import { StorageUnavailableError } from '../../src/storage/unavailable.ts'
import { type Certified, createAuthority } from '../support/certificates.ts'
import { freePort } from '../support/gateway.ts'
import { startPostgres, type TestServer } from '../support/postgres.ts'
import { startStandIn } from '../support/postgres-standin.ts'
import { until } from '../support/until.ts'

const [believed, other] = [createAuthority('believed'), createAuthority('other')]

let server: TestServer
let port: number
beforeAll(async () => {
  port = await freePort()
  server = await startPostgres({ listen_addresses: '127.0.0.1', port: `${port}` })
})
afterAll(() => server.stop())

/** Writes a file that the server may read, and nobody else. */
function put(name: string, content: string): string {
  const path = join(server.folder, name)
  writeFileSync(path, content, { mode: 0o600 })
  const { uid, gid } = statSync(server.folder)
  chownSync(path, uid, gid)
  return path
}

/** Lets the server show a certificate for this name from now on. */
async function show(name: string): Promise<void> {
  const { certificate, key } = believed.issue(name)
  await server.run(`ALTER SYSTEM SET ssl_cert_file = '${put('server.crt', certificate)}'`)
  await server.run(`ALTER SYSTEM SET ssl_key_file = '${put('server.key', key)}'`)
  await server.run('ALTER SYSTEM SET ssl = on')
  // The process that takes connections reads its configuration before it tells the others to.
  const loadedAt = async () => JSON.stringify(await server.run('SELECT pg_conf_load_time()::text'))
  const before = await loadedAt()
  await server.run('SELECT pg_reload_conf()')
  await until(async () => (await loadedAt()) !== before)
}

async function openOver(parameters: Record<string, string>) {
  const { pathname } = new URL(await server.createDatabase())
  const database = await openDatabase(
    `postgres://postgres@localhost:${port}${pathname}?${new URLSearchParams(parameters)}`,
  )
  const condition = await database.condition()
  await database.close()
  return condition
}

const reasonOf = (error: unknown) =>
  error instanceof Error && error.cause instanceof Error ? error.cause.message : error

const ofBelieved = () => put('believed.crt', believed.certificate)
const ofOther = () => put('other.crt', other.certificate)

test('a server without TLS is believed only where none is asked for', async () => {
  expect(await openOver({})).toMatchObject({ transport: 'plain' })
  for (const sslmode of ['verify-full', 'require', 'no-verify']) {
    await expect(openOver({ sslmode }).catch(reasonOf)).resolves.toMatch(/does not support SSL/)
  }
})

test('the right authority and the right name are believed, and nothing less', async () => {
  await show('localhost')
  const encrypted = { transport: 'encrypted' }
  expect(await openOver({ sslmode: 'verify-full', sslrootcert: ofBelieved() })).toMatchObject(encrypted)
  expect(await openOver({ sslmode: 'require', sslrootcert: ofBelieved() })).toMatchObject(encrypted)
  expect(await openOver({ sslmode: 'verify-ca', sslrootcert: ofBelieved() })).toMatchObject(encrypted)
  expect(await openOver({ sslmode: 'no-verify' })).toMatchObject(encrypted)
  // With the authorities of the machine, with another one, and by libpq's understanding of `require`.
  for (const parameters of [
    { sslmode: 'verify-full' },
    { sslmode: 'verify-full', sslrootcert: 'system' },
    { sslmode: 'verify-full', sslrootcert: ofOther() },
    { sslmode: 'verify-ca', sslrootcert: ofOther() },
    { sslmode: 'require' },
  ]) {
    await expect(openOver(parameters).catch(reasonOf)).resolves.toMatch(/certificate/)
  }
})

test('while the file of the authority is replaced, connections go by what it was', async () => {
  await show('localhost')
  const { pathname } = new URL(await server.createDatabase())
  const path = ofBelieved()
  const { ping, close } = await openDatabase(
    `postgres://postgres@localhost:${port}${pathname}?sslrootcert=${path}&sslmode=verify-full`,
  )
  rmSync(path)
  await Promise.all(Array.from({ length: 30 }, ping))
  await close()
})

test('a server that asks for a certificate is shown the gateway’s own', async () => {
  const [{ path: rules } = expect.unreachable()] = (await server.run(
    `SELECT current_setting('hba_file') AS path`,
  )) as { path: string }[]
  const asking = 'hostssl all shown all trust clientcert=verify-full'
  writeFileSync(rules, `${asking}\n${readFileSync(rules, 'utf8')}`)
  await server.run('CREATE ROLE shown SUPERUSER LOGIN')
  await server.run(`ALTER SYSTEM SET ssl_ca_file = '${ofBelieved()}'`)
  await show('localhost')
  const own = ({ certificate, key }: Certified) => ({
    ...{ user: 'shown', sslmode: 'verify-full', sslrootcert: ofBelieved() },
    ...{ sslcert: put('own.crt', certificate), sslkey: put('own.key', key) },
  })
  expect(await openOver(own(believed.issue('shown')))).toMatchObject({ transport: 'encrypted' })
  for (const wrong of [believed.issue('somebody'), other.issue('shown')]) {
    await expect(openOver(own(wrong))).rejects.toEqual(new StorageUnavailableError('unreachable'))
  }
  const none = { user: 'shown', sslmode: 'verify-full', sslrootcert: ofBelieved() }
  await expect(openOver(none).catch(reasonOf)).resolves.toMatch(/requires a valid client certificate/)
})

test('a certificate for another name is believed where only the authority counts', async () => {
  await show('elsewhere.test')
  await expect(
    openOver({ sslmode: 'verify-full', sslrootcert: ofBelieved() }).catch(reasonOf),
  ).resolves.toMatch(/does not match certificate/)
  expect(await openOver({ sslmode: 'verify-ca', sslrootcert: ofBelieved() })).toMatchObject({
    transport: 'encrypted',
  })
})

test('of several hosts the next is asked where one is not there', async () => {
  const { pathname } = new URL(await server.createDatabase())
  const nobody = await freePort()
  const database = await openDatabase(
    `postgres://postgres@localhost:${nobody},127.0.0.1:${nobody},localhost:${port}${pathname}?sslmode=disable`,
  )
  await Promise.all(Array.from({ length: 30 }, () => database.ping()))
  await database.close()
})

test('of several hosts a standby is passed over, also by who only reads; one alone was chosen', async () => {
  const standby = await startStandIn('standby')
  const { pathname } = new URL(await server.createDatabase())
  const url = `postgres://postgres@127.0.0.1:${standby.port},localhost:${port}${pathname}?sslmode=disable`
  const database = await openDatabase(url)
  const looked = await openDatabase(url, { access: 'read' })
  expect(await looked.condition()).toMatchObject({ readOnly: false, pendingMigrations: 0 })
  const snapshot = await openSnapshot(url, 'shared')
  await Promise.all([database, looked, snapshot].map(({ close }) => close()))
  const alone = postgresAddress(`postgres://postgres@127.0.0.1:${standby.port}${pathname}`)
  const wish = { name: 'coatcheck looks', patience: 10_000 }
  const client = await connectTo(alone, { ...wish, server: whoIsLookedAt(alone) })
  await client.end()
  await standby.stop()
})
