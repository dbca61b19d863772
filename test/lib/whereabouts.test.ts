import { expect, test } from 'vitest'
import { createWhereabouts } from '../../src/lib/whereabouts.ts'

test('the last who was at an address is known, for a while', () => {
  let now = 1_000
  const { note, lastAt } = createWhereabouts({ lifetime: 60 }, () => now)
  expect(lastAt('192.0.2.1')).toBeUndefined()
  note('192.0.2.1', 'ada')
  note('192.0.2.1', 'bob')
  now += 59
  expect(lastAt('192.0.2.1')).toBe('bob')
  now += 1
  expect(lastAt('192.0.2.1')).toBeUndefined()
})

test('who comes from many addresses pushes out their own, and takes no other person’s', () => {
  const bounds = { lifetime: 60, addresses: 5, addressesOfOne: 2 }
  const { note, lastAt } = createWhereabouts(bounds, () => 1_000)
  note('192.0.2.1', 'ada')
  note('192.0.2.2', 'bob')
  note('192.0.2.2', 'bob')
  for (let host = 0; host < 100; host++) note(`198.51.100.${host}`, 'mallory')
  const known = Array.from({ length: 100 }, (_, host) => lastAt(`198.51.100.${host}`))
  expect(known.filter((person) => person !== undefined)).toEqual(['mallory', 'mallory'])
  expect(lastAt('192.0.2.1')).toBe('ada')
  expect(lastAt('192.0.2.2')).toBe('bob')
})

test('an address where somebody else was since is not forgotten with who was there before', () => {
  const { note, lastAt } = createWhereabouts({ lifetime: 60, addressesOfOne: 1 }, () => 1_000)
  note('192.0.2.1', 'mallory')
  note('192.0.2.1', 'ada')
  note('192.0.2.9', 'mallory')
  expect(lastAt('192.0.2.1')).toBe('ada')
})

test('many people are no more than there is room for', () => {
  const { note, lastAt } = createWhereabouts({ lifetime: 60, addresses: 3 }, () => 1_000)
  for (let host = 0; host < 9; host++) note(`192.0.2.${host}`, `person ${host}`)
  const known = Array.from({ length: 9 }, (_, host) => lastAt(`192.0.2.${host}`))
  expect(known.filter((person) => person !== undefined)).toHaveLength(3)
})
