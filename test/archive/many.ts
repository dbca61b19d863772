import { spawn } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import SqliteDatabase from 'better-sqlite3'
import { loadConfig } from '../../src/config/config.ts'
import { startGateway } from '../../src/main.ts'
import { createTestFile } from '../support/database.ts'
import { startPostgres } from '../support/postgres.ts'
import { refresh, retrieve, signIn, startWorld, type Tokens } from '../support/world.ts'

/*
 * Backup, restore, and a move to PostgreSQL and back, of as many sessions as are said: 100,000, unless. Three of them
 * are of people who signed in; they refresh and retrieve in the end. Prints how long each took, and ends with 1 where a
 * count differs or a token does not work.
 *   node --conditions=coatcheck-source test/archive/many.ts 100000
 */

const wanted = Number(process.argv[2] ?? 100_000)
const database = await createTestFile()
const world = await startWorld('github', { database })
const server = await startPostgres({ fsync: 'on' })
const file = (name: string) => join(database.folder, name)
const source = database.url
const envOf = (url: string) => ({
  COATCHECK_ISSUER: world.gateway.issuer,
  COATCHECK_PORT: new URL(world.gateway.issuer).port,
  COATCHECK_DATABASE_URL: url,
  COATCHECK_ALLOW_LOOPBACK_UPSTREAMS: 'true',
})

const people: { tokens: Tokens; tsid: string }[] = []
for (let each = 0; each < 3; each++) people.push(await signIn(world))
multiply(file('coatcheck.db'), wanted - people.length)
say(`${wanted} sessions`, `${(statSync(file('coatcheck.db')).size / 1e6).toFixed(0)} MB`)

const backup = run(source, 'backup', file('all.gz'))
const slowest = await slowestWhile(backup)
const { rows } = await backup
say('slowest of the retrievals meanwhile', `${slowest.toFixed(0)} ms`)
say('the backup', `${(statSync(file('all.gz')).size / 1e6).toFixed(0)} MB`)
await world.gateway.running().stop()

const restored = await run(await server.createDatabase(), 'restore', file('all.gz'))
same(rows, restored.rows)
const postgres = await server.createDatabase()
const there = await run(source, 'move', '--to', postgres)
const back = `sqlite:${file('back.db')}`
const again = await run(postgres, 'move', '--to', back)
same({ ...there.rows, audit_events: 0 }, { ...again.rows, audit_events: 0 })
say(
  'rows moved',
  Object.values(again.rows).reduce((sum, count) => sum + count, 0),
)

const secrets = {
  masterKeys: [{ id: 'test', key: world.gateway.masterKey }] as const,
  adminToken: world.gateway.adminToken,
}
const config = loadConfig(envOf(back), () => '')
const gateway = await startGateway(config, secrets, { clock: world.clock.now, log: { level: 'silent' } })
for (const { tokens, tsid } of people) {
  same((await refresh(world, tokens.refresh_token)).status, 200)
  same((await retrieve(world, tsid)).status, 200)
}
say('tokens', 'work')
await gateway.stop()
await world.upstream.stop()
await server.stop()

function say(what: string, value: string | number): void {
  console.log(`${what.padEnd(40)} ${value}`)
}

function same(found: unknown, expected: unknown): void {
  if (JSON.stringify(found) === JSON.stringify(expected)) return
  throw new Error(`${JSON.stringify(found)} is not ${JSON.stringify(expected)}`)
}

type Answer = { rows: Record<string, number> }

/** One command in a process of its own, with how long it took and the most memory it had. */
async function run(url: string, ...args: string[]): Promise<Answer> {
  const startedAt = performance.now()
  const key = Buffer.from(world.gateway.masterKey).toString('base64')
  const env = { PATH: process.env.PATH, ...envOf(url), COATCHECK_MASTER_KEYS: `test:${key}` }
  const command = ['--conditions=coatcheck-source', 'src/cli.ts', ...args, '--json']
  const child = spawn(process.execPath, command, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  let out = ''
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  let peak = ''
  const look = setInterval(() => {
    try {
      peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? peak
    } catch {
      // It has ended, or the system has no such file.
    }
  }, 100)
  const code = await new Promise((resolve) => child.once('close', resolve))
  clearInterval(look)
  same(code, 0)
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  say(`${args[0]}, on ${url.split(':')[0]}`, `${seconds} s, ${Math.round(Number(peak) / 1024)} MB of memory`)
  return JSON.parse(out) as Answer
}

async function slowestWhile(work: Promise<unknown>): Promise<number> {
  let isDone = false
  void work.finally(() => {
    isDone = true
  })
  let slowest = 0
  while (!isDone) {
    const startedAt = performance.now()
    same((await retrieve(world, people[0]?.tsid ?? '')).status, 200)
    slowest = Math.max(slowest, performance.now() - startedAt)
  }
  return slowest
}

/** Copies of one session and all that belongs to it, of as many people. */
function multiply(path: string, count: number): void {
  const connection = new SqliteDatabase(path, { timeout: 10_000 })
  const own: Record<string, string[]> = {
    subjects: ['id'],
    identities: ['upstream_subject', 'subject_id'],
    connections: ['id', 'subject_id', 'upstream_subject', 'account_id'],
    consents: ['subject_id'],
    grants: ['id', 'tsid', 'subject_id'],
    grant_connections: ['grant_id', 'connection_id'],
    refresh_tokens: ['token_hash', 'grant_id', 'successor_hash'],
  }
  connection.pragma('foreign_keys = OFF')
  connection.transaction(() => {
    for (const [table, changed] of Object.entries(own)) {
      const names = connection.prepare(`SELECT name FROM pragma_table_info(?)`).pluck().all(table) as string[]
      const values = names.map((name) => {
        if (changed.includes(name)) return `t.${name} || '-' || n`
        // As long as it may be, and no easier to pack than what is sealed.
        return name === 'sealed_access_token' ? 'hex(randomblob(1000))' : `t.${name}`
      })
      connection
        .prepare(
          `WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
          INSERT INTO ${table} (${names.join(', ')})
          SELECT ${values.join(', ')} FROM numbers, (SELECT * FROM ${table} ORDER BY rowid LIMIT 1) t`,
        )
        .run(count)
    }
  })()
  connection.close()
}
