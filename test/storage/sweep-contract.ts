import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Database, openDatabase } from '../../src/storage/database.ts'
import { type Swept, sweep, sweepDefaults } from '../../src/storage/sweep.ts'
import type { Backend } from './contract.ts'
import {
  browserSession,
  client,
  code,
  connectLink,
  grant,
  interaction,
  refreshToken,
  subject,
} from './rows.ts'

const minute = 60
const hour = 60 * minute
const day = 24 * hour
const now = 1_900_000_000
const nothing: Swept = {
  interactions: 0,
  codes: 0,
  sealedSuccessors: 0,
  refreshTokens: 0,
  usedRefreshTokens: 0,
  revokedRefreshTokens: 0,
  connectLinks: 0,
  browserSessions: 0,
  registrationTokens: 0,
  usedAssertions: 0,
  rateLevels: 0,
  signInPlaces: 0,
  quotaCounts: 0,
  stepUps: 0,
  decisions: 0,
  grants: 0,
  exchangedGrants: 0,
  clients: 0,
}

/** What a sweep takes and, above all, what it leaves. */
export function sweepContract(name: string, backend: Pick<Backend, 'newUrl'>) {
  describe(`${name}: the sweep`, () => {
    let database: Database
    beforeEach(async () => {
      database = await openDatabase(await backend.newUrl())
      const { db, tables } = database
      await db.insert(tables.subjects).values(subject('ada')).returning()
      await db.insert(tables.clients).values(client('editor')).returning()
      await db
        .insert(tables.grants)
        .values(grant('grant', { expiresAt: now + day }))
        .returning()
    })
    afterEach(() => database.close())

    const sweepNow = (limits: Partial<typeof sweepDefaults> = {}) =>
      sweep(database, { now, believed: now }, { ...sweepDefaults, ...limits })

    async function left() {
      const { db, tables } = database
      const { interactions, codes, refreshTokens, connectLinks, browserSessions, grants, clients } = tables
      const rows = await Promise.all([
        db.select({ id: interactions.id }).from(interactions),
        db.select({ id: codes.codeHash }).from(codes),
        db.select({ id: refreshTokens.tokenHash }).from(refreshTokens),
        db.select({ id: connectLinks.ticketHash }).from(connectLinks),
        db.select({ id: browserSessions.secretHash }).from(browserSessions),
        db.select({ id: grants.id }).from(grants),
        db.select({ id: clients.id }).from(clients),
      ])
      return rows
        .flat()
        .map(({ id }) => id)
        .filter((id) => id !== 'grant' && id !== 'editor')
        .sort()
    }

    test('leaves everything that is still good', async () => {
      const { db, tables } = database
      const live = { expiresAt: now + 1 }
      await db.insert(tables.interactions).values(interaction('i', live)).returning()
      await db
        .insert(tables.interactions)
        .values(interaction('i2', { ...live, completedAt: now - 1 }))
        .returning()
      await db.insert(tables.codes).values(code('c', live)).returning()
      const used = { usedAt: now, successorHash: 't2', sealedSuccessor: 's' }
      await db.insert(tables.refreshTokens).values(refreshToken('t', live)).returning()
      await db
        .insert(tables.refreshTokens)
        .values(refreshToken('t1', { ...live, ...used }))
        .returning()
      await db.insert(tables.connectLinks).values(connectLink('l', live)).returning()
      await db.insert(tables.browserSessions).values(browserSession('b', live)).returning()
      await db.insert(tables.clients).values(client('d', live)).returning()
      expect(await sweepNow()).toEqual(nothing)
      expect(await left()).toEqual(['b', 'c', 'd', 'i', 'i2', 'l', 't', 't1'])
    })

    test('leaves what has just ended, for a process whose clock is behind', async () => {
      const { db, tables } = database
      const ended = { expiresAt: now - minute }
      await db.insert(tables.interactions).values(interaction('i', ended)).returning()
      await db.insert(tables.codes).values(code('c', ended)).returning()
      await db.insert(tables.refreshTokens).values(refreshToken('t', ended)).returning()
      await db.insert(tables.connectLinks).values(connectLink('l', ended)).returning()
      await db.insert(tables.browserSessions).values(browserSession('b', ended)).returning()
      await db.insert(tables.grants).values(grant('g', ended)).returning()
      await db.insert(tables.clients).values(client('d', ended)).returning()
      expect(await sweepNow()).toEqual(nothing)
      expect(await left()).toEqual(['b', 'c', 'd', 'g', 'i', 'l', 't'])
    })

    test('takes interactions, refresh tokens and browser sessions soon after their end', async () => {
      const { db, tables } = database
      const ended = { expiresAt: now - hour }
      await db.insert(tables.interactions).values(interaction('i', ended)).returning()
      await db.insert(tables.refreshTokens).values(refreshToken('t', ended)).returning()
      await db
        .insert(tables.refreshTokens)
        .values(refreshToken('u', { ...ended, usedAt: now - day }))
        .returning()
      await db.insert(tables.browserSessions).values(browserSession('b', ended)).returning()
      const swept = { interactions: 1, refreshTokens: 1, usedRefreshTokens: 1, browserSessions: 1 }
      expect(await sweepNow()).toEqual({ ...nothing, ...swept })
      expect(await left()).toEqual([])
    })

    test('keeps a used assertion until no clock can take it for one that is still good', async () => {
      const { db, tables } = database
      const used = [
        { assertionHash: 'old', expiresAt: now - 5 * minute },
        { assertionHash: 'recent', expiresAt: now - 5 * minute + 1 },
      ]
      await db.insert(tables.usedAssertions).values(used).returning()
      expect(await sweepNow()).toEqual({ ...nothing, usedAssertions: 1 })
      expect(await db.select().from(tables.usedAssertions)).toEqual([used[1]])
    })

    test('forgets who used a limit after ten minutes, where somebody signed in after a week, and what is ahead', async () => {
      const { db, tables } = database
      const level = { rate: 'x', fullAtMicros: 1, takenMicros: 1 }
      const levels = [
        { ...level, keyHash: 'over', changedAt: now - 600 },
        { ...level, keyHash: 'young', changedAt: now - 599 },
        { ...level, keyHash: 'ahead', changedAt: now + 400 * day },
      ]
      const places = [
        { addressHash: 'over', subjectHash: 'ada', at: now - 7 * day },
        { addressHash: 'young', subjectHash: 'ada', at: now - 7 * day + 1 },
        { addressHash: 'ahead', subjectHash: 'ada', at: now + 400 * day },
      ]
      await db.insert(tables.rateLevels).values(levels).returning()
      await db.insert(tables.signInPlaces).values(places).returning()
      expect(await sweepNow()).toEqual({ ...nothing, rateLevels: 2, signInPlaces: 2 })
      expect(await db.select().from(tables.rateLevels)).toEqual([levels[1]])
      expect(await db.select().from(tables.signInPlaces)).toEqual([places[1]])
    })

    test('takes registration tokens soon after their end, however many uses are left', async () => {
      const { db, tables } = database
      const token = (id: string, expiresAt: number) => ({
        ...{ id, tokenHash: id, usesLeft: 1, createdAt: 0 },
        expiresAt,
      })
      const rows = [token('old', now - 5 * minute), token('recent', now - 5 * minute + 1)]
      await db.insert(tables.registrationTokens).values(rows).returning()
      expect(await sweepNow()).toEqual({ ...nothing, registrationTokens: 1 })
      expect(await db.select().from(tables.registrationTokens)).toEqual([rows[1]])
    })

    test('keeps codes and connect links for a day after their end', async () => {
      const { db, tables } = database
      const recent = { expiresAt: now - day + 1 }
      const old = { expiresAt: now - day }
      await db
        .insert(tables.codes)
        .values(code('c1', { ...recent, usedAt: now - day }))
        .returning()
      await db
        .insert(tables.codes)
        .values(code('c2', { ...old, usedAt: now - day }))
        .returning()
      await db.insert(tables.connectLinks).values(connectLink('l1', recent)).returning()
      await db.insert(tables.connectLinks).values(connectLink('l2', old)).returning()
      expect(await sweepNow()).toEqual({ ...nothing, codes: 1, connectLinks: 1 })
      expect(await left()).toEqual(['c1', 'l1'])
    })

    test('keeps a used refresh token while it could be used again, to notice that it is', async () => {
      const { db, tables } = database
      const used = refreshToken('t', { usedAt: now - 20 * day, expiresAt: now + day, successorHash: 't2' })
      await db.insert(tables.refreshTokens).values(used).returning()
      expect(await sweepNow()).toEqual(nothing)
      expect(await left()).toEqual(['t'])
    })

    test('forgets a sealed successor when the grace window is over, and keeps the token', async () => {
      const { db, tables } = database
      const used = (tokenHash: string, usedAt: number) =>
        refreshToken(tokenHash, { usedAt, expiresAt: now + day, successorHash: 'n', sealedSuccessor: 's' })
      await db
        .insert(tables.refreshTokens)
        .values([used('old', now - hour), used('new', now - 30)])
        .returning()
      expect(await sweepNow({ refreshGrace: 30 })).toEqual({ ...nothing, sealedSuccessors: 1 })
      const { tokenHash, sealedSuccessor, successorHash } = tables.refreshTokens
      const rows = await db.select({ tokenHash, sealedSuccessor, successorHash }).from(tables.refreshTokens)
      expect(rows).toHaveLength(2)
      expect(rows).toContainEqual({ tokenHash: 'old', sealedSuccessor: null, successorHash: 'n' })
      expect(rows).toContainEqual({ tokenHash: 'new', sealedSuccessor: 's', successorHash: 'n' })
    })

    test('takes the refresh tokens of a revoked grant and keeps the grant', async () => {
      const { db, tables } = database
      const revoked = { revokedAt: now - minute, expiresAt: now + day }
      await db.insert(tables.grants).values(grant('g', revoked)).returning()
      await db
        .insert(tables.refreshTokens)
        .values(refreshToken('t1', { grantId: 'g' }))
        .returning()
      await db.insert(tables.refreshTokens).values(refreshToken('t2')).returning()
      expect(await sweepNow()).toEqual({ ...nothing, revokedRefreshTokens: 1 })
      expect(await left()).toEqual(['g', 't2'])
    })

    test('takes grants that ended or were revoked long ago, with all that descends from them', async () => {
      const { db, tables } = database
      await db
        .insert(tables.grants)
        .values([
          grant('ended', { expiresAt: now - 30 * day }),
          grant('ended-lately', { expiresAt: now - 30 * day + 1 }),
          grant('revoked', { revokedAt: now - 30 * day, expiresAt: now + day }),
          grant('revoked-lately', { revokedAt: now - 30 * day + 1, expiresAt: now + day }),
        ])
        .returning()
      await db
        .insert(tables.codes)
        .values(code('c', { grantId: 'ended' }))
        .returning()
      await db
        .insert(tables.refreshTokens)
        .values(refreshToken('t', { grantId: 'revoked' }))
        .returning()
      expect(await sweepNow()).toEqual({ ...nothing, grants: 2 })
      expect(await left()).toEqual(['ended-lately', 'revoked-lately'])
    })

    test('takes registrations nobody used soon, used ones late, and never an administrator’s', async () => {
      const { db, tables } = database
      const lately = now - day
      const longAgo = now - 30 * day
      await db
        .insert(tables.clients)
        .values([
          client('unused', { expiresAt: lately }),
          client('used', { expiresAt: lately, lastUsedAt: lately }),
          client('used-long-ago', { expiresAt: longAgo, lastUsedAt: longAgo }),
          client('published-unused', { origin: 'document', expiresAt: lately }),
          client('published-used', { origin: 'document', expiresAt: lately, lastUsedAt: lately }),
          client('published-disabled', { origin: 'document', enabled: false, expiresAt: longAgo }),
          client('admins', { origin: 'admin', expiresAt: longAgo }),
          client('configured', { origin: 'config', expiresAt: longAgo }),
        ])
        .returning()
      expect(await sweepNow()).toEqual({ ...nothing, clients: 3 })
      expect(await left()).toEqual(['admins', 'configured', 'published-disabled', 'published-used', 'used'])
    })

    test('takes no more than it may, however much has ended', async () => {
      const { db, tables } = database
      const ended = Array.from({ length: 250 }, (_, index) => interaction(`i${index}`, { expiresAt: 0 }))
      await db.insert(tables.interactions).values(ended).returning({ id: tables.interactions.id })
      const taken: number[] = []
      for (const traces of [40, 150, 1000]) taken.push((await sweepNow({ traces })).interactions)
      expect(taken).toEqual([40, 150, 60])
    })

    test('what sessions hang on goes by the time that is believed, and stays without it', async () => {
      const { db, tables } = database
      const sessions = Array.from({ length: 30 }, (_, index) => grant(`g${index}`, { expiresAt: now + day }))
      await db.insert(tables.grants).values(sessions).returning({ id: tables.grants.id })
      const ahead = now + 365 * day
      const sweepBy = async (believed: number | undefined) =>
        (await sweep(database, { now: ahead, believed }, { ...sweepDefaults, rows: 5 })).grants
      expect(await sweepBy(undefined)).toBe(0)
      expect(await sweepBy(now)).toBe(0)
      expect(await sweepBy(ahead)).toBe(5)
      expect((await left()).length).toBeGreaterThanOrEqual(25)
    })

    test('what comes with every request is taken as fast as it may come', async () => {
      const { db, tables } = database
      const used = Array.from({ length: 1_500 }, (_, index) => ({ assertionHash: `a${index}`, expiresAt: 0 }))
      await db
        .insert(tables.usedAssertions)
        .values(used)
        .returning({ hash: tables.usedAssertions.assertionHash })
      expect((await sweepNow({})).usedAssertions).toBe(1_500)
    })
  })
}
