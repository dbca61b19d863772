import { type Command, parseCall } from '../../src/cli/command.ts'
import { commands } from '../../src/cli/commands.ts'

/** The words of a line as a shell splits it, as far as pages and files go. */
export const wordsOf = (line: string): string[] =>
  [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, single, double, bare]) => single ?? double ?? bare ?? '',
  )

/** The command whose words a call begins with, without `coatcheck` itself. */
export const commandOf = (words: readonly string[]): Command | undefined =>
  commands.find(({ name }) => name === words.slice(0, name.split(' ').length).join(' '))

/** Throws where the call is none that is taken. `mention`: what only has to be taken as far as it goes. */
export function checkCall(words: readonly string[], extent: 'whole' | 'mention' = 'whole'): void {
  const command = commandOf(words)
  if (!command) throw new Error(`there is no command ${words.join(' ')}`)
  const rest = words.slice(command.name.split(' ').length)
  // Whoever asks for help need not say the rest.
  parseCall(command, extent === 'mention' ? [...rest, '--help'] : rest)
}
