import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { findFault, type Parameters, parameterLimits, readParameters } from '../../src/lib/parameters.ts'

function read(raw: string): Parameters {
  const result = readParameters(raw)
  if (result.outcome === 'refused') throw new Error(`refused: ${result.reason}`)
  return result.parameters
}

describe('reading parameters', () => {
  test.each([
    ['a=1&b=2', { a: '1', b: '2' }],
    ['', {}],
    ['&&a=1&&', { a: '1' }],
    ['a=1+2%2B3%263', { a: '1 2+3&3' }],
    ['a=b=c', { a: 'b=c' }],
    ['a%5Bb%5D=1', { 'a[b]': '1' }],
    ['%61=1', { a: '1' }],
    ['a=%E2%82%AC', { a: '€' }],
    ['a=%01%0d%0a', { a: '\u0001\r\n' }],
    ['?a=1', { '?a': '1' }],
    ['a;b=1', { 'a;b': '1' }],
  ])('reads %j as WHATWG does', (raw, expected) => {
    expect(Object.fromEntries(read(raw).values)).toEqual(expected)
  })

  test.each(['a=', 'a', '=&a', 'a=&b='])('takes an empty value for an omitted one: %j', (raw) => {
    expect(read(raw).values.size).toBe(0)
    expect(read(raw).repeated.size).toBe(0)
  })

  test.each(['a=1&a=2', 'a=1&a=1', 'a=&a=1', 'a=1&a', 'a=1&%61=2', 'a=1&b=2&a=%ff'])(
    'takes neither the first nor the last of a repeated parameter: %j',
    (raw) => {
      expect(read(raw).values.has('a')).toBe(false)
      expect([...read(raw).repeated]).toEqual(['a'])
    },
  )

  test('keeps all values of a name that may be repeated, in order and without empty ones', () => {
    const { all } = read('resource=https%3A%2F%2Fa.test&x=1&resource=&resource=https%3A%2F%2Fb.test')
    expect(all.get('resource')).toEqual(['https://a.test', 'https://b.test'])
  })

  test.each(['a=%', 'a=%zz', 'a=%f', 'a=100%25%', 'a=%ff', 'a=%c0%af', 'a=%ed%a0%80', 'a=%00', 'a=x%00y'])(
    'calls a value malformed that parsers or databases disagree about: %j',
    (raw) => {
      expect(read(raw).values.has('a')).toBe(false)
      expect([...read(raw).malformed]).toEqual(['a'])
    },
  )

  test('a name that does not decode is never one that is known', () => {
    const { values, repeated } = read('client_id=good&client_id%=evil&%63lient_id%ff=evil')
    expect(values.get('client_id')).toBe('good')
    expect(repeated.size).toBe(0)
  })

  test('a parameter named like a member of every object is only a parameter', () => {
    const parameters = read('__proto__=1&constructor=2&__proto__%5Bx%5D=3&hasOwnProperty=4')
    expect(parameters.values.get('__proto__')).toBe('1')
    expect([...parameters.values.keys()]).toEqual([
      '__proto__',
      'constructor',
      '__proto__[x]',
      'hasOwnProperty',
    ])
    expect(Object.hasOwn(Object.prototype, 'x')).toBe(false)
  })

  test('counts and measures before it decodes', () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => `p${index}=1`).join('&')
    expect(readParameters(many(parameterLimits.maxParameters)).outcome).toBe('read')
    expect(readParameters(many(parameterLimits.maxParameters + 1))).toEqual({
      outcome: 'refused',
      reason: 'too_many',
    })
    expect(readParameters(`a=${'x'.repeat(parameterLimits.maxLength)}`)).toEqual({
      outcome: 'refused',
      reason: 'too_long',
    })
  })

  test('empty pairs do not hide parameters from the count or from the reader', () => {
    expect(readParameters(`${'&'.repeat(5_000)}a=1`)).toEqual({ outcome: 'refused', reason: 'too_many' })
  })
})

describe('faults', () => {
  test('only of names the reader knows', () => {
    const parameters = read('audience=1&audience=2&state=s&nonce=%')
    expect(findFault(parameters, ['state', 'scope'])).toBeUndefined()
    expect(findFault(parameters, ['state', 'audience'])).toEqual({ name: 'audience', fault: 'repeated' })
    expect(findFault(parameters, ['nonce'])).toEqual({ name: 'nonce', fault: 'malformed' })
  })
})

describe('properties', () => {
  test('agrees with URLSearchParams on everything that is well-formed', () => {
    const name = fc.string({ unit: 'binary', minLength: 1 })
    const value = name.filter((text) => !text.includes('\0'))
    const pairs = fc.uniqueArray(fc.tuple(name, value), {
      selector: ([name]) => name.toWellFormed(),
      maxLength: 20,
    })
    fc.assert(
      fc.property(pairs, (entries) => {
        const form = new URLSearchParams(entries)
        expect([...read(form.toString()).values]).toEqual([...form])
      }),
    )
  })

  test('never throws, and every name has one fate', () => {
    const noise = fc.stringMatching(/^[ab&=%+0-9A-F\u00ff]*$/)
    fc.assert(
      fc.property(fc.oneof(noise, fc.string({ unit: 'binary' })), (raw) => {
        const result = readParameters(raw)
        if (result.outcome === 'refused') return
        const { values, repeated, malformed } = result.parameters
        for (const name of values.keys()) expect(repeated.has(name) || malformed.has(name)).toBe(false)
      }),
      { numRuns: 2_000 },
    )
  })
})
