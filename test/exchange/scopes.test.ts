import fc from 'fast-check'
import { expect, test } from 'vitest'
import { exchangedScopes, openedScopes, openingFor } from '../../src/grants/callers.ts'
import type { Resource } from '../../src/storage/resources.ts'
import { resource } from '../storage/rows.ts'

const theirs = fc.subarray(['a.read', 'a.write', 'a.admin', 'constructor', '__proto__'])
const ours = ['b.read', 'b.write', 'b.admin', 'constructor']

/** A resource with some scopes, and what those of `a` open there. */
const callee = fc
  .record({
    scopes: fc.subarray(ours),
    opens: fc.dictionary(
      theirs.map(([first]) => first ?? 'x'),
      fc.subarray(ours),
    ),
  })
  .map(({ scopes, opens }) => {
    const document = {
      ...resource('b').document,
      scopes: Object.fromEntries(scopes.map((each) => [each, each])),
    }
    return resource('b', { document: { ...document, callers: [{ resource: 'a', for: { ...opens } }] } })
  })

const asked = fc.record({
  held: theirs,
  requested: fc.subarray([...ours, 'unknown']),
  within: fc.subarray(ours).map((scopes) => new Set(scopes)),
})

const opening = (target: Resource) => openingFor(target, { id: 'a' }) ?? new Map<string, string[]>()

test('whatever is written, held and asked for, nothing is granted that is not opened, asked for and the person’s', () => {
  fc.assert(
    fc.property(callee, asked, (target, wish) => {
      const granted = exchangedScopes(target, opening(target), wish)
      const scopes = granted.outcome === 'granted' ? granted.scopes : []
      const entry = target.document.callers?.[0]?.for ?? {}
      for (const scope of scopes) {
        expect(Object.keys(target.document.scopes)).toContain(scope)
        expect(wish.within.has(scope)).toBe(true)
        expect(wish.requested.length === 0 || wish.requested.includes(scope)).toBe(true)
        expect(wish.held.some((each) => Object.hasOwn(entry, each) && entry[each]?.includes(scope))).toBe(
          true,
        )
      }
      // Without a scope that opens something there is no token at all, be it empty.
      if (!wish.held.some((each) => Object.hasOwn(entry, each))) expect(granted.outcome).toBe('refused')
    }),
  )
})

test('who holds more never gets less, and what a refusal says is missing would do', () => {
  fc.assert(
    fc.property(callee, asked, theirs, (target, wish, more) => {
      const before = openedScopes(target, opening(target), wish.held)
      expect(openedScopes(target, opening(target), [...wish.held, ...more])).toEqual(
        expect.arrayContaining(before),
      )
      const granted = exchangedScopes(target, opening(target), wish)
      if (granted.outcome === 'granted' || granted.code !== 'scope_not_granted') return
      for (const scope of granted.missingScopes) {
        const held = [...wish.held, scope]
        expect(exchangedScopes(target, opening(target), { ...wish, held }).outcome).toBe('granted')
      }
    }),
  )
})

test('who is not named may not call, and nobody calls what names nobody', () => {
  const target = resource('b')
  expect(openingFor(target, { id: 'a' })).toBeUndefined()
  const document = { ...target.document, callers: [{ resource: 'c', for: { x: ['y'] } }] }
  expect(openingFor({ ...target, document }, { id: 'a' })).toBeUndefined()
  expect(openingFor({ ...target, document }, { id: 'c' })).toEqual(new Map([['x', ['y']]]))
})
