import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import SqliteDatabase from 'better-sqlite3'
import pg from 'pg'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { loadConfig } from '../../src/config/config.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { startGateway } from '../../src/main.ts'
import { archiveFile, writeArchiveFile } from '../../src/storage/archive/file.ts'
import { archiveOf, readArchive } from '../../src/storage/archive/format.ts'
import { openSnapshot } from '../../src/storage/archive/snapshot.ts'
import { importArchive } from '../../src/storage/archive/target.ts'
import { readMigrations, SchemaMismatchError } from '../../src/storage/migrations.ts'
import { coatcheck } from '../support/cli.ts'
import { createTestFile, postgresServer } from '../support/database.ts'
import { freePort } from '../support/gateway.ts'
import { until } from '../support/until.ts'
import {
  authorize,
  redeem,
  refresh,
  retrieve,
  signIn,
  startWorld,
  type Tokens,
  type World,
} from '../support/world.ts'

let world: World
let folder: string
let server: Awaited<ReturnType<typeof postgresServer>>
beforeAll(async () => {
  const database = await createTestFile()
  folder = database.folder
  world = await startWorld('github', { database })
  server = await postgresServer()
})
afterAll(async () => {
  await world?.stop()
  await server?.stop()
})

const file = (name: string) => join(folder, name)
const liteUrl = (name: string) => `sqlite:${file(name)}`
const sourceUrl = () => world.gateway.database.url

const envOf = (url: string, key = world.gateway.masterKey) => ({
  COATCHECK_ISSUER: world.gateway.issuer,
  COATCHECK_PORT: String(new URL(world.gateway.issuer).port),
  COATCHECK_DATABASE_URL: url,
  COATCHECK_MASTER_KEYS: `test:${Buffer.from(key).toString('base64')}`,
  COATCHECK_ALLOW_LOOPBACK_UPSTREAMS: 'true',
})

/** One call of the command line on a database, with the master key of the gateway unless another is given. */
const on =
  (url: string, key = world.gateway.masterKey) =>
  async (...args: string[]) =>
    await coatcheck(args, { env: envOf(url, key) })

/** A gateway over that database, with the secrets and the clock of the world's; `at` its own port, or another. */
async function serve(url: string, at: 'its own port' | 'another port' = 'another port') {
  const port = at === 'its own port' ? {} : { COATCHECK_PORT: String(await freePort()) }
  const { COATCHECK_MASTER_KEYS: _, ...env } = { ...envOf(url), ...port }
  const running = await startGateway(
    loadConfig(env, () => ''),
    { masterKeys: [{ id: 'test', key: world.gateway.masterKey }], adminToken: world.gateway.adminToken },
    { clock: world.clock.now, log: { level: 'silent' } },
  )
  const stop = running.stop
  onTestFinished(stop)
  return { stop, world: { ...world, gateway: { ...world.gateway, url: running.url } } }
}

async function tokensOf(response: Response): Promise<Tokens> {
  expect(response.status).toBe(200)
  return (await response.json()) as Tokens
}

/** Every row, sorted, whatever order the database gives rows and members in. */
async function rowsOf(url: string): Promise<Record<string, string[]>> {
  const snapshot = await openSnapshot(url, 'shared')
  try {
    const all: Record<string, string[]> = {}
    for (const table of snapshot.tables) {
      const rows: string[] = []
      for await (const page of snapshot.rows(table)) {
        rows.push(...page.map((row) => JSON.stringify(JSON.parse(row), sortedKeys)))
      }
      all[table.name] = rows.toSorted()
    }
    return all
  } finally {
    await snapshot.close()
  }
}

const sortedKeys = (_: string, value: unknown) =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    : value

/** An archive of the database, of which the most part is read after something else was done there. */
async function archivedAround(url: string, meanwhile: () => Promise<unknown>) {
  const snapshot = await openSnapshot(url, 'shared')
  const chunks = archiveOf(snapshot, systemClock())
  const first = await chunks.next()
  await meanwhile()
  const all = async function* () {
    if (!first.done) yield first.value
    yield* chunks
  }
  return await readArchive(all()).finally(snapshot.close)
}

