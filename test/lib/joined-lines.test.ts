import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { joinedLines } from '../../src/lib/joined-lines.ts'

function open() {
  const written: string[] = []
  return { written, lines: joinedLines({ write: (text) => written.push(text) }) }
}

test('the lines of one turn are written at once, in their order', async () => {
  const { written, lines } = open()
  lines.write('one\n')
  lines.write('two\n')
  expect(written).toEqual([])
  await nextTurn()
  lines.write('three\n')
  await nextTurn()
  expect(written).toEqual(['one\ntwo\n', 'three\n'])
})

test('what waits is written when somebody is about to end, and not again', async () => {
  const { written, lines } = open()
  lines.write('last\n')
  lines.flush()
  lines.flush()
  await nextTurn()
  expect(written).toEqual(['last\n'])
})
