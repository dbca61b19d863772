import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { displayExact, displayHost, displayText } from '../../src/lib/display-text.ts'

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  fc.string({
    unit: fc.constantFrom(
      ...[
        'a',
        ' ',
        '\n',
        '\u0301',
        '\u0335',
        '\u202e',
        '\u2066',
        '\u200b',
        '\u200d',
        '\ufeff',
        '\u00ad',
        '\u3164',
      ],
      ...[
        '\u2800',
        '\u115f',
        '\u1100',
        '\u1161',
        '\u{e0041}',
        '\ud800',
        '\udc00',
        '\ue000',
        '…',
        '\0',
        '\u{1f600}',
      ],
    ),
    maxLength: 200,
  }),
)

describe('text from strangers', () => {
  test.each([
    ['a bidi override', 'Cur\u202Esor', 'Cursor'],
    ['isolates', '\u2066admin\u2069', 'admin'],
    ['zero-width characters', 'Git\u200BHub\uFEFF', 'GitHub'],
    ['a soft hyphen', 'Git\u00ADHub', 'GitHub'],
    ['tag characters', 'Claude\u{E0041}\u{E007F}', 'Claude'],
    ['fillers that look like blanks', '\u3164\u115F\uFFA0', ''],
    ['line breaks and tabs', 'Claude\r\n\tverified by\u2028GitHub', 'Claude verified by GitHub'],
    ['a terminal escape', '\u001B[31mred', '[31mred'],
    ['half a character', 'a\uD800b', 'a\uFFFDb'],
    ['private-use characters', 'a\uE000b', 'a\uFFFDb'],
    ['an accent without a letter', '\u0301abc', 'abc'],
    ['blanks at the ends', '  a  b  ', 'a b'],
  ])('neutralises %s', (_what, given, expected) => {
    expect(displayText(given)).toBe(expected)
  })

  test('leaves the writing of the world alone', () => {
    for (const name of ['Zoë', '東京の時計', 'עוזר קוד', 'मेरा सहायक', 'Trợ lý', '🧥 Garderobe']) {
      expect(displayText(name.normalize('NFC'))).toBe(name.normalize('NFC'))
    }
  })

  test('thins a pile of accents', () => {
    expect([...displayText(`a${'\u0335'.repeat(500)}b`)]).toHaveLength(6)
  })

  test('cuts long text and shows that it did', () => {
    expect(displayText('x'.repeat(100), 10)).toBe('xxxxxxxxx…')
  })

  test('holds nothing invisible, is one line, is short enough, and is stable', () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 1, max: 120 }), (text, maxLength) => {
        const shown = displayText(text, maxLength)
        expect(shown).not.toMatch(/[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u)
        expect(shown).not.toMatch(/^\s|\s$|\s\s|[^\S ]|\p{M}{5}/u)
        expect([...shown].length).toBeLessThanOrEqual(maxLength)
        expect(displayText(shown, maxLength)).toBe(shown)
      }),
      { numRuns: 2000 },
    )
  })

  test('is quick even with a megabyte of accents', () => {
    expect([...displayText('\u0335'.repeat(1_000_000))]).toHaveLength(0)
  })
})

describe('hosts and URIs', () => {
  test('ordinary ones stay byte for byte', () => {
    expect(displayHost('xn--bcher-kva.example:8443')).toBe('xn--bcher-kva.example:8443')
    expect(displayExact('https://mcp.example/a?b=%20c')).toBe('https://mcp.example/a?b=%20c')
  })

  test('every other character becomes visible', () => {
    expect(displayHost('git\u200Bhub.com')).toBe('git\\u{200b}hub.com')
    expect(displayHost('gіthub.com')).toBe('g\\u{456}thub.com')
    expect(displayExact('a b\u202E\u{1f600}')).toBe('a\\u{20}b\\u{202e}\\u{1f600}')
  })

  test('a long host keeps its end, a long URI its beginning', () => {
    const host = `${'accounts.google.com.'.repeat(40)}evil.example`
    expect(displayHost(host)).toMatch(/^….*evil\.example$/)
    expect(displayExact(`https://mcp.example/${'x'.repeat(900)}`)).toMatch(/^https:\/\/mcp\.example\/x+…$/)
  })

  test('show only visible ASCII', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(displayHost(text)).toMatch(/^[\x21-\x7E…]*$/)
        expect(displayExact(text)).toMatch(/^[\x21-\x7E…]*$/)
      }),
    )
  })
})
