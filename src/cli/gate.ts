import { environmentSchema, ownVariables } from '../config/environment.ts'
import { adminTokenPath } from '../config/generated-secrets.ts'
import type { Gate } from './admin-api.ts'
import type { Parsed } from './command.ts'
import { readSecret, type Terminal } from './terminal.ts'
import { UsageError } from './usage-error.ts'

/** Where the gateway is: `--url`, or `COATCHECK_ISSUER`, or where one of this machine is by default. */
export function gatewayUrl({ text }: Pick<Parsed, 'text'>, { env }: Terminal): string {
  const issuer = environmentSchema.shape.COATCHECK_ISSUER
  return (text('url') ?? (env.COATCHECK_ISSUER || issuer.parse(undefined))).replace(/\/$/, '')
}

/** The gateway, and what to show it: a name and password, or a token from a named file, the environment's token, or the one it generated here. */
export function findGate(parsed: Pick<Parsed, 'text'>, terminal: Terminal): Gate {
  const url = gatewayUrl(parsed, terminal)
  const name = parsed.text('user')
  if (name === undefined) {
    const authorization = `Bearer ${findToken(parsed, terminal)}`
    return { url, authorize: async () => authorization }
  }
  // Typed once, however many calls a command makes.
  let asked: Promise<string> | undefined
  return {
    url,
    authorize() {
      asked ??= passwordOf(name, parsed, terminal)
      return asked.then((password) => `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`)
    },
  }
}

async function passwordOf(name: string, { text }: Pick<Parsed, 'text'>, terminal: Terminal): Promise<string> {
  const file = text('password-file')
  return file === undefined ? await terminal.askSecret(`Password of ${name}: `) : readSecret(terminal, file)
}

function findToken({ text }: Pick<Parsed, 'text'>, terminal: Terminal): string {
  const file = text('token-file')
  if (file !== undefined) return headerText(readSecret(terminal, file))
  const { variables, errors } = ownVariables(terminal.env, terminal.readFile)
  const own = errors.find((error) => error.startsWith('COATCHECK_ADMIN_TOKEN'))
  if (own !== undefined) throw new UsageError(own)
  if (variables.COATCHECK_ADMIN_TOKEN) return headerText(variables.COATCHECK_ADMIN_TOKEN)
  const path = generatedTokenPath(variables.COATCHECK_DATABASE_URL)
  try {
    return headerText(terminal.readFile(path).trim())
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(
      `there is no administrator’s token: --token-file names its file, COATCHECK_ADMIN_TOKEN holds it, and a gateway on this machine writes ${path} at its first start`,
    )
  }
}

function generatedTokenPath(databaseUrl: string | undefined): string {
  const url = environmentSchema.shape.COATCHECK_DATABASE_URL.safeParse(databaseUrl)
  if (!url.success) throw new UsageError('COATCHECK_DATABASE_URL is not an address of a database')
  return adminTokenPath(url.data)
}

/** What no header can hold is not a token; fetch would quote it in its error. */
function headerText(token: string): string {
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new UsageError('the administrator’s token has characters no token has')
  return token
}
