import { and, asc, count, eq, isNull } from 'drizzle-orm'
import { afterAll, beforeAll, beforeEach, describe, expect, expectTypeOf, test } from 'vitest'
import { auditEvent } from '../../src/audit/event.ts'
import { type Database, type DatabaseOptions, openDatabase } from '../../src/storage/database.ts'
import { WrongMasterKey } from '../../src/storage/key-check.ts'
import { readMigrations, SchemaMismatchError } from '../../src/storage/migrations.ts'
import { inColumns, prepared, type Slots } from '../../src/storage/prepared.ts'
import type { Tables } from '../../src/storage/schema.ts'
import { createStore } from '../../src/storage/store.ts'
import { StorageUnavailableError } from '../../src/storage/unavailable.ts'
import { client, code, grant, interaction, refreshToken, resource, subject } from './rows.ts'

export type Backend = {
  /** The URL of a database nobody has opened yet, with its schema or without. */
  newUrl(): Promise<string>
  /** The URL of one that has no schema yet. */
  emptyUrl(): Promise<string>
  /** Runs a statement behind the gateway's back. */
  run(url: string, sql: string): Promise<unknown>
}

/** What every part of the gateway may rely on, whichever database is below. */
export function storageContract(name: string, backend: Backend) {
  const open = async (options?: DatabaseOptions) => openDatabase(await backend.newUrl(), options)

  describe(`${name}: the storage contract`, () => {
    let database: Database
    let names = 0
    /** A name no other test has used, since the tests of this block share one database. */
    const unique = (prefix: string) => `${prefix}_${++names}`

    beforeAll(async () => {
      database = await open()
      const { db, tables } = database
      await db.insert(tables.subjects).values(subject('ada')).returning()
      await db.insert(tables.clients).values(client('editor')).returning()
    })
    afterAll(() => database.close())

    async function recorded(subjectId: string) {
      const { db, tables, batch } = database
      const { rows } = await createStore(db, tables, batch).auditEvents.list({ subjectId }, { limit: 9 })
      return rows.map(({ event }) => event)
    }

    async function newGrant() {
      const { db, tables } = database
      const [row] = await db
        .insert(tables.grants)
        .values(grant(unique('grant')))
        .returning()
      if (!row) throw new Error('no grant')
      return row
    }

    async function newCode() {
      const { db, tables } = database
      const { id: grantId } = await newGrant()
      const [row] = await db
        .insert(tables.codes)
        .values(code(unique('code'), { grantId }))
        .returning()
      if (!row) throw new Error('no code')
      return row
    }

    test('members of what is kept as JSON come back in the order they went in', async () => {
      const { db, tables } = database
      const connected = { 'notes.read': 'longer, and first', a: 'shorter', z: 'last' }
      const [row] = await db
        .insert(tables.interactions)
        .values(interaction(unique('interaction'), { connected }))
        .returning()
      expect(Object.keys(row?.connected ?? {})).toEqual(['notes.read', 'a', 'z'])
    })

    test('columns of every type come back as they went in', async () => {
      const { db, tables } = database
      const sent = client(unique('client'), {
        secretHash: 'quotes \' " ` and \\, \n, naïve, 漢字, 🧥',
        metadata: {
          redirect_uris: ['https://example.com/?a=b&c="d"'],
          token_endpoint_auth_method: 'none',
          grant_types: [],
          response_types: ['code'],
          client_name: 'naïve 漢字 🧥 \\u0041',
        },
        trusted: true,
        enabled: false,
        createdAt: Number.MAX_SAFE_INTEGER,
        lastUsedAt: -1,
        expiresAt: null,
      })
      expect(await db.insert(tables.clients).values(sent).returning()).toEqual([sent])
      expect(await db.select().from(tables.clients).where(eq(tables.clients.id, sent.id))).toEqual([sent])
    })

    test('a JSON column that is null comes back as null', async () => {
      const { db, tables } = database
      const id = unique('client')
      await db
        .insert(tables.clients)
        .values(client(id, { lastUsedAt: 5 }))
        .returning()
      const [changed] = await db
        .update(tables.clients)
        .set({ lastUsedAt: null, secretHash: null })
        .where(eq(tables.clients.id, id))
        .returning()
      expect(changed).toMatchObject({ lastUsedAt: null, secretHash: null })
    })

    test('a count is a number', async () => {
      const { db, tables } = database
      const [row] = await db.select({ count: count() }).from(tables.subjects)
      expect(row?.count).toBeTypeOf('number')
    })

    test('text is ordered by its bytes', async () => {
      const { db, tables } = database
      const prefix = unique('order')
      const ids = ['b', 'a', 'é', 'Z', '_', '-', '0', 'A', 'z'].map((letter) => `${prefix}${letter}`)
      await db
        .insert(tables.keyChecks)
        .values(ids.map((masterKeyId) => ({ masterKeyId, sealedCheck: prefix, createdAt: 0 })))
        .returning()
      const { masterKeyId, sealedCheck } = tables.keyChecks
      const rows = await db
        .select({ masterKeyId })
        .from(tables.keyChecks)
        .where(eq(sealedCheck, prefix))
        .orderBy(asc(masterKeyId))
      expect(rows.map((row) => row.masterKeyId.slice(prefix.length)).join('')).toBe('-0AZ_abzé')
    })

    test('of twenty that race to use a code, one succeeds', async () => {
      const { db, tables } = database
      const { codeHash } = await newCode()
      const use = (usedAt: number) =>
        db
          .update(tables.codes)
          .set({ usedAt })
          .where(and(eq(tables.codes.codeHash, codeHash), isNull(tables.codes.usedAt)))
          .returning()
      const answers = await Promise.all(Array.from({ length: 20 }, (_, racer) => use(racer)))
      const [winner, ...others] = answers.flat()
      expect(others).toEqual([])
      expect(await db.select().from(tables.codes).where(eq(tables.codes.codeHash, codeHash))).toEqual([
        winner,
      ])
    })

    test('of twenty batches that race to use a code, one writes', async () => {
      const { db, tables, batch } = database
      const { codeHash, grantId } = await newCode()
      const redeem = (racer: number) =>
        batch((queries) => ({
          guard: queries
            .update(tables.codes)
            .set({ usedAt: racer })
            .where(and(eq(tables.codes.codeHash, codeHash), isNull(tables.codes.usedAt)))
            .returning(),
          writes: [
            queries
              .insert(tables.refreshTokens)
              .values(refreshToken(`${codeHash}_${racer}`, { grantId }))
              .returning(),
          ],
        }))
      const answers = await Promise.all(Array.from({ length: 20 }, (_, racer) => redeem(racer)))
      const written = answers.flatMap((answer) => answer?.rows[0] ?? [])
      expect(written).toHaveLength(1)
      const kept = await db
        .select()
        .from(tables.refreshTokens)
        .where(eq(tables.refreshTokens.grantId, grantId))
      expect(kept).toEqual(written)
    })

    test('a batch answers the rows of its guard and of each of its writes', async () => {
      const { tables, batch } = database
      const { codeHash, grantId } = await newCode()
      const written = await batch((queries) => ({
        guard: queries
          .update(tables.codes)
          .set({ usedAt: 7 })
          .where(eq(tables.codes.codeHash, codeHash))
          .returning({ usedAt: tables.codes.usedAt }),
        writes: [
          queries
            .insert(tables.refreshTokens)
            .values(refreshToken(unique('token'), { grantId }))
            .returning(),
          queries.delete(tables.codes).where(eq(tables.codes.codeHash, 'no such code')).returning(),
          queries
            .update(tables.grants)
            .set({ scopes: ['read'], lastUsedAt: 7 })
            .where(eq(tables.grants.id, grantId))
            .returning({ scopes: tables.grants.scopes }),
        ],
      }))
      expect(written).toMatchObject({
        guard: [{ usedAt: 7 }],
        rows: [[{ grantId, usedAt: null }], [], [{ scopes: ['read'] }]],
      })
      if (!written) throw new Error('the guard found nothing')
      expectTypeOf(written.guard[0].usedAt).toEqualTypeOf<number | null>()
      expectTypeOf(written.rows[2][0]).toEqualTypeOf<{ scopes: string[] } | undefined>()
    })

    test('a prepared statement is built once per handle and run with each one’s values', async () => {
      const { db, tables } = database
      let built = 0
      const find = prepared((queries, of: Slots<{ id: string; lastSeenAt: number }>) => {
        built++
        const { subjects } = tables
        return queries
          .select()
          .from(subjects)
          .where(and(eq(subjects.id, of.id), eq(subjects.lastSeenAt, of.lastSeenAt)))
      })
      const ids = [unique('subject'), unique('subject')]
      await db.insert(tables.subjects).values(ids.map(subject)).returning()
      const found = await Promise.all(ids.map((id) => find(db, { id, lastSeenAt: 0 })))
      expectTypeOf(found[0]).toEqualTypeOf<Tables['subjects']['$inferSelect'][] | undefined>()
      expect(found).toEqual(ids.map((id) => [subject(id)]))
      expect(await find(db, { id: ids[0] ?? '', lastSeenAt: 1 })).toEqual([])
      expect(built).toBe(1)
    })

    test('a prepared insert stores every type, and null as null', async () => {
      const { db, tables } = database
      const { clients, interactions } = tables
      const addClient = prepared((queries, row: Slots<typeof clients.$inferSelect>) =>
        queries.insert(clients).values(inColumns(clients, row)).returning(),
      )
      const addInteraction = prepared((queries, row: Slots<typeof interactions.$inferSelect>) =>
        queries.insert(interactions).values(inColumns(interactions, row)).returning(),
      )
      const sent = client(unique('client'), {
        trusted: true,
        enabled: false,
        secretHash: null,
        lastUsedAt: 1,
      })
      expect(await addClient(db, sent)).toEqual([sent])
      const begun = interaction(unique('interaction'), { connected: { forge: 'c' } })
      expect(await addInteraction(db, begun)).toEqual([begun])
      const isBegun = and(
        eq(interactions.id, begun.id),
        isNull(interactions.consent),
        isNull(interactions.leg),
      )
      expect(await db.select().from(interactions).where(isBegun)).toEqual([begun])
    })

    test('prepared statements make a batch, and the same single use', async () => {
      const { db, tables, batch } = database
      const { codes, refreshTokens } = tables
      const { codeHash, grantId } = await newCode()
      const use = prepared((queries, of: Slots<{ hash: string; now: number }>) =>
        queries
          .update(codes)
          .set({ usedAt: of.now })
          .where(and(eq(codes.codeHash, of.hash), isNull(codes.usedAt)))
          .returning(),
      )
      const add = prepared((queries, row: Slots<typeof refreshTokens.$inferSelect>) =>
        queries.insert(refreshTokens).values(inColumns(refreshTokens, row)).returning(),
      )
      const redeem = (racer: number) =>
        batch((queries) => ({
          guard: use(queries, { hash: codeHash, now: racer }),
          writes: [add(queries, refreshToken(`${codeHash}_${racer}`, { grantId }))],
        }))
      const answers = (await Promise.all(Array.from({ length: 20 }, (_, racer) => redeem(racer)))).filter(
        Boolean,
      )
      expect(answers).toHaveLength(1)
      const [answer] = answers
      expect(await db.select().from(refreshTokens).where(eq(refreshTokens.grantId, grantId))).toEqual(
        answer?.rows[0],
      )
      expect(await db.select().from(codes).where(eq(codes.codeHash, codeHash))).toEqual(answer?.guard)
      const foreign = () => batch(() => ({ guard: use(db, { hash: codeHash, now: 1 }), writes: [] }))
      await expect(foreign()).rejects.toThrow(TypeError)
    })

    test('a batch whose guard answers no row writes nothing', async () => {
      const { db, tables, batch } = database
      const { id: grantId } = await newGrant()
      const answer = await batch((queries) => ({
        guard: queries.delete(tables.codes).where(eq(tables.codes.codeHash, 'no such code')).returning(),
        writes: [
          queries
            .insert(tables.refreshTokens)
            .values(refreshToken(unique('token'), { grantId }))
            .returning(),
        ],
      }))
      expect(answer).toBeUndefined()
      expect(
        await db.select().from(tables.refreshTokens).where(eq(tables.refreshTokens.grantId, grantId)),
      ).toEqual([])
    })

    test('a batch that fails half way leaves nothing behind, and its neighbours alone', async () => {
      const { db, tables, batch } = database
      const codes = await Promise.all(Array.from({ length: 6 }, newCode))
      const redeem = (row: (typeof codes)[number], grantId: string) =>
        batch((queries) => ({
          guard: queries
            .update(tables.codes)
            .set({ usedAt: 1 })
            .where(eq(tables.codes.codeHash, row.codeHash))
            .returning(),
          writes: [
            queries
              .update(tables.grants)
              .set({ lastUsedAt: 9 })
              .where(eq(tables.grants.id, row.grantId))
              .returning(),
            queries
              .insert(tables.refreshTokens)
              .values(refreshToken(unique('token'), { grantId }))
              .returning(),
          ],
        }))
      const outcomes = await Promise.allSettled(
        codes.map((row, index) => redeem(row, index === 2 ? 'no such grant' : row.grantId)),
      )
      expect(outcomes.map(({ status }) => status === 'fulfilled')).toEqual([
        true,
        true,
        false,
        true,
        true,
        true,
      ])
      const used = await Promise.all(
        codes.map(async ({ codeHash, grantId }) => {
          const [row] = await db
            .select({ usedAt: tables.codes.usedAt, lastUsedAt: tables.grants.lastUsedAt })
            .from(tables.codes)
            .innerJoin(tables.grants, eq(tables.grants.id, grantId))
            .where(eq(tables.codes.codeHash, codeHash))
          return row
        }),
      )
      const done = { usedAt: 1, lastUsedAt: 9 }
      expect(used).toEqual([done, done, { usedAt: null, lastUsedAt: 0 }, done, done, done])
    })

    test('a statement that fails leaves its neighbours alone', async () => {
      const { db, tables } = database
      const ids = [unique('subject'), 'ada', unique('subject')]
      const outcomes = await Promise.allSettled(
        ids.map((id) => db.insert(tables.subjects).values(subject(id)).returning()),
      )
      expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    })

    test('a batch refuses statements that were built from another handle', async () => {
      const { db, tables, batch } = database
      const write = () =>
        db
          .insert(tables.subjects)
          .values(subject(unique('subject')))
          .returning()
      await expect(batch(() => ({ guard: write(), writes: [] }))).rejects.toThrow(TypeError)
      await expect(
        batch((queries) => ({
          guard: queries
            .insert(tables.subjects)
            .values(subject(unique('subject')))
            .returning(),
          writes: [write()],
        })),
      ).rejects.toThrow(TypeError)
    })

    test('an error tells none of the values of its statement', async () => {
      const { db, tables, batch } = database
      const secret = 'sealed-value-nobody-should-read'
      const row = { masterKeyId: unique('key'), sealedCheck: secret, createdAt: 0 }
      await db.insert(tables.keyChecks).values(row).returning()
      const errors = await Promise.all([
        db
          .insert(tables.keyChecks)
          .values(row)
          .returning()
          .catch((error: unknown) => error),
        batch((queries) => ({
          guard: queries.insert(tables.keyChecks).values(row).returning(),
          writes: [],
        })).catch((error: unknown) => error),
      ])
      for (const error of errors) {
        expect(error).toBeInstanceOf(Error)
        expect(everythingIn(error)).not.toMatch(new RegExp(`${secret}|${row.masterKeyId}`))
      }
    })

    test('of two ways to sign in that are taken away at once, one stays', async () => {
      const { db, tables, batch } = database
      const { subjects } = createStore(db, tables, batch)
      for (let round = 0; round < 10; round++) {
        const subjectId = unique('subject')
        await db.insert(tables.subjects).values(subject(subjectId)).returning()
        const seen = {
          label: 'ada',
          email: null,
          emailVerified: false,
          groups: [],
          createdAt: 0,
          lastSignInAt: 0,
        }
        const keys = ['one', 'two'].map((provider) => ({ provider, issuer: 'i', upstreamSubject: subjectId }))
        for (const key of keys) {
          await db
            .insert(tables.identities)
            .values({ ...key, ...seen, subjectId })
            .returning()
        }
        const session = { secretHash: 'none', signIns: {} }
        const gone = await Promise.all(
          keys.map((key) => {
            const event = auditEvent(1, { event: 'identity.unlinked', actor: 'gateway', subjectId })
            return subjects.removeIdentity(subjectId, key, session, event)
          }),
        )
        expect(gone.toSorted()).toEqual([false, true])
        expect(await subjects.listIdentities(subjectId)).toHaveLength(1)
        expect(await recorded(subjectId)).toEqual(['identity.unlinked'])
      }
    })

    test('of two who link one identity at once, one has it, and each trip does so once', async () => {
      const { db, tables, batch } = database
      const { completions, subjects } = createStore(db, tables, batch)
      for (let round = 0; round < 5; round++) {
        const key = { provider: 'one', issuer: 'i', upstreamSubject: unique('account') }
        const seen = {
          label: 'ada',
          email: null,
          emailVerified: false,
          groups: [],
          createdAt: 0,
          lastSignInAt: 0,
        }
        const link = async (subjectId: string) => {
          const trip = interaction(unique('interaction'), { subjectId })
          await db.insert(tables.subjects).values(subject(subjectId)).returning()
          await db.insert(tables.interactions).values(trip).returning()
          const event = () => auditEvent(1, { event: 'identity.linked', actor: 'gateway', subjectId })
          return () => completions.withIdentity(trip, { ...key, ...seen, subjectId }, 1, event())
        }
        const ids = [unique('subject'), unique('subject')] as const
        const links = [await link(ids[0]), await link(ids[1])] as const
        const outcomes = await Promise.all(links.map((each) => each()))
        expect(outcomes.toSorted()).toEqual(['added', 'taken'])
        const [owner, other] = outcomes[0] === 'added' ? ids : [ids[1], ids[0]]
        expect((await subjects.findIdentity(key))?.subjectId).toBe(owner)
        expect(await recorded(owner)).toEqual(['identity.linked'])
        expect(await recorded(other)).toEqual([])
        const again = await Promise.all(links.map((each) => each()))
        expect(again.toSorted()).toEqual(['overtaken', 'taken'])
      }
    })

    test('of two first sign-ins at once, one makes the person, and the record knows of no other', async () => {
      const { db, tables, batch } = database
      const { subjects } = createStore(db, tables, batch)
      for (let round = 0; round < 5; round++) {
        const ids = [unique('subject'), unique('subject')]
        const made = await Promise.all(
          ids.map(async (subjectId) => {
            const event = auditEvent(1, { event: 'subject.created', actor: 'gateway', subjectId })
            const seen = { label: 'ada', email: null, emailVerified: false, createdAt: 0, lastSignInAt: 0 }
            const identity = {
              provider: 'one',
              issuer: 'i',
              upstreamSubject: ids.join(),
              subjectId,
              groups: [],
              ...seen,
            }
            return await subjects.create(subject(subjectId), identity, event)
          }),
        )
        const [winner, ...others] = made.flatMap((each) => each ?? [])
        expect(others).toEqual([])
        for (const id of ids) {
          expect((await subjects.find(id))?.id).toBe(id === winner?.id ? id : undefined)
          expect(await recorded(id)).toEqual(id === winner?.id ? ['subject.created'] : [])
        }
      }
    })

    test('of resources that become the default at once, one does', async () => {
      const { db, tables, batch } = database
      const { resources, auditEvents } = createStore(db, tables, batch)
      const ids = ['one', 'two', 'three'].map(unique)
      const saved = async (id: string, isDefault: boolean) => {
        const row = resource(id)
        const event = auditEvent(1, { event: 'resource.saved', actor: 'gateway', resourceId: id })
        const document = { ...row.document, ...(isDefault && { default: true }) }
        return await resources.save({ ...row, document }, event)
      }
      for (let round = 0; round < 5; round++) {
        const [made, ...others] = (await Promise.all(ids.map((id) => saved(id, true)))).flatMap(
          (row) => row ?? [],
        )
        expect(others).toEqual([])
        const mine = (await resources.list()).filter(
          ({ id, document }) => ids.includes(id) && document.default,
        )
        expect(mine.map(({ id }) => id)).toEqual([made?.id])
        // Who has it may say so again; and once nobody has, anybody may.
        expect(await saved(made?.id ?? '', true)).toMatchObject({ id: made?.id })
        expect(await saved(made?.id ?? '', false)).toMatchObject({ id: made?.id })
      }
      const { rows } = await auditEvents.list({ event: 'resource.saved' }, { limit: 50 })
      expect(rows).toHaveLength(15)
    })

    test('what hangs on a deleted row goes with it', async () => {
      const { db, tables } = database
      const { codeHash, grantId } = await newCode()
      await db
        .insert(tables.refreshTokens)
        .values(refreshToken(unique('token'), { grantId }))
        .returning()
      await db.delete(tables.grants).where(eq(tables.grants.id, grantId)).returning()
      expect(await db.select().from(tables.codes).where(eq(tables.codes.codeHash, codeHash))).toEqual([])
      expect(
        await db.select().from(tables.refreshTokens).where(eq(tables.refreshTokens.grantId, grantId)),
      ).toEqual([])
    })

    test('a row without its parent is refused', async () => {
      const { db, tables } = database
      const orphan = code(unique('code'), { grantId: 'no such grant' })
      await expect(db.insert(tables.codes).values(orphan).returning()).rejects.toThrow(/foreign key/i)
    })

    test('a database that can be written answers a ping', async () => {
      await expect(database.ping()).resolves.toBeUndefined()
    })
  })

  describe(`${name}: opening and closing`, () => {
    let url: string
    beforeEach(async () => {
      url = await backend.emptyUrl()
    })

    test('what was answered is there after closing and opening again, and nothing else', async () => {
      const first = await openDatabase(url)
      const ids = Array.from({ length: 20 }, (_, index) => `s${index}`)
      const outcomes = Promise.allSettled(
        ids.map((id) => first.db.insert(first.tables.subjects).values(subject(id)).returning()),
      )
      await first.ping()
      const late = first.db.insert(first.tables.subjects).values(subject('late')).returning()
      const [lateOutcome] = await Promise.all([Promise.allSettled([late]), first.close()])
      const answered = [...(await outcomes), ...lateOutcome]
        .flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : []))
        .map(({ id }) => id)
      expect(answered).toEqual(expect.arrayContaining(ids))
      const second = await openDatabase(url)
      const kept = await second.db.select({ id: second.tables.subjects.id }).from(second.tables.subjects)
      expect(kept.map(({ id }) => id).sort()).toEqual(answered.sort())
      await second.close()
    })

    test('a closed database says that it is closed', async () => {
      const { db, tables, batch, ping, close } = await openDatabase(url)
      await close()
      await close()
      const writing = db.insert(tables.subjects).values(subject('ada'))
      const outcomes = await Promise.allSettled([
        writing.returning(),
        db.select().from(tables.subjects),
        batch((queries) => ({ guard: queries.delete(tables.subjects).returning(), writes: [] })),
        ping(),
      ])
      const closed = { status: 'rejected', reason: new StorageUnavailableError('closed') }
      expect(outcomes).toEqual([closed, closed, closed, closed])
    })

    test('several that open a new database at once agree on its schema', async () => {
      const databases = await Promise.all(Array.from({ length: 4 }, () => openDatabase(url)))
      for (const database of databases) await database.ping()
      for (const database of databases) await database.close()
    })

    test('a refusal before the migrations is told of the key checks, and leaves the migrations pending', async () => {
      await (await openDatabase(url)).close()
      await backend.run(
        url,
        `INSERT INTO key_checks (master_key_id, sealed_check, created_at) VALUES ('a', 'x', 1)`,
      )
      // As if an older version had written it: this one would have a migration to run.
      await backend.run(url, `UPDATE applied_migrations SET tag = '0000_older', hash = 'older'`)
      const told: unknown[] = []
      const beforeMigrations = async (checks: unknown) => {
        told.push(checks)
        throw new WrongMasterKey('the key is wrong')
      }
      await expect(openDatabase(url, { beforeMigrations })).rejects.toThrow(WrongMasterKey)
      expect(told).toEqual([[{ masterKeyId: 'a', sealedCheck: 'x' }]])
      await expect(openDatabase(url)).rejects.toThrow(SchemaMismatchError)
    })

    test('what is only looked at stays as it is, and says what is still to be done to it', async () => {
      await (await openDatabase(url)).close()
      const [present, absent] = [readMigrations(name === 'SQLite' ? 'sqlite' : 'postgres').length, 0]
      const current = await openDatabase(url, { access: 'read' })
      expect(await current.condition()).toMatchObject({ pendingMigrations: absent })
      expect(await current.db.select().from(current.tables.subjects)).toEqual([])
      await current.close()
      await backend.run(url, `DELETE FROM applied_migrations`)
      for (const _look of ['first', 'second']) {
        const older = await openDatabase(url, { access: 'read' })
        expect(await older.condition()).toMatchObject({ pendingMigrations: present })
        await older.close()
      }
      await backend.run(url, `INSERT INTO applied_migrations (tag, hash) VALUES ('9999_later', 'x')`)
      const newer = await openDatabase(url, { access: 'read' })
      await expect(newer.condition()).rejects.toThrow(SchemaMismatchError)
      await newer.close()
    })

    test('a new database has no key checks', async () => {
      const told: unknown[] = []
      const beforeMigrations = async (checks: unknown) => void told.push(checks)
      await (await openDatabase(url, { beforeMigrations })).close()
      expect(told).toEqual([[]])
    })

    test('a database a newer version has written is refused and left alone', async () => {
      await (await openDatabase(url)).close()
      await backend.run(url, `INSERT INTO applied_migrations (tag, hash) VALUES ('9999_later', 'x')`)
      await expect(openDatabase(url)).rejects.toThrow(SchemaMismatchError)
      await backend.run(url, `DELETE FROM applied_migrations WHERE tag = '9999_later'`)
      await (await openDatabase(url)).close()
    })

    test('a database with another history is refused', async () => {
      await (await openDatabase(url)).close()
      await backend.run(url, `UPDATE applied_migrations SET hash = 'edited'`)
      await expect(openDatabase(url)).rejects.toThrow(SchemaMismatchError)
    })

    test('more requests than may wait are refused at once, and the others answered', async () => {
      const { db, tables, close } = await openDatabase(url, { capacity: 2 })
      const outcomes = await Promise.allSettled(
        Array.from({ length: 40 }, (_, index) =>
          db
            .insert(tables.subjects)
            .values(subject(`s${index}`))
            .returning(),
        ),
      )
      const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
      expect(refused.length).toBeGreaterThan(0)
      for (const reason of refused) expect(reason).toEqual(new StorageUnavailableError('overloaded'))
      expect(await db.select().from(tables.subjects)).toHaveLength(40 - refused.length)
      await close()
    })
  })
}

/** All that a logger could find in an error. */
function everythingIn(error: unknown): string {
  if (!(error instanceof Error)) return JSON.stringify(error)
  const fields = Object.getOwnPropertyNames(error).map((name) => [name, Reflect.get(error, name)])
  return JSON.stringify([
    error.stack,
    fields.filter(([name]) => name !== 'cause'),
    everythingIn(error.cause ?? null),
  ])
}
