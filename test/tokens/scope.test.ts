import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatScope, grantScopes, narrow, parseScope } from '../../src/tokens/scope.ts'

describe('a scope string', () => {
  test.each([
    ['', []],
    ['read', ['read']],
    ['read write', ['read', 'write']],
    ['  read   write ', ['read', 'write']],
    ['read write read', ['read', 'write']],
    ['https://api.test/a.b:c!#[]~', ['https://api.test/a.b:c!#[]~']],
  ])('%j is %j', (text, scopes) => {
    expect(parseScope(text)).toEqual(scopes)
  })

  test.each(['"read"', 'a\\b', 'é', 'read\twrite', 'read\nwrite', '\0', '\x7f'])('%j is none', (text) => {
    expect(parseScope(text)).toBeUndefined()
  })

  test('survives being written and read', () => {
    const scope = fc.stringMatching(/^[\x21\x23-\x5B\x5D-\x7E]{1,20}$/)
    fc.assert(
      fc.property(fc.uniqueArray(scope), (scopes) => {
        expect(parseScope(formatScope(scopes))).toEqual(scopes)
      }),
    )
  })
})

describe('granting scopes', () => {
  const offered = ['repo.read', 'repo.write', 'issues', 'offline_access']
  const defaults = ['repo.read']

  test.each([
    ['gives the defaults to who asks for nothing', undefined, ['repo.read']],
    ['gives the defaults to who sends an empty scope', [], ['repo.read']],
    ['gives what was asked, in the order offered', ['issues', 'repo.read'], ['repo.read', 'issues']],
    ['drops what is unknown', ['openid', 'issues', 'claudeai'], ['issues']],
    ['gives the defaults if nothing asked is known', ['openid', 'profile'], ['repo.read']],
    ['knows no wildcard', ['*'], ['repo.read']],
    ['knows no prefix', ['repo', 'repo.', 'repo.rea'], ['repo.read']],
    ['knows no extension', ['repo.readwrite', 'issues:all'], ['repo.read']],
    ['knows no other case', ['ISSUES'], ['repo.read']],
    [
      'keeps offline_access beside what was asked',
      ['offline_access', 'issues'],
      ['issues', 'offline_access'],
    ],
    ['keeps offline_access beside the defaults', ['offline_access'], ['repo.read', 'offline_access']],
    [
      'does not take offline_access for a known scope',
      ['offline_access', 'openid'],
      ['repo.read', 'offline_access'],
    ],
  ])('%s', (_, requested, scopes) => {
    expect(grantScopes({ requested, offered, defaults })).toEqual({ outcome: 'granted', scopes })
  })

  test('drops offline_access where the gateway does not offer it', () => {
    const request = { requested: ['issues', 'offline_access'], offered: ['issues'], defaults: [] }
    expect(grantScopes(request)).toEqual({ outcome: 'granted', scopes: ['issues'] })
  })

  test('fails only where nothing is known, there is something to ask for and there is no default', () => {
    const answer = (requested: string[] | undefined, from: string[]) =>
      grantScopes({ requested, offered: from, defaults: [] })
    expect(answer(['openid'], offered)).toEqual({ outcome: 'invalid_scope' })
    expect(answer(['openid', 'offline_access'], offered)).toEqual({ outcome: 'invalid_scope' })
    expect(answer(undefined, offered)).toEqual({ outcome: 'granted', scopes: [] })
    expect(answer(['openid'], [])).toEqual({ outcome: 'granted', scopes: [] })
    expect(answer(['openid', 'offline_access'], ['offline_access'])).toEqual({
      outcome: 'granted',
      scopes: ['offline_access'],
    })
  })

  test('a default that is not offered is not given', () => {
    const request = { requested: undefined, offered: ['a'], defaults: ['a', 'b', 'offline_access'] }
    expect(grantScopes(request)).toEqual({ outcome: 'granted', scopes: ['a'] })
  })

  const name = fc.constantFrom('a', 'b', 'c', 'd', 'a.b', '*', 'offline_access')
  const names = fc.uniqueArray(name)

  test('never gives what is not offered, nor what was neither asked for nor default, nor anything twice', () => {
    fc.assert(
      fc.property(fc.option(names, { nil: undefined }), names, names, (requested, from, standard) => {
        const answer = grantScopes({ requested, offered: from, defaults: standard })
        if (answer.outcome === 'invalid_scope') return
        expect(new Set(answer.scopes).size).toBe(answer.scopes.length)
        for (const scope of answer.scopes) {
          expect(from).toContain(scope)
          expect([...(requested ?? []), ...standard]).toContain(scope)
        }
      }),
    )
  })

  test('asking for what was granted grants the same', () => {
    fc.assert(
      fc.property(names, names, names, (requested, from, standard) => {
        const first = grantScopes({ requested, offered: from, defaults: standard })
        if (first.outcome === 'invalid_scope' || first.scopes.length === 0) return
        expect(grantScopes({ requested: first.scopes, offered: from, defaults: standard })).toEqual(first)
      }),
    )
  })
})

describe('narrowing at refresh', () => {
  const held = ['a', 'b', 'offline_access']

  test.each([
    [undefined, held],
    [[], held],
    [['b'], ['b']],
    [
      ['offline_access', 'a'],
      ['a', 'offline_access'],
    ],
    [['a', 'c'], undefined],
    [['c'], undefined],
    [['*'], undefined],
    [['A'], undefined],
  ])('asked for %j of a, b and offline_access gives %j', (requested, scopes) => {
    expect(narrow(requested, held)).toEqual(scopes)
  })

  test('does not hand out the list that is kept', () => {
    expect(narrow(undefined, held)).not.toBe(held)
  })

  const word = fc.constantFrom(
    'a',
    'b',
    'A',
    'ab',
    'a.b',
    '*',
    '',
    'offline_access',
    '__proto__',
    'constructor',
  )
  const words = fc.uniqueArray(word)

  test('gives exactly what was asked where all of it is held, and nothing at all otherwise', () => {
    fc.assert(
      fc.property(words, words, (requested, from) => {
        const scopes = narrow(requested, from)
        if (requested.length === 0) expect(scopes).toEqual(from)
        else if (requested.every((scope) => from.includes(scope))) {
          expect(scopes).toEqual(from.filter((scope) => requested.includes(scope)))
        } else expect(scopes).toBeUndefined()
      }),
    )
  })

  test('twice never gives more than once', () => {
    fc.assert(
      fc.property(words, words, words, (first, second, from) => {
        const once = narrow(first, from)
        const twice = once && narrow(second, once)
        for (const scope of twice ?? []) {
          expect(once).toContain(scope)
          expect(from).toContain(scope)
        }
      }),
    )
  })

  test('what a text asks for and is granted is held, each a scope by itself, in whatever spelling', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.stringMatching(/^[ab .*\t"\\\n\u00a0A]{0,12}$/),
      fc.array(fc.constantFrom('a', 'b', 'c', ' ', '  ')).map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(text, (asked) => {
        const requested = parseScope(asked)
        if (requested === undefined) return
        for (const scope of requested) {
          expect(scope).toMatch(/^[\x21\x23-\x5B\x5D-\x7E]+$/)
          expect(asked.split(' ')).toContain(scope)
        }
        expect(new Set(requested).size).toBe(requested.length)
        for (const scope of narrow(requested, held) ?? []) expect(held).toContain(scope)
      }),
      { numRuns: 2_000 },
    )
  })
})
