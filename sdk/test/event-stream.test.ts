import fc from 'fast-check'
import { expect, test } from 'vitest'
import { eventStreamEditor, type Piece } from '../src/event-stream.ts'
import type { AnswerEdit } from '../src/tool-list.ts'

const encoder = new TextEncoder()

/** What becomes of a stream that comes in chunks of these sizes, over and over. */
async function edited(stream: Uint8Array, sizes: readonly number[], edit: AnswerEdit): Promise<Buffer> {
  const editor = eventStreamEditor(edit)
  const pieces: Piece[] = []
  for (let at = 0, turn = 0; at < stream.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1
    pieces.push(...editor.push(stream.slice(at, at + size)))
    at += size
  }
  pieces.push(...editor.end())
  return Buffer.concat(await Promise.all(pieces))
}

const lineEnds = ['\n', '\r\n', '\r'] as const
const lines = fc.constantFrom(
  ': a comment',
  'id: 7',
  'event: message',
  'retry: 10',
  'data',
  'data:',
  'data: ',
  'data: {"jsonrpc":"2.0"}',
  'data:ü ☃ 🎩',
  'database: no',
  ' data: no',
  '',
)
const streams = fc
  .tuple(
    fc.constantFrom('', '\ufeff'),
    fc.array(fc.tuple(lines, fc.constantFrom(...lineEnds)), { maxLength: 20 }),
    lines,
  )
  .map(([mark, written, last]) => encoder.encode(mark + written.flat().join('') + last))
const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 })

test('whatever is not changed passes byte for byte, wherever the chunks end', async () => {
  await fc.assert(
    fc.asyncProperty(streams, sizes, fc.boolean(), async (stream, by, isLate) => {
      const same: AnswerEdit = (text) => (isLate ? Promise.resolve(text) : text)
      expect(await edited(stream, by, same)).toEqual(Buffer.from(stream))
    }),
    { numRuns: 500 },
  )
})

test('what is changed is the same however it is cut up, and the rest of its event stays', async () => {
  const stream = encoder.encode(
    '\ufeff: hi\r\ndata: secret ☃\r\nid: 1\r\ndata: more\r\n\r\nid: 2\rdata: other\r\r',
  )
  const hide: AnswerEdit = (text) => (text === 'secret ☃\nmore' ? '🎩' : text)
  const expected = '\ufeff: hi\r\ndata: 🎩\r\nid: 1\r\n\r\nid: 2\rdata: other\r\r'
  await fc.assert(
    fc.asyncProperty(sizes, async (by) => {
      expect((await edited(stream, by, hide)).toString()).toBe(expected)
    }),
  )
})

test('an event that is cut off at the end is looked into, too', async () => {
  const hide: AnswerEdit = (text) => (text === 'secret' ? 'hidden' : text)
  expect(String(await edited(encoder.encode('id: 1\ndata: secret'), [4], hide))).toBe('id: 1\ndata: hidden')
  expect(String(await edited(encoder.encode('data: secret\n'), [4], hide))).toBe('data: hidden\n')
})

test('nothing waits but an event, from its first data to its end', () => {
  const editor = eventStreamEditor((text) => text)
  const pushed = (text: string) => Buffer.concat(editor.push(encoder.encode(text)) as Uint8Array[]).toString()
  expect(pushed(': ping\nid: 4\n')).toBe(': ping\nid: 4\n')
  expect(pushed('data: a')).toBe('')
  expect(pushed('\nevent: x\n')).toBe('')
  expect(pushed('\n: next')).toBe('data: a\nevent: x\n\n')
  expect(pushed('\n')).toBe(': next\n')
})
