import fc from 'fast-check'
import { expect, test } from 'vitest'
import { html } from '../../src/lib/html.ts'

test('escapes strings', () => {
  expect(String(html`<p title="${'"><script>'}">${"&'<"}</p>`)).toBe(
    '<p title="&quot;&gt;&lt;script&gt;">&amp;&#39;&lt;</p>',
  )
})

test('passes markup through, once escaped', () => {
  const inner = html`<b>${'<'}</b>`
  expect(String(html`<p>${inner}</p>`)).toBe('<p><b>&lt;</b></p>')
})

test('joins arrays of strings and markup', () => {
  expect(String(html`${['<', html`<br>`, ['a', 1]]}`)).toBe('&lt;<br>a1')
})

test('renders nothing for undefined, and zero for zero', () => {
  expect(String(html`[${undefined}][${0}]`)).toBe('[][0]')
})

test('keeps a dollar sign and its neighbours as they are', () => {
  expect(String(html`${"$& $1 $'"}`)).toBe('$&amp; $1 $&#39;')
})

test('nothing that came as JSON passes for markup', () => {
  const forged = JSON.parse('{"markup":"<script>","toString":"<script>"}')
  expect(() => String(html`${forged}`)).toThrow(TypeError)
})

test('no string can open a tag or leave an attribute', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(String(html`${text}`)).not.toMatch(/[<>"']/)
    }),
  )
})

test('no two strings render alike', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(...'&<>"\'lt;#39gamposqu') }),
      fc.string(),
      (left, right) => {
        expect(String(html`${left}`) === String(html`${right}`)).toBe(left === right)
      },
    ),
  )
})