/** Of what people write here; a gateway has errands of its own. */
const countsOf = ({ codes = [], grants = [], refresh_tokens = [] }: Record<string, string[]>) => ({
  codes: codes.length,
  grants: grants.length,
  refresh_tokens: refresh_tokens.length,
})

test('a backup is of one moment, however long it takes, and nobody waits for it', async () => {
  await signIn(world)
  const before = await rowsOf(sourceUrl())
  const { rows } = await archivedAround(sourceUrl(), () => signIn(world))
  expect(rows).toMatchObject(countsOf(before))
  expect((await rowsOf(sourceUrl())).grants).toHaveLength((before.grants?.length ?? 0) + 1)
})

test('a backup is for its owner’s eyes, holds nothing that opens by itself, and is never written over', async () => {
  const { tokens } = await signIn(world)
  const path = file('monday.gz')
  const { out, exitCode } = await on(sourceUrl())('backup', path)
  expect({ out, exitCode }).toMatchObject({ exitCode: 0, out: expect.stringContaining('was read back') })
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual([])
  const text = gunzipSync(readFileSync(path)).toString()
  const secrets = [
    ...world.upstream.issued(),
    tokens.refresh_token,
    world.credential.secret,
    Buffer.from(world.gateway.masterKey).toString('base64'),
  ]
  expect(secrets.filter((secret) => text.includes(secret))).toEqual([])
  const again = await on(sourceUrl())('backup', path)
  expect(again).toMatchObject({ exitCode: 1, err: expect.stringContaining('is there already') })
})

test('a backup that has nowhere to go says so', async () => {
  const nowhere = await on(sourceUrl())('backup', file('no/such/folder.gz'))
  expect(nowhere).toMatchObject({ exitCode: 1, err: expect.stringContaining('cannot be written (ENOENT)') })
  const nothing = await on(liteUrl('absent.db'))('backup', file('absent.gz'))
  expect(nothing).toMatchObject({ exitCode: 1, err: expect.stringContaining('unavailable: unreachable') })
})

test('a backup that breaks off leaves nothing under its name', async () => {
  const broken = (async function* () {
    yield Buffer.from('{}\n')
    throw new Error('the disk is gone')
  })()
  await expect(writeArchiveFile(file('broken.gz'), broken)).rejects.toThrow('the disk is gone')
  expect(readdirSync(folder).filter((name) => name.startsWith('broken'))).toEqual([])
})

test('what is cut short, changed, or no archive is refused before anything is written', async () => {
  const path = file('whole.gz')
  await on(sourceUrl())('backup', path)
  const packed = readFileSync(path)
  const lines = gunzipSync(packed).toString().trimEnd().split('\n')
  const [header = '', ...rows] = lines.slice(0, -1)
  const signed = (...all: string[]) => {
    const body = all.map((line) => `${line}\n`).join('')
    const sha256 = createHash('sha256').update(body).digest('hex')
    const counts: unknown = JSON.parse(lines.at(-1) ?? '').end.rows
    return gzipSync(`${body}${JSON.stringify({ end: { rows: counts, sha256 } })}\n`)
  }
  const cases: [Buffer, string][] = [
    [packed.subarray(0, packed.length - 20), 'ends too soon'],
    [gzipSync(lines.slice(0, -1).join('\n')), 'ends too soon'],
    [gzipSync(`${lines.slice(0, -1).join('\n')}\n`), 'ends too soon'],
    [gzipSync(`${lines.join('\n').replace('["subjects","', '["subjects","x')}\n`), 'SHA-256'],
    [gzipSync(`${lines.join('\n')}\n[]\n`), 'goes on after its end'],
    [signed(header, ...rows.slice(1)), 'of 1 rows of subjects, 0 are there'],
    [signed(header, '["subjects"]', ...rows.slice(1)), 'another number of columns'],
    [signed(header, '["robbers",1]', ...rows), 'belongs to no table'],
    [signed(header.replace('"version":1', '"version":2'), ...rows), 'newer version'],
    [gzipSync('{"format":"tar"}\n'), 'no archive'],
    [Buffer.from('PK'), 'no archive'],
    [signed(header.replaceAll('0000_initial', '0000_other'), ...rows), 'newer version'],
  ]
  for (const [bytes, says] of cases) {
    writeFileSync(file('case.gz'), bytes)
    const answer = await on(liteUrl('never.db'))('restore', file('case.gz'))
    expect(answer).toMatchObject({ exitCode: 1, err: expect.stringContaining(says) })
  }
  const absent = await on(liteUrl('never.db'))('restore', file('absent.gz'))
  expect(absent.err).toContain('cannot be read')
  const rowsThere = existsSync(file('never.db')) ? await rowsOf(liteUrl('never.db')).catch(() => ({})) : {}
  expect(Object.values(rowsThere).flat()).toEqual([])
})

