import { type Command, commonOptions, type Options } from './command.ts'
import { columns } from './show.ts'

/** Every command that begins with these words, one line each. */
export function usageOf(commands: readonly Command[], words: readonly string[] = []): string {
  const wanted = commands.filter((command) => beginsWith(command, words))
  const lines = wanted.map((command) => [`  ${callOf(command)}`, command.summary])
  return `Usage: coatcheck ${[...words, 'COMMAND'].join(' ')}

${columns(lines)}

\`coatcheck COMMAND --help\` has the options of each, docs/cli.md an example. What runs or opens a gateway reads the
COATCHECK_ variables and the file that COATCHECK_CONFIG names; docs/configuration.md has all of them.`
}

export function beginsWith({ name }: Command, words: readonly string[]): boolean {
  const own = name.split(' ')
  return words.every((word, index) => own[index] === word)
}

const callOf = ({ name, arguments: wanted }: Command) => [name, ...wanted].join(' ')

export function helpOf(command: Command): string {
  const { summary, examples, options } = command
  return `Usage: coatcheck ${callOf(command)} [OPTIONS]

${summary[0]?.toUpperCase()}${summary.slice(1)}.

${optionLines({ ...options, ...commonOptions })}

${examples.map((example) => `Example: ${example}`).join('\n')}`
}

function optionLines(options: Options): string {
  return columns(
    Object.entries(options).map(([name, { value, help, repeats }]) => [
      `  --${name}${value === undefined ? '' : ` ${value}`}`,
      repeats ? `${help} (repeat it for more)` : help,
    ]),
  )
}
