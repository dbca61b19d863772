import { AdminApiError, createAdminApi, createAdminLines } from './admin-api.ts'
import { type Call, type Command, parseCall } from './command.ts'
import { commands } from './commands.ts'
import { explain } from './explain.ts'
import { findGate } from './gate.ts'
import { beginsWith, helpOf, usageOf } from './help.ts'
import { jsonText } from './show.ts'
import type { Terminal } from './terminal.ts'
import { UsageError } from './usage-error.ts'

/** What a call of `coatcheck` comes to: what it says, on which stream, and its exit code. */
export type Outcome = { out?: string; err?: string; exitCode: number }

/** Runs one call. 0: done; 1: it failed, or found something wrong; 2: the call itself was wrong. */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<Outcome> {
  const command = commandOf(args)
  if (!command) return withoutCommand(args)
  try {
    return await runCommand(command, args.slice(command.name.split(' ').length), terminal)
  } catch (error) {
    if (error instanceof UsageError) {
      return { err: `Coatcheck: ${error.message}\nSee: coatcheck ${command.name} --help`, exitCode: 2 }
    }
    const problem = error instanceof AdminApiError && args.includes('--json') ? error.problem : undefined
    const out = problem && { out: jsonText(problem, 2) }
    return { ...out, err: `Coatcheck: ${explain(error)}`, exitCode: 1 }
  }
}

async function runCommand(command: Command, args: readonly string[], terminal: Terminal): Promise<Outcome> {
  const parsed = parseCall(command, args)
  if (parsed.isSet('help')) return { out: helpOf(command), exitCode: 0 }
  const call: Call = {
    ...parsed,
    terminal,
    api: () => createAdminApi(findGate(parsed, terminal)),
    lines: () => createAdminLines(findGate(parsed, terminal)),
  }
  const { text, json, exitCode = 0 } = await command.run(call)
  const out = parsed.isSet('json') ? jsonText(json, 2) : text
  return { ...(out ? { out } : {}), exitCode }
}

/** The command whose words the call begins with; the longest, should one begin another. */
function commandOf(args: readonly string[]): Command | undefined {
  const fitting = commands.filter(({ name }) => name.split(' ').every((word, index) => args[index] === word))
  return fitting.toSorted((a, b) => b.name.length - a.name.length)[0]
}

function withoutCommand(args: readonly string[]): Outcome {
  const options = args.findIndex((arg) => arg.startsWith('-'))
  const words = options === -1 ? args : args.slice(0, options)
  const isAsked = words[0] === 'help' || args[options] === '--help' || args[options] === '-h'
  const about = words[0] === 'help' ? words.slice(1) : words
  const one = commands.find(({ name }) => name === about.join(' '))
  if (isAsked && one) return { out: helpOf(one), exitCode: 0 }
  const isKnown = commands.some((command) => beginsWith(command, about))
  const usage = usageOf(commands, isKnown ? about : [])
  if (isAsked && isKnown) return { out: usage, exitCode: 0 }
  if (args.length === 0 || (words.length > 0 && isKnown)) return { err: usage, exitCode: 2 }
  return { err: `Coatcheck does not know the command ${args.join(' ')}.\n\n${usage}`, exitCode: 2 }
}
