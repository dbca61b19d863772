import { randomBytes } from 'node:crypto'
import { eq } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createCheckpoints } from '../../src/audit/chains.ts'
import { auditEvent } from '../../src/audit/event.ts'
import { recentHeads, signedHeads } from '../../src/audit/heads.ts'
import { createRetention, dropOldEvents } from '../../src/audit/retention.ts'
import { verifyRecord } from '../../src/audit/verify.ts'
import { recordEvent } from '../../src/storage/audit-events.ts'
import { type Database, openDatabase } from '../../src/storage/database.ts'
import { createStore } from '../../src/storage/store.ts'
import type { Backend } from './contract.ts'
import { client } from './rows.ts'

const day = 86_400
const start = 20_000 * day

/** The record as it is written, shortened and verified, whichever database is below. */
export function auditContract(name: string, backend: Backend) {
  describe(`${name}: the audit record`, () => {
    const key = randomBytes(32)
    let url: string
    let now: number
    let opened: Database[]
    beforeEach(async () => {
      url = await backend.newUrl()
      now = start
      opened = []
    })
    afterEach(async () => {
      for (const each of opened) await each.close()
    })

    async function open() {
      const database = await openDatabase(url)
      opened.push(database)
      const { db, tables, batch, chains } = database
      const store = createStore(db, tables, batch)
      chains.keep({ key, heads: await recentHeads(store, key) })
      const parts = { store, key, clock: () => now }
      const write = async (count = 1) => {
        for (let index = 0; index < count; index++) await store.auditEvents.create(event())
      }
      const writeCheckpoint = createCheckpoints(parts, async () => key)
      return { database, store, parts, write, writeCheckpoint, verify: () => verifyRecord(parts) }
    }

    const event = () => auditEvent(now, { event: 'token.issued', actor: 'gateway', detail: { z: 1, a: [2] } })
    const run = async (sql: string) => void (await backend.run(url, sql))

    test('what is rolled back, refused or written side by side leaves no gap', async () => {
      const { database, verify } = await open()
      const { batch, tables } = database
      const { clients } = tables
      await database.db.insert(clients).values(client('editor')).returning()
      const changes = Array.from({ length: 120 }, (_, index) => async () => {
        const written = event()
        const said = auditEvent(now, { event: 'client.changed', actor: `client:${index}` })
        return await batch((queries) => ({
          // Every third has no row to guard, every fifth breaks after its audit row.
          guard: queries
            .update(clients)
            .set({ lastUsedAt: index })
            .where(eq(clients.id, index % 3 === 0 ? 'nobody' : 'editor'))
            .returning(),
          writes: [
            recordEvent(queries, tables, written),
            ...(index % 5 === 0 ? [recordEvent(queries, tables, { ...said, id: written.id })] : []),
          ],
        }))
      })
      const outcomes = await Promise.allSettled(changes.map((change) => change()))
      const failed = outcomes.filter(({ status }) => status === 'rejected').length
      expect(failed).toBe(changes.filter((_, index) => index % 3 !== 0 && index % 5 === 0).length)
      const verdict = await verify()
      expect(verdict.faults).toEqual([])
      const events = changes.filter((_, index) => index % 3 !== 0 && index % 5 !== 0).length
      expect(verdict.rows).toBe(events + verdict.chains)
      // The pool, and on SQLite the one transaction at a time, bound how many there are.
      expect(verdict.chains).toBeLessThanOrEqual(name === 'SQLite' ? 1 : 10)
    })

    test('two processes write chains of their own, and each names those it found', async () => {
      const one = await open()
      await one.write(3)
      const two = await open()
      await Promise.all([one.write(5), two.write(5)])
      expect(await one.verify()).toEqual({ chains: 2, rows: 15, faults: [] })
      const before = await one.store.auditEvents.list({ event: 'audit.chain_started' }, { limit: 10 })
      expect(before.rows.map(({ detail }) => (detail.heads as unknown[]).length).sort()).toEqual([0, 1])
      const named = before.rows.flatMap(({ detail }) => detail.heads as { chain: string; seq: number }[])[0]
      expect(named?.seq).toBe(4)
      await run(`DELETE FROM audit_events WHERE chain = '${named?.chain}'`)
      expect((await one.verify()).faults).toMatchObject([{ chain: named?.chain, kind: 'cut off' }])
    })

    test('a checkpoint is written once after something happened, and shows a tail that was cut', async () => {
      const one = await open()
      await one.write(4)
      const two = await open()
      await two.write()
      await two.writeCheckpoint()
      await two.writeCheckpoint()
      const { rows } = await one.store.auditEvents.list({ event: 'audit.checkpoint' }, { limit: 10 })
      expect(rows).toHaveLength(1)
      const heads = rows[0]?.detail.heads as { chain: string; seq: number }[]
      const ended = heads.find(({ seq }) => seq === 5)?.chain
      await run(`DELETE FROM audit_events WHERE chain = '${ended}' AND seq = 5`)
      expect((await one.verify()).faults).toMatchObject([{ chain: ended, seq: 5, kind: 'cut off' }])
      await expect(two.writeCheckpoint()).rejects.toThrow(`the audit record was cut, in ${ended}`)
    })

    test('a checkpoint names what has grown since the one before, and two idle processes come to rest', async () => {
      const [one, two] = [await open(), await open()]
      await one.write(2)
      await two.write(2)
      for (let hour = 0; hour < 4; hour++) {
        await one.writeCheckpoint()
        await two.writeCheckpoint()
      }
      const checkpoints = async () =>
        (await one.store.auditEvents.list({ event: 'audit.checkpoint' }, { limit: 10 })).rows
      expect(await checkpoints()).toHaveLength(2)
      await two.write()
      await one.writeCheckpoint()
      const [youngest] = await checkpoints()
      const ofTwo = (await two.store.auditChains.rows((await checkpoints())[1]?.chain ?? '', 0, 9)).at(-1)
      // Its own checkpoint is news to nobody, and named all the same.
      expect(youngest?.detail.heads).toContainEqual({ chain: ofTwo?.chain, seq: ofTwo?.seq, mac: ofTwo?.mac })
      expect(await one.verify()).toMatchObject({ faults: [] })
    })

    test.each([
      ['one row that says it is the youngest checkpoint', 1],
      ['more rows than are looked at', 700],
    ])('%s keeps no checkpoint from naming the ends of other chains', async (_, rows) => {
      const one = await open()
      await one.write(4)
      const two = await open()
      await two.write()
      const putIn = Array.from({ length: rows }, (_, index) => {
        const place = `'chain_eve', ${index + 1}, 'x'`
        return `('z${index}', ${now}, 'audit.checkpoint', 'gateway', 'ok', '{}', ${place})`
      })
      await run(`INSERT INTO audit_events (id, at, event, actor, outcome, detail, chain, seq, mac)
        VALUES ${putIn.join()}`)
      await two.writeCheckpoint()
      await run(`DELETE FROM audit_events WHERE chain = 'chain_eve'`)
      expect(await one.verify()).toMatchObject({ chains: 2, faults: [] })
      const [first] = (await one.store.auditEvents.list({}, { limit: 20 })).rows.toReversed()
      await run(`DELETE FROM audit_events WHERE chain = '${first?.chain}' AND seq = 5`)
      expect((await one.verify()).faults).toMatchObject([{ seq: 5, kind: 'cut off' }])
    })

    test('a clock that was ahead for an hour stops no checkpoint', async () => {
      const one = await open()
      now += 400 * day
      await one.write()
      await one.writeCheckpoint()
      now -= 400 * day
      await one.write()
      await one.writeCheckpoint()
      expect(
        (await one.store.auditEvents.list({ event: 'audit.checkpoint' }, { limit: 9 })).rows,
      ).toHaveLength(2)
      expect((await one.verify()).faults).toEqual([])
    })

    test('retention takes whole days from the beginning of a chain, and what is left verifies', async () => {
      const one = await open()
      await one.write(3)
      now += 10 * day
      const two = await open()
      await Promise.all([one.write(2), two.write(2)])
      const heads = await signedHeads(one.store, key, now)
      now += 25 * day + 3_600
      expect(await dropOldEvents(one.parts, { retention: 40 * day, rows: 100 })).toEqual({
        rows: 0,
        broken: [],
      })
      expect(await dropOldEvents(one.parts, { retention: 30 * day, rows: 100 })).toEqual({
        rows: 4,
        broken: [],
      })
      const verdict = await verifyRecord(one.parts, heads)
      expect(verdict).toMatchObject({ chains: 2, faults: [] })
      now += 100 * day
      const { rows } = await dropOldEvents(one.parts, { retention: 30 * day, rows: 100 })
      expect(rows).toBe(verdict.rows)
      expect((await verifyRecord(one.parts, heads)).faults).toEqual([])
      await run(`UPDATE audit_cuts SET seq = seq + 1`)
      expect((await one.verify()).faults.map(({ kind }) => kind)).toEqual(['forged cut', 'forged cut'])
    })

    test('a clock that is ahead for less than an hour takes nothing from the record', async () => {
      const one = await open()
      await one.write(3)
      const shorten = createRetention(one.parts, async () => key)
      const taken = async (runs: number) => {
        let rows = 0
        for (let run = 0; run < runs; run++) rows += (await shorten({ retention: 30 * day, rows: 100 })).rows
        return rows
      }
      expect(await taken(20)).toBe(0)
      now += 400 * day
      expect(await taken(12)).toBe(0)
      now -= 400 * day
      expect(await taken(13)).toBe(0)
      now += 400 * day
      expect(await taken(13)).toBe(4)
    })

    test('retention takes nothing that was made to look old', async () => {
      const one = await open()
      await one.write(3)
      const { rows } = await one.store.auditEvents.list({}, { limit: 10 })
      await run(`UPDATE audit_events SET at = 1, id = '0000000${'0'.repeat(20)}' || seq`)
      const { broken } = await dropOldEvents(one.parts, { retention: 30 * day, rows: 100 })
      expect(broken).toEqual([rows[0]?.chain])
      expect((await one.store.auditEvents.list({}, { limit: 10 })).rows).toHaveLength(4)
    })

    test('a row that was put in where nobody walks shows, and retention does not tidy it away', async () => {
      const one = await open()
      await one.write(3)
      const columns = 'at, event, actor, outcome, detail, mac'
      const putIn = async (id: string, chain: string, seq: number) =>
        await run(`INSERT INTO audit_events (id, chain, seq, ${columns})
          SELECT '${id}', ${chain}, ${seq}, ${columns} FROM audit_events WHERE seq = 2`)
      await putIn('00', 'chain', 0)
      now += 100 * day
      expect((await one.verify()).faults).toMatchObject([{ kind: 'put in', seq: 0, id: '00' }])
      expect(await dropOldEvents(one.parts, { retention: 30 * day, rows: 100 })).toMatchObject({
        rows: 0,
        broken: [expect.any(String)],
      })
      await run(`DELETE FROM audit_events WHERE seq = 0`)
      await putIn('01', `''`, 1)
      expect((await one.verify()).faults).toMatchObject([{ chain: '', kind: 'altered', id: '01' }])
    })

    test('a place that somebody else took costs one write, and not the gateway', async () => {
      const one = await open()
      await one.write(2)
      const columns = 'at, event, actor, outcome, detail, mac'
      await run(`INSERT INTO audit_events (id, chain, seq, ${columns})
        SELECT 'z', chain, 4, ${columns} FROM audit_events WHERE seq = 3`)
      await expect(one.write()).rejects.toThrow()
      await one.write(2)
      const { chains, faults } = await one.verify()
      expect(chains).toBe(2)
      expect(faults).toMatchObject([{ kind: 'altered', seq: 4, id: 'z' }])
    })

    test('a long chain is read in pages', async () => {
      const one = await open()
      for (let written = 0; written < 2_100; written += 300) {
        await Promise.all(Array.from({ length: 300 }, () => one.store.auditEvents.create(event())))
      }
      const verdict = await one.verify()
      expect(verdict).toMatchObject({ rows: 2_100 + verdict.chains, faults: [] })
    })
  })
}