test('without the right master key nothing is restored', async () => {
  await on(sourceUrl())('backup', file('sealed.gz'))
  const answer = await on(liteUrl('unopened.db'), Buffer.alloc(32, 'k1'))('restore', file('sealed.gz'))
  expect(answer).toMatchObject({
    exitCode: 1,
    err: expect.stringContaining('master key test is not the one'),
  })
  expect(existsSync(file('unopened.db'))).toBe(false)
})

test('nothing is restored over what is there, nor moved while a gateway runs', async () => {
  await on(sourceUrl())('backup', file('over.gz'))
  const over = await on(sourceUrl())('restore', file('over.gz'))
  expect(over).toMatchObject({ exitCode: 1, err: expect.stringContaining('open elsewhere') })
  const moved = await on(sourceUrl())('move', '--to', liteUrl('elsewhere.db'))
  expect(moved).toMatchObject({ exitCode: 1, err: expect.stringContaining('stop every gateway') })
  expect(existsSync(file('elsewhere.db'))).toBe(false)
  const nowhere = await on(sourceUrl())('move')
  expect(nowhere).toMatchObject({ exitCode: 2 })
  await signIn(world)
})

test.each(['sqlite', 'postgres'])(
  'an archive of an older version is brought forward in %s, and what is not finished begins anew',
  async (kind) => {
    const path = file(`older-${kind}.gz`)
    await on(sourceUrl())('backup', path)
    const url = kind === 'sqlite' ? liteUrl('forward.db') : await server.createDatabase()
    const source = "ALTER TABLE subjects ADD COLUMN shoe_size text DEFAULT '42'"
    const newer = (dialect: 'sqlite' | 'postgres') => [
      ...readMigrations(dialect),
      { tag: '9999_shoes', hash: 'of shoes', source },
    ]
    const { rows } = await importArchive(url, archiveFile(path), newer)
    expect(await sizesIn(url)).toEqual(Array(rows.subjects).fill({ shoe_size: '42' }))
    await expect(serve(url)).rejects.toThrow('did not come to its end')
    const older = () => newer('sqlite').slice(1)
    await expect(importArchive(url, archiveFile(path), older)).rejects.toThrow(SchemaMismatchError)
    expect(await on(url)('restore', path)).toMatchObject({ exitCode: 0 })
    expect((await rowsOf(url)).grants).toHaveLength(rows.grants ?? 0)
  },
)

async function sizesIn(url: string): Promise<unknown[]> {
  const statement = 'SELECT shoe_size FROM subjects'
  if (url.startsWith('sqlite:')) {
    const connection = new SqliteDatabase(url.slice('sqlite:'.length))
    const sizes = connection.prepare(statement).all()
    connection.close()
    return sizes
  }
  const client = new pg.Client(url)
  await client.connect()
  const { rows } = await client.query(statement)
  await client.end()
  return rows
}

