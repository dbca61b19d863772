import { expect, test } from 'vitest'
import { equalSecrets, newId, newSecret, sha256 } from '../../src/lib/secret.ts'

const many = <Value>(make: () => Value) => Array.from({ length: 2_000 }, make)

test.each([
  ['secrets', () => newSecret('cc_code_'), 'cc_code_', 43],
  ['ids', () => newId('client_'), 'client_', 22],
] as const)('two thousand %s are unlike each other and look like chance', (_what, make, prefix, length) => {
  const values = many(make)
  expect(new Set(values).size).toBe(values.length)
  const bodies = values.map((value) => value.slice(prefix.length))
  for (const [index, value] of values.entries()) {
    expect(value.startsWith(prefix)).toBe(true)
    expect(bodies[index]).toMatch(new RegExp(`^[\\w-]{${length}}$`))
  }
  // No common beginning, as a counter or a clock would give: of 2,000, no two share their first eight characters.
  expect(new Set(bodies.map((body) => body.slice(0, 8))).size).toBe(values.length)
  // Every character as often as every other: chi squared of 63 degrees of freedom stays under 150 but once in 10^8.
  const counts = new Map<string, number>()
  // The last character carries fewer bits.
  for (const character of bodies.map((body) => body.slice(0, -1)).join('')) {
    counts.set(character, (counts.get(character) ?? 0) + 1)
  }
  expect(counts.size).toBe(64)
  const expected = (values.length * (length - 1)) / 64
  const chi = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
  expect(chi).toBeLessThan(150)
})

test.each([
  ['a', 'a', true],
  ['', '', true],
  ['a', 'A', false],
  ['a', 'a ', false],
  ['a', '', false],
  ['a', 'aa', false],
])('%j and %j are the same secret: %s', (left, right, same) => {
  expect(equalSecrets(left, right)).toBe(same)
  expect(sha256(left) === sha256(right)).toBe(same)
})
