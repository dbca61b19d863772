import { type Outcome, runCli } from '../../src/cli/run.ts'
import type { Screen } from '../../src/cli/terminal.ts'
import type { TestGateway } from './gateway.ts'

export type CliOptions = {
  env?: Record<string, string>
  files?: Record<string, string>
  input?: string
  /** A file unless said. */
  screen?: Screen
}

/** One call of the command line, with these files and this standard input and nothing else. */
export async function coatcheck(
  args: readonly string[],
  { env = {}, files = {}, input, screen = { columns: undefined, isColored: false } }: CliOptions = {},
): Promise<Outcome> {
  const readInput = () => {
    if (input === undefined) throw new Error('nothing is typed')
    return input
  }
  let written = ''
  const outcome = await runCli(args, {
    env,
    async write(text) {
      written += text
    },
    readFile(path) {
      const text = files[path]
      if (text === undefined) throw new Error('ENOENT')
      return text
    },
    readInput,
    isInteractive: false,
    screen,
    askSecret: async () => readInput(),
  })
  return written === '' ? outcome : { ...outcome, out: written + (outcome.out ?? '') }
}

/** The same against a gateway, as the holder of its administrator's token. */
export function coatcheckAt(gateway: Pick<TestGateway, 'issuer' | 'adminToken'>) {
  return async (args: readonly string[], options: CliOptions = {}) =>
    await coatcheck(args, {
      ...options,
      env: { COATCHECK_ISSUER: gateway.issuer, COATCHECK_ADMIN_TOKEN: gateway.adminToken, ...options.env },
    })
}