test('clients that were cut off while refreshing may ask again after a restore; what is unknown ends nothing', async () => {
  const { tokens: first, tsid } = await signIn(world)
  const used = await tokensOf(await refresh(world, first.refresh_token))
  const second = await tokensOf(await refresh(world, used.refresh_token))
  const { code, verifier } = await authorize(world)
  await on(sourceUrl())('backup', file('old.gz'))
  const third = await tokensOf(await refresh(world, second.refresh_token))
  const url = liteUrl('old.db')
  expect(await on(url)('restore', file('old.gz'))).toMatchObject({ exitCode: 0 })
  world.clock.advance(7200)
  const restored = await serve(url)
  // Unused in the backup, it may have been used since.
  expect((await redeem(restored.world, { code, verifier })).status).toBe(400)
  // The answer to this one was lost: its successor is unused as far as anybody knows.
  const repeated = await tokensOf(await refresh(restored.world, used.refresh_token))
  expect(repeated.refresh_token).toBe(second.refresh_token)
  // Given after the backup: nobody knows it, and nobody is punished for that.
  expect((await refresh(restored.world, third.refresh_token)).status).toBe(400)
  expect((await retrieve(restored.world, tsid)).status).toBe(200)
  const fourth = await tokensOf(await refresh(restored.world, second.refresh_token))
  // A second use after the restore is a second use.
  world.clock.advance(60)
  expect((await refresh(restored.world, second.refresh_token)).status).toBe(400)
  expect((await refresh(restored.world, fourth.refresh_token)).status).toBe(400)
  const { items } = await restoredEvents(restored.world)
  expect(items).toEqual([expect.objectContaining({ actor: 'admin:cli' })])
})

async function restoredEvents({ gateway }: Pick<World, 'gateway'>) {
  const response = await fetch(`${gateway.url}/admin/v1/audit-events?event=database.restored`, {
    headers: { authorization: `Bearer ${gateway.adminToken}` },
  })
  return (await response.json()) as { items: unknown[] }
}

test('an upstream token that was used up since costs its own connection a sign-in, and nothing else', async () => {
  const { tokens, tsid } = await signIn(world)
  await on(sourceUrl())('backup', file('rotated.gz'))
  // The provider gives another refresh token, and takes the old one no more.
  world.clock.advance(9 * 3600)
  await tokensOf(await refresh(world, tokens.refresh_token))
  expect((await retrieve(world, tsid)).status).toBe(200)
  const url = await server.createDatabase()
  expect(await on(url)('restore', file('rotated.gz'))).toMatchObject({ exitCode: 0 })
  const restored = await serve(url)
  const answer = await tokensOf(await refresh(restored.world, tokens.refresh_token))
  expect((await retrieve(restored.world, tsid)).body).toMatchObject({ error_code: 'needs_reauthorization' })
  await tokensOf(await refresh(restored.world, answer.refresh_token))
})

test('a restore signs every client out where that is wanted', async () => {
  const { tokens } = await signIn(world)
  await on(sourceUrl())('backup', file('stolen.gz'))
  const url = liteUrl('ended.db')
  expect(await on(url)('restore', file('stolen.gz'), '--end-sessions')).toMatchObject({ exitCode: 0 })
  const again = await on(url)('restore', file('stolen.gz'))
  expect(again).toMatchObject({ exitCode: 1, err: expect.stringContaining('not empty (subjects, ') })
  const restored = await serve(url)
  expect((await refresh(restored.world, tokens.refresh_token)).status).toBe(400)
})

test('a gateway that was overlooked when its database moved takes nothing any more that would be lost', async () => {
  const { tokens } = await signIn(world)
  await on(sourceUrl())('backup', file('overlooked.gz'))
  const url = await server.createDatabase()
  await on(url)('restore', file('overlooked.gz'))
  const { world: overlooked } = await serve(url)
  const to = { 'target.url': `${liteUrl('without.db')}\n` }
  const move = async (...more: string[]) =>
    await coatcheck(['move', '--to-file', 'target.url', ...more], { env: envOf(url), files: to })
  expect(await move()).toMatchObject({ exitCode: 1, err: expect.stringContaining('--stopped') })
  expect((await fetch(`${overlooked.gateway.url}/readyz`)).status).toBe(200)
  expect(await move('--stopped')).toMatchObject({ exitCode: 0 })
  overlooked.clock.advance(1)
  expect((await fetch(`${overlooked.gateway.url}/readyz`)).status).toBe(503)
  expect((await refresh(overlooked, tokens.refresh_token)).status).toBe(503)
})

