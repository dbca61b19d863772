import { parseArgs } from 'node:util'
import type { AdminApi, AdminLines } from './admin-api.ts'
import type { Terminal } from './terminal.ts'
import { UsageError } from './usage-error.ts'

/** An option of a command: a flag, or one that takes what `value` stands for. */
export type Option = { value?: string; repeats?: true; help: string }

export type Options = Readonly<Record<string, Option>>

/** What a command answers: words for a person, and the same as JSON. */
export type Answer = { text: string; json?: unknown; exitCode?: number }

/** One call of a command, checked against what the command takes. */
export type Call = {
  /** The argument of that name, which must be there. */
  argument(name: string): string
  text(option: string): string | undefined
  list(option: string): string[]
  isSet(option: string): boolean
  terminal: Terminal
  /** Finds the gateway and the administrator's credential when it is first asked for. */
  api(): AdminApi
  /** The same, for answers in lines. */
  lines(): AdminLines
}

export type Command = {
  /** `provider set`. */
  name: string
  /** Upper case, in their order: `ID`. */
  arguments: readonly string[]
  summary: string
  options: Options
  examples: readonly string[]
  run(call: Call): Promise<Answer>
}

/** What every command takes. */
export const commonOptions: Options = {
  json: { help: 'answer JSON, for programs' },
  help: { help: 'show this' },
}

/** What every command takes that speaks to the admin API. */
export const apiOptions: Options = {
  url: { value: 'URL', help: 'the gateway; COATCHECK_ISSUER unless said' },
  user: { value: 'NAME', help: 'be this named administrator' },
  'password-file': {
    value: 'FILE',
    help: 'the password of --user (- is standard input); asked for unless said',
  },
  'token-file': { value: 'FILE', help: 'the administrator’s token; COATCHECK_ADMIN_TOKEN unless said' },
}

export type Parsed = Pick<Call, 'argument' | 'text' | 'list' | 'isSet'>

/** Reads what follows a command's name. Throws `UsageError`, which repeats no value: it may be a secret. */
export function parseCall(command: Command, args: readonly string[]): Parsed {
  const options = { ...command.options, ...commonOptions }
  const { values, positionals } = parsed(options, args)
  const isHelp = values.has('help')
  if (!isHelp) checkCount(command, positionals.length)
  for (const [name, given] of values) {
    if (given.length > 1 && !options[name]?.repeats) throw new UsageError(`--${name} stands there twice`)
  }
  return {
    argument: (name) => positionals[command.arguments.indexOf(name)] ?? '',
    text: (name) => values.get(name)?.[0],
    list: (name) => values.get(name) ?? [],
    isSet: (name) => values.has(name),
  }
}

function checkCount({ name, arguments: wanted }: Command, count: number): void {
  const missing = wanted[count]
  if (missing !== undefined) throw new UsageError(`${name} needs ${missing}`)
  if (count > wanted.length) throw new UsageError(`${name} takes fewer arguments`)
}

function parsed(options: Options, args: readonly string[]) {
  const known = Object.fromEntries(
    Object.entries(options).map(([name, { value }]) => [
      name,
      { type: value === undefined ? ('boolean' as const) : ('string' as const), multiple: true as const },
    ]),
  )
  // Node's own refusals quote what was written.
  const { tokens } = parseArgs({ args: [...args], options: known, strict: false, tokens: true })
  const values = new Map<string, string[]>()
  const positionals: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined
    if (!option) throw new UsageError(`${token.rawName} is not an option of this command`)
    if (option.value !== undefined && token.value === undefined) {
      throw new UsageError(`--${token.name} needs ${option.value}`)
    }
    if (option.value === undefined && token.value !== undefined) {
      throw new UsageError(`--${token.name} takes no value`)
    }
    values.set(token.name, [...(values.get(token.name) ?? []), token.value ?? ''])
  }
  return { values, positionals }
}
