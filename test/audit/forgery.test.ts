import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import SqliteDatabase, { type Database as Connection } from 'better-sqlite3'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { auditEvent } from '../../src/audit/event.ts'
import { type SignedHeads, signedHeads } from '../../src/audit/heads.ts'
import { dropOldEvents } from '../../src/audit/retention.ts'
import { verifyRecord } from '../../src/audit/verify.ts'
import { openDatabase } from '../../src/storage/database.ts'
import { createStore } from '../../src/storage/store.ts'

const day = 86_400
const key = randomBytes(32)
const folder = mkdtempSync(join(tmpdir(), 'coatcheck-forgery-'))
const file = join(folder, 'record.db')
let heads: SignedHeads
let written: Buffer

/**
 * Three processes, one after the other and two of them side by side; the first has a chain that retention took whole,
 * the second one that it shortened around a checkpoint.
 */
beforeAll(async () => {
  let now = 20_000 * day
  const clock = () => now
  const processes = await Promise.all([open(), open(), open()])
  const [first, second, third] = processes
  const write = async ({ store }: Process, count: number) => {
    for (let index = 0; index < count; index++) {
      const facts = { event: 'token.issued', actor: 'gateway', detail: { index, list: [1, 'a'] } } as const
      await store.auditEvents.create(auditEvent(now, { ...facts, subjectId: 'sub_ada', tsid: `ts_${index}` }))
    }
  }
  const checkpoint = async ({ store }: Process) => {
    const { heads } = await signedHeads(store, key, now)
    const facts = { event: 'audit.checkpoint', actor: 'gateway', detail: { heads } } as const
    await store.auditEvents.create(auditEvent(now, facts))
  }
  await write(first, 4)
  await write(second, 3)
  await checkpoint(second)
  now += 20 * day
  await write(second, 3)
  await checkpoint(second)
  now += 15 * day
  await write(third, 5)
  await write(second, 2)
  const parts = { store: second.store, key, clock }
  expect(await dropOldEvents(parts, { retention: 30 * day, rows: 1_000 })).toEqual({ rows: 10, broken: [] })
  await checkpoint(third)
  heads = await signedHeads(third.store, key, now)
  for (const { database } of processes) await database.close()
  const connection = new SqliteDatabase(file)
  connection.pragma('journal_mode = DELETE')
  written = connection.serialize()
  connection.close()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

type Process = Awaited<ReturnType<typeof open>>

async function open(path = file) {
  const database = await openDatabase(`sqlite:${path}`)
  database.chains.keep({ key, heads: [] })
  return { database, store: createStore(database.db, database.tables, database.batch) }
}

const events = 'SELECT * FROM audit_events ORDER BY chain, seq, id'
const cuts = 'SELECT * FROM audit_cuts ORDER BY chain'
const contentOf = (connection: Connection) =>
  JSON.stringify([connection.prepare(events).all(), connection.prepare(cuts).all()])

/** The verdict on the record after somebody had the database to themselves, and whether anything is different. */
async function judge(tamper: (connection: Connection) => void) {
  const connection = new SqliteDatabase(written)
  const before = contentOf(connection)
  tamper(connection)
  const isChanged = contentOf(connection) !== before
  const copy = join(folder, 'copy.db')
  writeFileSync(copy, connection.serialize())
  connection.close()
  const { database, store } = await open(copy)
  const alone = await verifyRecord({ store, key })
  const { faults } = await verifyRecord({ store, key }, heads)
  await database.close()
  return { isChanged, alone, faults }
}

/** `at` picks a row by its place in the order of chains; more than there are begin anew. */
const row = (at: string) =>
  `(SELECT rowid FROM audit_events ORDER BY chain, seq, id LIMIT 1 OFFSET ${at} % max(1, (SELECT count(*) FROM audit_events)))`
const chain = (at: string) =>
  `(SELECT chain FROM (SELECT chain FROM audit_events UNION SELECT chain FROM audit_cuts) ORDER BY chain LIMIT 1 OFFSET ${at} % 3)`
const copied = (columns: Record<string, string>) => {
  const all = [
    'id',
    'at',
    'event',
    'actor',
    'outcome',
    'subject_id',
    'client_id',
    'resource_id',
    'provider',
    'tsid_hash',
    'detail',
    'chain',
    'seq',
    'mac',
  ]
  const values = all.map((column) => columns[column] ?? column)
  return `INSERT OR IGNORE INTO audit_events (${all}) SELECT ${values} FROM audit_events WHERE rowid = ${row('@a')}`
}
const end = `(SELECT max(seq) + 1 FROM audit_events WHERE chain = ${chain('@b')})`

/** What somebody may do who can write to the database; `@a` and `@b` are drawn. */
const tamperings: Record<string, string> = {
  ...Object.fromEntries(
    [
      ['id', `id || 'x'`],
      ['at', 'at + 1'],
      ['event', `'client.deleted'`],
      ['actor', `'admin:eve'`],
      ['outcome', `'no'`],
      ['subject_id', `'sub_eve'`],
      ['subject_id to nothing', 'NULL'],
      ['client_id', `'x'`],
      ['resource_id', `'x'`],
      ['provider', `'x'`],
      ['tsid_hash', `'x'`],
      ['detail', `json_set(detail, '$.index', 99)`],
      ['detail to other detail', `(SELECT detail FROM audit_events WHERE rowid = ${row('@b')})`],
      ['mac', `'x'`],
      ['mac to another', `(SELECT mac FROM audit_events WHERE rowid = ${row('@b')})`],
      ['chain', `'chain_eve'`],
      ['chain to no name at all', `''`],
      ['chain to another', chain('@b')],
      ['seq to half', 'seq + 0.5'],
      ['seq to words', `'last'`],
      ['seq to before the first', '0 - @b'],
    ].map(([what = '', value]) => [
      `edit ${what}`,
      `UPDATE OR IGNORE audit_events SET ${what.split(' ')[0]} = ${value} WHERE rowid = ${row('@a')}`,
    ]),
  ),
  'remove a row': `DELETE FROM audit_events WHERE rowid = ${row('@a')}`,
  'remove a chain': `DELETE FROM audit_events WHERE chain = ${chain('@a')}`,
  'remove all that is older': `DELETE FROM audit_events WHERE chain = ${chain('@a')} AND seq <= @b % 12`,
  'cut a tail': `DELETE FROM audit_events WHERE chain = ${chain('@a')} AND seq >= @b % 12`,
  'remove everything': 'DELETE FROM audit_events',
  'rename a chain': `UPDATE OR IGNORE audit_events SET chain = 'chain_eve' WHERE chain = ${chain('@a')}`,
  'copy a row to the end of a chain': copied({ id: `id || '@b'`, chain: chain('@b'), seq: end }),
  'copy a row to before the first': copied({ id: `id || '@b'`, seq: '0 - @b' }),
  'copy a row to a chain without a name': copied({ id: `id || '@b'`, chain: `''` }),
  'copy a row to a new chain': copied({ id: `id || '@b'`, chain: `'chain_eve'`, seq: '1' }),
  'exchange two rows': `UPDATE OR IGNORE audit_events SET seq = seq + 1000 WHERE rowid = ${row('@a')};
    UPDATE OR IGNORE audit_events SET seq = seq - 999 WHERE seq = (SELECT seq - 1001 FROM audit_events WHERE seq > 999)
      AND chain = (SELECT chain FROM audit_events WHERE seq > 999);
    UPDATE OR IGNORE audit_events SET seq = seq - 1001 WHERE seq > 999`,
  'close the gap behind a row': `UPDATE OR IGNORE audit_events SET seq = seq - 1 WHERE chain = ${chain('@a')} AND seq > @b % 12`,
  'forget a cut': `DELETE FROM audit_cuts WHERE chain = ${chain('@a')}`,
  'move a cut on': `UPDATE audit_cuts SET seq = seq + 1 + @b % 3 WHERE chain = ${chain('@a')}`,
  'put a cut back': 'UPDATE audit_cuts SET seq = seq - 1',
  'date a cut back': 'UPDATE audit_cuts SET at = at - 1',
  'give a cut to another chain': `UPDATE OR IGNORE audit_cuts SET chain = ${chain('@b')} WHERE chain = ${chain('@a')}`,
  'forge a cut': `INSERT OR REPLACE INTO audit_cuts SELECT chain, seq, mac, at,
      coalesce((SELECT proof FROM audit_cuts LIMIT 1), 'made up') FROM audit_events WHERE rowid = ${row('@a')};
    DELETE FROM audit_events WHERE EXISTS (SELECT 1 FROM audit_cuts WHERE audit_cuts.chain = audit_events.chain
      AND audit_cuts.seq >= audit_events.seq)`,
  'forge a checkpoint': `UPDATE audit_events SET detail = '{"heads":[]}' WHERE event = 'audit.checkpoint'`,
  'write a checkpoint': `INSERT OR IGNORE INTO audit_events (id, at, event, actor, outcome, detail, chain, seq, mac)
    SELECT 'z@b', at, 'audit.checkpoint', 'gateway', 'ok', '{"heads":[]}', ${chain('@b')}, ${end}, mac
    FROM audit_events WHERE rowid = ${row('@a')} AND ${end} IS NOT NULL`,
}

const step = fc.record({
  what: fc.constantFrom(...Object.keys(tamperings)),
  a: fc.nat({ max: 40 }),
  b: fc.nat({ max: 40 }),
})
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never

function carryOut(connection: Connection, { what, a, b }: Step) {
  const sql = tamperings[what] ?? ''
  connection.exec(sql.replaceAll('@a', String(a)).replaceAll('@b', String(b)))
}

test('a record that nobody touched is whole', async () => {
  const { isChanged, alone, faults } = await judge(() => {})
  expect({ isChanged, alone, faults }).toEqual({
    isChanged: false,
    alone: { chains: 3, rows: 15, faults: [] },
    faults: [],
  })
})

test('whatever is done to the record shows against heads that were kept', async () => {
  const property = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 4 }), async (steps) => {
    const { isChanged, faults } = await judge((connection) => {
      for (const each of steps) carryOut(connection, each)
    })
    expect(faults.length > 0).toBe(isChanged)
  })
  await fc.assert(property, { numRuns: 300 })
}, 60_000)

/** The ends of chains, and whole chains, are what only heads that were kept, or a later row, can vouch for. */
const removesAnEnd = /remove|cut a tail|chain|seq|cut|exchange|gap/

test('and without any heads, whatever is changed and not taken from an end', async () => {
  const others = Object.keys(tamperings).filter((what) => !removesAnEnd.test(what))
  const property = fc.asyncProperty(step, fc.constantFrom(...others), async (drawn, what) => {
    const { isChanged, alone } = await judge((connection) => carryOut(connection, { ...drawn, what }))
    expect(alone.faults.length > 0).toBe(isChanged)
  })
  await fc.assert(property, { numRuns: 100 })
}, 30_000)