/** `coatcheck move` in a process of its own. */
function startMove(from: string, to: string): ChildProcess {
  const args = ['--conditions=coatcheck-source', 'src/cli.ts', 'move', '--to', to]
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env.PATH, ...envOf(from) },
    stdio: 'ignore',
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

test('everything moves to PostgreSQL and back, whatever was killed on the way, and its tokens work on', async () => {
  const { tokens, tsid } = await signIn(world)
  await world.gateway.running().stop()
  const source = await rowsOf(sourceUrl())
  const url = await server.createDatabase()
  await killedHalfWay(url)
  await expect(serve(url)).rejects.toThrow('did not come to its end')
  await expect(on(url)('backup', file('half.gz'))).resolves.toMatchObject({ exitCode: 1 })

  const there = await on(sourceUrl())('move', '--to', url)
  expect(there).toMatchObject({ exitCode: 0, out: expect.stringContaining('the audit record fits') })
  const moved = await rowsOf(url)
  expectSame(moved, source)
  expect(moved.audit_events?.some((row) => row.includes('"database.moved"'))).toBe(true)
  await expect(serve(sourceUrl())).rejects.toThrow('was moved to another')

  const onPostgres = await serve(url)
  const used = await on(url)('move', '--to', liteUrl('back.db'))
  expect(used).toMatchObject({ exitCode: 1, err: expect.stringMatching(/in use \(coatcheck \S+:\d+: \d+\)/) })
  const counted = countsOf(await rowsOf(url))
  let second = tokens
  const archived = await archivedAround(url, async () => {
    second = await tokensOf(await refresh(onPostgres.world, tokens.refresh_token))
  })
  expect(archived.rows).toMatchObject(counted)
  expect((await retrieve(onPostgres.world, tsid)).status).toBe(200)
  await onPostgres.stop()

  const before = await rowsOf(url)
  expect(await on(url)('move', '--to', liteUrl('back.db'))).toMatchObject({ exitCode: 0 })
  expectSame(await rowsOf(liteUrl('back.db')), before)
  const back = await serve(liteUrl('back.db'), 'its own port')
  await tokensOf(await refresh(back.world, second.refresh_token))
  expect((await retrieve(back.world, tsid)).status).toBe(200)
  await back.stop()
  expect(await on(liteUrl('back.db'))('audit', 'verify')).toMatchObject({ exitCode: 0 })
})

/** The record has grown by what says where it came from. */
function expectSame(moved: Record<string, string[]>, source: Record<string, string[]>): void {
  const { audit_events: record = [], ...rest } = moved
  const { audit_events: before = [], ...others } = source
  expect(rest).toEqual(others)
  expect(record).toEqual(expect.arrayContaining(before))
  expect(record.length - before.length).toBe(3)
}

/** Kills a move when all tables are made in the target, and stand there to be filled. */
async function killedHalfWay(url: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  await client.query(`
    SELECT pg_advisory_lock(1);
    CREATE FUNCTION halt() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(1); END';
    CREATE EVENT TRIGGER halting ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION halt()`)
  const child = startMove(sourceUrl(), url)
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const waiting = `SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`
  await until(async () => child.exitCode !== null || (await client.query(waiting)).rows.length > 0)
  expect(child.exitCode).toBeNull()
  child.kill('SIGKILL')
  await ended
  await client.query('DROP EVENT TRIGGER halting; DROP FUNCTION halt; SELECT pg_advisory_unlock(1)')
  const { rows } = await client.query('SELECT tag FROM applied_migrations')
  expect(rows).toContainEqual({ tag: 'incomplete' })
  await client.end()
}
