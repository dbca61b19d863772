import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { auditEvent, type EventName } from '../../src/audit/event.ts'
import { type Database, openDatabase } from '../../src/storage/database.ts'
import type { Decision } from '../../src/storage/decisions.ts'
import type { Draw } from '../../src/storage/quotas.ts'
import { createStore, type Store } from '../../src/storage/store.ts'
import type { Backend } from './contract.ts'
import { client, resource, subject } from './rows.ts'

const now = 1_900_000_000

const rule = { access: 'scopes' as const, scopes: ['read'], match: 'any' as const }

/** What two calls, or two administrators, at once may not both have. */
export function policyContract(name: string, backend: Pick<Backend, 'newUrl'>) {
  describe(`${name}: quotas and sign-ins for one call`, () => {
    let database: Database
    let store: Store
    beforeAll(async () => {
      database = await openDatabase(await backend.newUrl())
      const { db, tables, batch } = database
      store = createStore(db, tables, batch)
      const document = { name: 'Tracker', scopes: {}, default_scopes: [], providers: [] }
      await db.insert(tables.subjects).values(subject('ada')).returning()
      await db.insert(tables.clients).values(client('editor')).returning()
      await db
        .insert(tables.resources)
        .values({
          id: 'tracker',
          uri: 'https://tracker.test/mcp',
          document,
          origin: 'admin',
          enabled: true,
          createdAt: now,
          updatedAt: now,
        })
        .returning()
      const quota = { per: 'subject', limit: 1, window: 'minute' } as const
      for (const id of ['minute', 'day']) {
        await db
          .insert(tables.quotas)
          .values({ id, resourceId: 'tracker', document: quota, createdAt: now })
          .returning()
      }
    })
    afterAll(() => database.close())

    const draw = (quotaId: string, key: string, limit: number): Draw => ({
      id: `${quotaId}:${key}`,
      quotaId,
      limit,
      endsAt: now + 60,
    })

    const decision = (id: string): Decision => ({
      id,
      at: now,
      resourceId: 'tracker',
      subjectId: 'ada',
      clientId: 'editor',
      tool: 't',
      allowed: true,
      code: null,
      detail: { counted: true },
      expiresAt: now + 60,
    })

    test('a hundred calls at once get exactly what a quota has', async () => {
      const answers = await Promise.all(
        Array.from({ length: 100 }, () => store.quotas.draw([draw('minute', 'flood', 7)])),
      )
      expect(answers.filter((drawn) => drawn)).toHaveLength(7)
    })

    test('a call that one quota refuses is counted by none', async () => {
      const draws = [draw('minute', 'narrow', 2), draw('day', 'wide', 5)]
      const answers = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          store.quotas.draw(index % 2 === 0 ? draws : draws.toReversed()),
        ),
      )
      expect(answers.filter((drawn) => drawn)).toHaveLength(2)
      expect(await store.quotas.used(['minute:narrow', 'day:wide'])).toEqual(
        new Map([
          ['minute:narrow', 2],
          ['day:wide', 2],
        ]),
      )
    })

    test('a count and its decision are there together, or neither is', async () => {
      const takes = (id: string) => ({ decision: decision(id) })
      expect(await store.quotas.draw([draw('minute', 'kept', 1)], takes('first'))).toBe(true)
      expect(await store.quotas.draw([draw('minute', 'kept', 1)], takes('second'))).toBe(false)
      const gone = { decision: { ...decision('third'), resourceId: 'gone' } }
      expect(await store.quotas.draw([draw('minute', 'lost', 1)], gone)).toBe(false)
      expect(await store.quotas.used(['minute:lost'])).toEqual(new Map([['minute:lost', 0]]))
      const kept = await Promise.all(['first', 'second', 'third'].map((id) => store.decisions.find(id)))
      expect(kept.map((each) => each?.id)).toEqual(['first', undefined, undefined])
    })

    test('a quota that went meanwhile counts nothing, and fails nobody', async () => {
      expect(await store.quotas.draw([draw('gone', 'x', 1)])).toBe(false)
    })

    test('of decisions those of a resource that went meanwhile are lost, and no other', async () => {
      const made = [decision('kept_a'), { ...decision('lost'), resourceId: 'gone' }, decision('kept_b')]
      await store.decisions.record(made)
      await store.decisions.record(made.slice(1, 2))
      const kept = await Promise.all(made.map(({ id }) => store.decisions.find(id)))
      expect(kept.map((each) => each?.id)).toEqual(['kept_a', undefined, 'kept_b'])
    })

    test('a sign-in made for one call is good for that call, once', async () => {
      const call = {
        subjectId: 'ada',
        clientId: 'editor',
        resourceId: 'tracker',
        tool: 't',
        argumentsHash: 'x',
      }
      const asked = { ...call, rule: { max_age: 0 }, createdAt: now, expiresAt: now + 300, usedAt: null }
      const open = async (of: Partial<typeof call> = {}) =>
        (await store.stepUps.listOpen({ ...call, ...of }, now)).map(({ id }) => id).sort()
      const draws = [draw('minute', 'signed', 5)]
      const use = (id: string, at = now) => store.quotas.draw(draws, { signIn: { id, now: at } })
      expect(await store.stepUps.create({ ...asked, subjectId: 'gone', id: 'su_none', authTime: null })).toBe(
        false,
      )
      await store.stepUps.create({ ...asked, id: 'su_open', authTime: null })
      expect(await use('su_open')).toBe(false)
      await store.stepUps.create({ ...asked, id: 'su_made', authTime: now })
      expect(await open()).toEqual(['su_made', 'su_open'])
      expect(await open({ argumentsHash: 'y' })).toEqual([])
      expect(await open({ tool: 'u' })).toEqual([])
      expect(await use('su_made', now + 300)).toBe(false)
      const uses = await Promise.all(Array.from({ length: 20 }, () => use('su_made')))
      expect(uses.filter((used) => used)).toHaveLength(1)
      expect(await open()).toEqual(['su_open'])
      expect(await store.quotas.used(['minute:signed'])).toEqual(new Map([['minute:signed', 1]]))
    })

    test('a sign-in is not used up where a quota is full', async () => {
      const made = { subjectId: 'ada', clientId: 'editor', resourceId: 'tracker', tool: 'full' }
      const times = { createdAt: now, expiresAt: now + 300, authTime: now, usedAt: null }
      await store.stepUps.create({ ...made, ...times, argumentsHash: 'x', rule: {}, id: 'su_full' })
      const full = [draw('minute', 'over', 1)]
      expect(await store.quotas.draw(full)).toBe(true)
      expect(await store.quotas.draw(full, { signIn: { id: 'su_full', now } })).toBe(false)
      expect(await store.stepUps.find('su_full')).toMatchObject({ usedAt: null })
    })

    test('of sign-ins that are awaited for calls of a tool the latest stay, and all that were made', async () => {
      const call = { subjectId: 'ada', clientId: 'editor', resourceId: 'tracker', tool: 'flooded' }
      const asked = { ...call, rule: {}, expiresAt: now + 300, usedAt: null }
      const create = (id: string, createdAt: number, authTime: number | null) =>
        store.stepUps.create({ ...asked, id, createdAt, authTime, argumentsHash: id })
      await create('made', now - 1, now)
      for (let index = 0; index < 60; index++) await create(`awaited_${index}`, now + index, null)
      const ids = ['made', ...Array.from({ length: 60 }, (_, index) => `awaited_${index}`)]
      const left = await Promise.all(ids.map((id) => store.stepUps.find(id)))
      expect(left.flatMap((each) => each?.id ?? [])).toEqual(['made', ...ids.slice(-50)])
    })

    test('a quota is told of the window that ends then, and of no other', async () => {
      const full = { ...draw('day', 'told', 9), endsAt: now + 500 }
      for (const id of ['day:told', 'day:told', 'day:other']) await store.quotas.draw([{ ...full, id }])
      expect(await store.quotas.useOf('day', now + 500)).toEqual({ counts: 2, calls: 3, most: 2 })
      expect(await store.quotas.useOf('day', now + 501)).toEqual({ counts: 0, calls: 0, most: 0 })
    })
  })

  describe(`${name}: tools and who may call them`, () => {
    let database: Database
    let store: Store
    const event = (kind: EventName) => auditEvent(now, { event: kind, actor: 'admin:ada' })
    const recorded = async (kind: EventName) =>
      (await store.auditEvents.list({ event: kind }, { limit: 10 })).rows.length
    beforeAll(async () => {
      database = await openDatabase(await backend.newUrl())
      const { db, tables, batch } = database
      store = createStore(db, tables, batch)
      await db.insert(tables.resources).values(resource('tracker')).returning()
    })
    afterAll(() => database.close())

    test('a review is of what was looked at, and what that was is kept', async () => {
      const published = { name: 'read', input_schema: { type: 'object' } }
      const tool = {
        resourceId: 'tracker',
        name: 'read',
        published,
        publishedHash: 'first',
        isPublished: true,
        rule: null,
        reviewed: null,
        reviewedHash: null,
        reviewedAt: null,
        reviewedBy: null,
        createdAt: now,
        changedAt: now,
      }
      await store.tools.publish('tracker', [tool], now, undefined)
      const review = async (reviewedHash: string) =>
        await store.tools.review(
          tool,
          { rule: rule, reviewedHash, reviewedAt: now, reviewedBy: 'admin:ada' },
          event('tool.reviewed'),
        )
      expect(await review('first')).toMatchObject({ reviewed: published, reviewedHash: 'first' })
      const changed = { ...published, title: 'Read' }
      await store.tools.publish(
        'tracker',
        [{ ...tool, published: changed, publishedHash: 'second' }],
        now,
        undefined,
      )
      expect(await review('first')).toBeUndefined()
      expect(await store.tools.find('tracker', 'read')).toMatchObject({
        published: changed,
        reviewed: published,
      })
      expect(await recorded('tool.reviewed')).toBe(1)
    })

    test('of all who want to probe one does, each time it is due', async () => {
      await store.tools.saveProbes('tracker', { probes: [], probedAt: now, probeDueAt: now + 60 }, null)
      expect(await store.tools.claimProbes(now + 59, 60)).toEqual([])
      const claimed = async (at: number) =>
        (await Promise.all(Array.from({ length: 10 }, () => store.tools.claimProbes(at, 60)))).flat()
      expect(await claimed(now + 60)).toEqual(['tracker'])
      expect(await claimed(now + 119)).toEqual([])
      expect(await claimed(now + 120)).toEqual(['tracker'])
    })

    test('what a probe found is not kept where another one ended since it began', async () => {
      const probed = (probedAt: number) => ({ probes: [], probedAt, probeDueAt: now })
      const before = (await store.tools.findApplication('tracker'))?.probedAt ?? null
      await store.tools.saveProbes('tracker', probed(now + 200), before)
      await store.tools.saveProbes('tracker', probed(now + 100), before)
      expect(await store.tools.findApplication('tracker')).toMatchObject({ probedAt: now + 200 })
    })

    test('a binding whose role or subject went meanwhile is not made, and not recorded', async () => {
      const role = { id: 'role', resourceId: 'tracker', name: 'reader', document: { scopes: [] } }
      await store.roles.save({ ...role, createdAt: now, updatedAt: now }, event('role.saved'))
      const binding = {
        id: 'binding',
        resourceId: 'tracker',
        roleId: 'role',
        holder: 'everyone' as const,
        subjectId: null,
        groupProvider: null,
        groupName: null,
        conditions: {},
        expiresAt: null,
        createdAt: now,
        createdBy: 'admin:ada',
      }
      const bind = async (changes: Partial<typeof binding> | { subjectId: string }) =>
        await store.roles.createBinding({ ...binding, ...changes }, event('binding.created'))
      expect(await bind({ roleId: 'gone' })).toBe(false)
      expect(await bind({ subjectId: 'gone' })).toBe(false)
      expect(await recorded('binding.created')).toBe(0)
      expect(await bind({})).toBe(true)
      expect(await store.roles.delete('role', event('role.deleted'))).toBe(false)
      expect(await recorded('role.deleted')).toBe(0)
    })
  })
}
