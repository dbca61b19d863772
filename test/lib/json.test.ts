import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readJson } from '../../src/lib/json.ts'

const read = (text: string) => readJson(Buffer.from(text))
const refused = { outcome: 'refused', says: expect.any(String) }

describe('reading JSON', () => {
  test.each([
    ['{}', {}],
    ['null', null],
    [' [1, "a", true] ', [1, 'a', true]],
    ['{"a":{"a":[{"a":1},{"a":2}]},"b":"a"}', { a: { a: [{ a: 1 }, { a: 2 }] }, b: 'a' }],
    ['["a","a",{"b":"b"},"b"]', ['a', 'a', { b: 'b' }, 'b']],
    ['{"a":"\\"{\\"a\\":1,\\"a\\":2}"}', { a: '"{"a":1,"a":2}' }],
    ['{"a\\\\":1,"a":2}', { 'a\\': 1, a: 2 }],
    ['{"a":["b","b"],"b":","}', { a: ['b', 'b'], b: ',' }],
    ['{"constructor":1,"toString":2}', { constructor: 1, toString: 2 }],
    ['{"a":"1e400","b":[1e308,-0,1E-400]}', { a: '1e400', b: [1e308, -0, 0] }],
  ])('%s', (text, value) => {
    expect(read(text)).toEqual({ outcome: 'read', value })
  })

  test.each([
    ['nothing', ''],
    ['space', ' \n'],
    ['a name twice', '{"a":1,"a":1}'],
    ['a name twice, one time escaped', '{"a":1,"\\u0061":2}'],
    ['a name twice far inside', '[{"x":[{"a":{},"b":[],"a":3}]}]'],
    ['a name twice behind an object', '{"a":{"b":{"c":1}},"b":1,"a":2}'],
    ['a name twice behind a text that looks like its end', '{"a":"}","a":2}'],
    ['a name that is empty, twice', '{"":1,"":2}'],
    ['a poisoned prototype', '{"a":{"__proto__":{"b":1}}}'],
    ['a poisoned prototype, escaped', '{"\\u005f_proto__":{}}'],
    ['a byte order mark', '\ufeff{}'],
    ['a byte order mark inside', '{\ufeff}'],
    ['one list too many', '['.repeat(33) + ']'.repeat(33)],
    ['a hundred thousand lists', '['.repeat(100_000) + ']'.repeat(100_000)],
    ['a comment', '{/* */}'],
    ['a comma too many', '[1,]'],
    ['text after its end', '{}{}'],
    ['NaN', 'NaN'],
    ['a number too large', '{"a":1e400}'],
    ['a number too small', '[1,-1E+309]'],
    ['a number of four hundred digits', `[${'9'.repeat(400)}]`],
    ['a line feed in a text', '"a\nb"'],
  ])('is refused with %s', (_what, text) => {
    expect(read(text)).toEqual(refused)
  })

  test.each([
    ['UTF-16', Buffer.from('\ufeff{}', 'utf16le')],
    ['ISO 8859-1', Buffer.from('{"a":"\xe9"}', 'latin1')],
    ['an overlong character', Buffer.from([0x22, 0xc0, 0xaf, 0x22])],
    ['half a surrogate pair', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
    ['half a character', Buffer.from([0x22, 0xe2, 0x82])],
  ])('is refused in %s', (_what, bytes) => {
    expect(readJson(bytes)).toEqual(refused)
  })

  // A dictionary has each name once; `__proto__` is not for anybody.
  const value = fc.jsonValue({ maxDepth: 5 }).filter((each) => !JSON.stringify(each).includes('__proto__'))

  test('gives back everything that JSON can say', () => {
    fc.assert(
      fc.property(value, fc.constantFrom(0, 2), (any, indent) => {
        const text = JSON.stringify(any, undefined, indent)
        expect(read(text)).toEqual({ outcome: 'read', value: JSON.parse(text) })
      }),
    )
  })

  test('finds a name that is repeated, wherever it stands and whatever lies between', () => {
    const name = fc.string({ unit: 'grapheme', maxLength: 6 }).filter((text) => text !== '__proto__')
    fc.assert(
      fc.property(name, value, value, fc.nat(5), (key, first, second, depth) => {
        const quoted = JSON.stringify(key)
        const members = [quoted, JSON.stringify(first), JSON.stringify({ [key]: 0 }), JSON.stringify(second)]
        const inner = `{${members[0]}:${members[1]},"_${key.length}_":[${members[2]}],${members[0]}:${members[3]}}`
        const text = '[{"a":'.repeat(depth) + inner + '}]'.repeat(depth)
        expect(read(text)).toMatchObject({ outcome: 'refused' })
      }),
    )
  })

  test('never throws, and never reads what JSON.parse would not', () => {
    const noise = fc.stringMatching(/^[{}[\],:"\\ua01e. -]*$/)
    fc.assert(
      fc.property(fc.oneof(noise, fc.json(), fc.string({ unit: 'binary' })), (text) => {
        const answer = read(text)
        if (answer.outcome === 'read') expect(answer.value).toEqual(JSON.parse(text))
      }),
      { numRuns: 3_000 },
    )
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void readJson(bytes)))
  })

  test('takes the time of its length, whatever is in it', () => {
    const hard = [
      '"\\'.repeat(30_000),
      `"${'\\"'.repeat(30_000)}`,
      `{"a":"${'\\\\'.repeat(30_000)}"}`,
      '{"a":'.repeat(12_000),
      `[${'"a",'.repeat(16_000)}"a"]`,
    ]
    const before = performance.now()
    for (const text of hard) read(text)
    expect(performance.now() - before).toBeLessThan(2_000)
  })
})
