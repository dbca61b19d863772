import { expect, onTestFinished, test } from 'vitest'
import { auditEvent } from '../../src/audit/event.ts'
import { type Database, openDatabase } from '../../src/storage/database.ts'
import { type SigningKey, signingKeys } from '../../src/storage/signing-keys.ts'
import { createTestDatabase } from '../support/database.ts'

const now = 1_800_000_000

function key(kid: string, changes: Partial<SigningKey> = {}): SigningKey {
  return {
    kid,
    publicJwk: { kty: 'EC', crv: 'P-256', x: 'x', y: 'y', kid, alg: 'ES256', use: 'sig' },
    sealedPrivateJwk: `sealed ${kid}`,
    createdAt: now,
    activeAt: now,
    retiresAt: null,
    ...changes,
  }
}

const rotation = (kid: string) =>
  auditEvent(now, { event: 'signing_key.rotated', actor: 'admin:ada', detail: { kid } })

const repositoryOf = ({ db, tables, batch }: Database) => signingKeys(db, tables, batch)

/** Several processes at one database where nobody was before. */
async function processes(count: number) {
  const stored = await createTestDatabase()
  const databases: Database[] = []
  for (let index = 0; index < count; index++) databases.push(await openDatabase(stored.url))
  onTestFinished(async () => {
    for (const database of databases) await database.close()
    await stored.remove()
  })
  return databases.map(repositoryOf)
}

async function alone() {
  const [repository] = await processes(1)
  if (!repository) throw new Error('no repository')
  return repository
}

test('the first key is created once, and comes back as it was written', async () => {
  const repository = await alone()
  expect(await repository.list()).toEqual([])
  expect(await repository.createFirst(key('a'))).toBe(true)
  expect(await repository.createFirst(key('b'))).toBe(false)
  expect(await repository.createFirst(key('a'))).toBe(false)
  expect(await repository.list()).toEqual([key('a')])
})

test('processes that start at once end with one key, and one of them says it was theirs', async () => {
  for (let round = 0; round < 5; round++) {
    const repositories = await processes(4)
    const created = await Promise.all(
      repositories.flatMap((repository, index) =>
        [0, 1, 2].map((attempt) => repository.createFirst(key(`k${index}-${attempt}`))),
      ),
    )
    expect(created.filter(Boolean)).toHaveLength(1)
    const kept = await Promise.all(repositories.map((repository) => repository.list()))
    expect(kept[0]).toHaveLength(1)
    expect(kept[0]?.[0]?.kid).toMatch(/^k\d-\d$/)
    for (const keys of kept) expect(keys).toEqual(kept[0])
  }
})

test('a rotation ends the youngest key and those that must go sooner, and adds the successor', async () => {
  const repository = await alone()
  await repository.createFirst(key('a'))
  expect(await repository.rotate({ kid: 'a', retiresAt: now + 9 }, key('b'), [], rotation('b'))).toBe(true)
  const others = [{ kid: 'a', retiresAt: now + 5 }]
  expect(await repository.rotate({ kid: 'b', retiresAt: now + 5 }, key('c'), others, rotation('c'))).toBe(
    true,
  )
  const ends = (await repository.list()).map(({ kid, retiresAt }) => [kid, retiresAt]).toSorted()
  expect(ends).toEqual([
    ['a', now + 5],
    ['b', now + 5],
    ['c', null],
  ])
})

test('of rotations of the same key one happens, and nothing of the others is written', async () => {
  const repositories = await processes(4)
  await repositories[0]?.createFirst(key('a'))
  const rotated = await Promise.all(
    repositories.map((repository, index) =>
      repository.rotate({ kid: 'a', retiresAt: now + index }, key(`b${index}`), [], rotation('b')),
    ),
  )
  expect(rotated.filter(Boolean)).toHaveLength(1)
  const winner = rotated.indexOf(true)
  const kept = (await repositories[0]?.list()) ?? []
  expect(kept.map(({ kid, retiresAt }) => [kid, retiresAt]).toSorted()).toEqual([
    ['a', now + winner],
    [`b${winner}`, null],
  ])
})

test('a removal and rotations of one key at once leave one youngest key, and only one of them happened', async () => {
  const repositories = await processes(4)
  for (let round = 0; round < 5; round++) {
    const [repository] = repositories
    if (!repository) throw new Error('no repository')
    for (const each of await repository.list()) await repository.remove(each, undefined, rotation('x'))
    await repository.createFirst(key('a'))
    const happened = await Promise.all(
      repositories.map((each, index) =>
        index % 2 === 0
          ? each.remove(key('a'), key(`r${index}`), rotation('r'))
          : each.rotate({ kid: 'a', retiresAt: now + 9 }, key(`s${index}`), [], rotation('s')),
      ),
    )
    expect(happened.filter(Boolean)).toHaveLength(1)
    const kept = await repository.list()
    expect(kept.filter(({ retiresAt }) => retiresAt === null)).toHaveLength(1)
    expect(kept.some(({ kid }) => kid === 'a')).toBe(happened.indexOf(true) % 2 === 1)
  }
})

test('only keys that retired before the time said are deleted', async () => {
  const repository = await alone()
  await repository.createFirst(key('a'))
  await repository.rotate({ kid: 'a', retiresAt: now + 9 }, key('b'), [], rotation('b'))
  expect(await repository.deleteRetired(now + 9)).toBe(0)
  expect(await repository.deleteRetired(now + 10)).toBe(1)
  expect((await repository.list()).map(({ kid }) => kid)).toEqual(['b'])
})
