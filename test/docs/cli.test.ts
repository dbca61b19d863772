import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parseCall } from '../../src/cli/command.ts'
import { commands } from '../../src/cli/commands.ts'

const page = readFileSync('docs/cli.md', 'utf8')
const blocks = [...page.matchAll(/```sh\n(.*?)```/gs)].map(([, text = '']) => text)
const shown = blocks.flatMap((text) => text.split('\n')).filter((line) => line.startsWith('coatcheck '))

/** The words of a line as a shell splits it, as far as the page goes. */
const wordsOf = (line: string) =>
  [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '').slice(1)

const commandOf = (words: readonly string[]) =>
  commands.find(({ name }) => name === words.slice(0, name.split(' ').length).join(' '))

test('every command stands in docs/cli.md with an example', () => {
  const named = new Set(shown.map((line) => commandOf(wordsOf(line))?.name))
  expect(commands.map(({ name }) => name).filter((name) => !named.has(name))).toEqual([])
})

const examples = commands
  .flatMap((command) => command.examples)
  .filter((line) => line.startsWith('coatcheck '))

test.each([...shown, ...examples])('%s is a call that is taken', (line) => {
  const words = wordsOf(line)
  const command = commandOf(words)
  expect(command).toBeDefined()
  if (command) expect(() => parseCall(command, words.slice(command.name.split(' ').length))).not.toThrow()
})
