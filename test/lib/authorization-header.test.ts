import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseBasic } from '../../src/lib/basic-credentials.ts'
import { parseBearer } from '../../src/lib/bearer-token.ts'

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`

describe('Authorization: Basic', () => {
  test.each([
    ['id:secret', [{ id: 'id', secret: 'secret' }]],
    ['id:', [{ id: 'id', secret: '' }]],
    ['id:a:b', [{ id: 'id', secret: 'a:b' }]],
    ['ünï:ço dé', [{ id: 'ünï', secret: 'ço dé' }]],
    [
      'https%3A%2F%2Fc.test:a%2Fb',
      [
        { id: 'https%3A%2F%2Fc.test', secret: 'a%2Fb' },
        { id: 'https://c.test', secret: 'a/b' },
      ],
    ],
    [
      'id:a+b',
      [
        { id: 'id', secret: 'a+b' },
        { id: 'id', secret: 'a b' },
      ],
    ],
  ])('reads %j both ways where they differ', (text, readings) => {
    expect(parseBasic(basic(text))).toEqual(readings)
  })

  test.each(['basic', 'BASIC', 'bAsIc', 'Basic  '])('reads the scheme %j in any case', (scheme) => {
    expect(parseBasic(`${scheme} aWQ6c2VjcmV0`)).toEqual([{ id: 'id', secret: 'secret' }])
  })

  test.each([
    ['no header', undefined],
    ['nothing', ''],
    ['no credentials', 'Basic'],
    ['no credentials after a space', 'Basic '],
    ['another scheme', 'Bearer aWQ6c2VjcmV0'],
    ['no space', 'BasicaWQ6c2VjcmV0'],
    ['a space in front', ' Basic aWQ6c2VjcmV0'],
    ['a tab', 'Basic\taWQ6c2VjcmV0'],
    ['something behind', 'Basic aWQ6c2VjcmV0, Bearer x'],
    ['auth-params', 'Basic realm="x"'],
    ['no colon', basic('idsecret')],
    ['no id', basic(':secret')],
    ['base64url', 'Basic aWQ6_-__'],
    ['missing padding', 'Basic aWQ6c2VjcmU'],
    ['too much padding', 'Basic aWQ6c2VjcmV0=='],
    ['leftover bits', 'Basic aWQ6c2VjcmV='],
    ['bytes that are not UTF-8', `Basic ${Buffer.from([0x69, 0x3a, 0xff]).toString('base64')}`],
    ['a control character', basic('id:sec\0ret')],
    ['a line feed', basic('id:sec\nret')],
    ['a stray percent sign', basic('id:50%')],
    ['bad percent-encoding in the id', basic('i%zz:secret')],
    ['percent-encoding that is not UTF-8', basic('id:%ff')],
    ['too many characters', basic(`id:${'x'.repeat(10_000)}`)],
  ])('refuses %s', (_, header) => {
    expect(parseBasic(header)).toBeUndefined()
  })

  const component = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => text.isWellFormed())

  test('credentials that were form-encoded come back as one reading', () => {
    const encode = (text: string) => new URLSearchParams({ '': text }).toString().slice(1)
    fc.assert(
      fc.property(component, component, (id, secret) => {
        expect(parseBasic(basic(`${encode(id)}:${encode(secret)}`))).toContainEqual({ id, secret })
      }),
    )
  })

  test('credentials of our own alphabet have a single reading', () => {
    const own = fc.stringMatching(/^[A-Za-z0-9._~-]+$/)
    fc.assert(
      fc.property(own, own, (id, secret) => {
        expect(parseBasic(basic(`${id}:${secret}`))).toEqual([{ id, secret }])
      }),
    )
  })

  test('never throws', () => {
    const header = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.base64String().map((text) => `Basic ${text}`),
      fc.uint8Array().map((bytes) => `Basic ${Buffer.from(bytes).toString('base64')}`),
    )
    fc.assert(
      fc.property(header, (text) => {
        for (const reading of parseBasic(text) ?? []) expect(reading.id).not.toBe('')
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('Authorization: Bearer', () => {
  test.each(['Bearer', 'bearer', 'BEARER'])('reads the scheme as %j', (scheme) => {
    expect(parseBearer(`${scheme} abc.DEF-_~+/==`)).toBe('abc.DEF-_~+/==')
  })

  test.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'Basic abc',
    'Bearerabc',
    ' Bearer abc',
    'Bearer\tabc',
    'Bearer a b',
    'Bearer abc ',
    'Bearer abc, Bearer def',
    'Bearer a=b',
    'Bearer ==',
    'Bearer "abc"',
    'Bearer é',
    `Bearer ${'a'.repeat(20_000)}`,
  ])('refuses %j', (header) => {
    expect(parseBearer(header)).toBeUndefined()
  })

  test('gives back exactly the token or nothing', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const token = parseBearer(`Bearer ${text}`)
        if (token !== undefined) expect(text.trimStart()).toBe(token)
      }),
    )
  })
})
