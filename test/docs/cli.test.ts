import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { commands } from '../../src/cli/commands.ts'
import { checkCall, commandOf, wordsOf } from '../support/shown-calls.ts'

const page = readFileSync('docs/cli.md', 'utf8')
const blocks = [...page.matchAll(/```sh\n(.*?)```/gs)].map(([, text = '']) => text)
const shown = blocks.flatMap((text) => text.split('\n')).filter((line) => line.startsWith('coatcheck '))

const callOf = (line: string) => wordsOf(line).slice(1)

test('every command stands in docs/cli.md with an example', () => {
  const named = new Set(shown.map((line) => commandOf(callOf(line))?.name))
  expect(commands.map(({ name }) => name).filter((name) => !named.has(name))).toEqual([])
})

const examples = commands
  .flatMap((command) => command.examples)
  .filter((line) => line.startsWith('coatcheck '))

test.each([...shown, ...examples])('%s is a call that is taken', (line) => {
  expect(() => checkCall(callOf(line))).not.toThrow()
})
