import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type ChildGateway, startChildGateway } from '../support/child-gateway.ts'
import { coatcheck, coatcheckAt } from '../support/cli.ts'
import type { TestDatabase } from '../support/database.ts'

let gateway: ChildGateway
let heads: string
/** The database as it was when the gateway was killed once more. */
let evidence: TestDatabase

const envOf = ({ url }: TestDatabase) => ({
  COATCHECK_ISSUER: gateway.issuer,
  COATCHECK_DATABASE_URL: url,
  COATCHECK_MASTER_KEYS: `test:${Buffer.from(gateway.masterKey).toString('base64')}`,
  COATCHECK_ALLOW_LOOPBACK_UPSTREAMS: 'true',
})

const client = (name: string) => ({ client_name: name, redirect_uris: ['https://app.test/callback'] })

async function verify(database: TestDatabase, ...options: string[]) {
  const outcome = await coatcheck(['audit', 'verify', '--json', ...options], {
    env: envOf(database),
    files: { 'heads.json': heads },
  })
  return { exitCode: outcome.exitCode, ...JSON.parse(outcome.out ?? '{}') }
}

beforeAll(async () => {
  gateway = await startChildGateway()
  for (const name of ['One', 'Two', 'Three']) await gateway.admin('POST', '/clients', client(name))
  await gateway.crash()
  for (const name of ['Four', 'Five']) await gateway.admin('POST', '/clients', client(name))
  heads = (await coatcheckAt(gateway)(['audit', 'heads'])).out ?? ''
  // While it runs, and writes on.
  const [verdict] = await Promise.all([
    verify(gateway.database, '--heads', 'heads.json'),
    gateway.admin('POST', '/clients', client('Six')),
  ])
  expect(verdict).toMatchObject({ exitCode: 0, ok: true, chains: 2 })
  await gateway.crash(async () => {
    evidence = await gateway.database.copy()
  })
})
afterAll(async () => {
  await gateway.stop()
  await evidence.remove()
})

/** A copy of the database, changed as its owner could, for as long as the test lasts. */
async function tampered(sql: string): Promise<TestDatabase> {
  const database = await evidence.copy()
  onTestFinished(database.remove)
  await database.run(sql)
  return database
}

const victim = `(SELECT id FROM audit_events WHERE event = 'client.registered' ORDER BY id LIMIT 1 OFFSET 1)`
const first = `(SELECT chain FROM audit_events ORDER BY id LIMIT 1)`
const last = `(SELECT chain FROM audit_events ORDER BY id DESC LIMIT 1)`

test('a record that nobody touched is whole after a crash, against the heads as well', async () => {
  expect(await verify(await tampered(''), '--heads', 'heads.json')).toMatchObject({ exitCode: 0, faults: [] })
})

test.each([
  ['id', `id = '0' || id`],
  ['at', 'at = at - 1'],
  ['event', `event = 'client.deleted'`],
  ['actor', `actor = 'admin:eve'`],
  ['outcome', `outcome = 'no'`],
  ['subject_id', `subject_id = 'sub_x'`],
  ['client_id', `client_id = 'x'`],
  ['resource_id', `resource_id = 'x'`],
  ['provider', `provider = 'x'`],
  ['tsid_hash', `tsid_hash = 'x'`],
  ['detail', `detail = '{"x":1}'`],
  ['mac', `mac = 'x'`],
])('an edit of %s shows at its row', async (_, change) => {
  const verdict = await verify(await tampered(`UPDATE audit_events SET ${change} WHERE id = ${victim}`))
  expect(verdict).toMatchObject({ exitCode: 1, faults: [{ kind: 'altered', seq: expect.any(Number) }] })
})

test.each([
  ['removed in the middle', `DELETE FROM audit_events WHERE id = ${victim}`, 'missing'],
  ['removed at the beginning', `DELETE FROM audit_events WHERE chain = ${last} AND seq = 1`, 'missing'],
  ['moved to another chain', `UPDATE audit_events SET chain = 'chain_x' WHERE id = ${victim}`, 'missing'],
  [
    'exchanged with the one before',
    `UPDATE audit_events SET seq = -seq WHERE chain = ${first} AND seq IN (2, 3);
     UPDATE audit_events SET seq = CASE seq WHEN -2 THEN 3 ELSE 2 END WHERE seq < 0`,
    'altered',
  ],
  [
    'copied to the end',
    `INSERT INTO audit_events SELECT id || 'x', at, event, actor, outcome, subject_id, client_id, resource_id,
       provider, tsid_hash, detail, chain, (SELECT max(seq) + 1 FROM audit_events WHERE chain = ${last}), mac
     FROM audit_events WHERE id = ${victim}`,
    'altered',
  ],
  ['of a chain all of whose rows are removed', `DELETE FROM audit_events WHERE chain = ${first}`, 'cut off'],
])('a row %s shows', async (_, sql, kind) => {
  const { exitCode, faults } = await verify(await tampered(sql))
  expect({ exitCode, kinds: faults.map((fault: { kind: string }) => fault.kind) }).toMatchObject({
    exitCode: 1,
    kinds: expect.arrayContaining([kind]),
  })
})

test('a cut end shows against heads that were kept, and only then', async () => {
  const { heads: kept } = JSON.parse(heads)
  const chain = kept.find(({ seq }: { seq: number }) => seq > 1)
  const cut = await tampered(
    `DELETE FROM audit_events WHERE chain = ${last} AND seq > 1 AND '${chain.chain}' <> ''`,
  )
  expect(await verify(cut)).toMatchObject({ exitCode: 0 })
  expect(await verify(cut, '--heads', 'heads.json')).toMatchObject({
    exitCode: 1,
    faults: [{ kind: 'cut off' }],
  })
  const emptied = await tampered('DELETE FROM audit_events')
  expect((await verify(emptied, '--heads', 'heads.json')).faults).toHaveLength(kept.length)
})

test('heads that were changed, and another master key, are refused', async () => {
  const other = heads
  heads = heads.replace(/"seq": (\d+)/, '"seq": 1$1')
  const forged = await verify(evidence, '--heads', 'heads.json')
  heads = other
  expect(forged).toMatchObject({ exitCode: 1, faults: [{ kind: 'forged heads' }] })
  const env = { ...envOf(evidence), COATCHECK_MASTER_KEYS: `test:${Buffer.alloc(32, 1).toString('base64')}` }
  expect(await coatcheck(['audit', 'verify'], { env })).toMatchObject({ exitCode: 1 })
})

test('the export is every row in order, and the heads they lead to', async () => {
  const { out = '' } = await coatcheck(['audit', 'export', '--offline'], { env: envOf(evidence) })
  const [signed, ...rows] = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const { heads: told } = signed.heads
  expect(told).toHaveLength(2)
  for (const { chain, seq, mac } of told) {
    const own = rows.filter((row) => row.chain === chain)
    expect(own.map((row) => row.seq)).toEqual(Array.from({ length: seq }, (_, index) => index + 1))
    expect(own.at(-1).mac).toBe(mac)
  }
  expect(rows.filter(({ event }) => event === 'client.registered')).toHaveLength(6)
})
