import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

// What a process keeps in mind may be out of date at another one. Whoever keeps something new says what bounds that.

const [, chapter = ''] = readFileSync('docs/security-model.md', 'utf8').split(
  /^#### What each process keeps in mind$/m,
)
const [section = ''] = chapter.split(/^###? /m)
const named = [...section.matchAll(/`(src\/[\w/-]+\.ts)`/g)].map(([, file = '']) => file)

/**
 * Below, things are kept for whoever calls; those of the storage are connections, statements and the like. What hangs
 * on a request is gone with it.
 */
const keeps =
  /\b(putBounded|createMemory|createBudget|createPasswords)\(|new WeakMap<(?!Fastify(?:Request|Reply)\b)/
const keepers = globSync('src/**/*.ts')
  .filter((file) => !/^src\/(lib|storage)\//.test(file))
  .filter((file) => keeps.test(readFileSync(file, 'utf8')))

test('docs/security-model.md says of everything a process keeps in mind why it is not out of date', () => {
  expect(keepers.length).toBeGreaterThan(8)
  expect(keepers.filter((file) => !named.includes(file))).toEqual([])
})

test('and names no file that is not there', () => {
  const there = globSync('src/**/*.ts')
  expect(named.filter((file) => !there.includes(file))).toEqual([])
})
