#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { ConfigError, loadConfig } from './config/config.ts'
import { configuredSecrets } from './config/generated-secrets.ts'
import { openGateway } from './gateway.ts'
import { systemClock } from './lib/clock.ts'
import { startGateway } from './main.ts'
import { openDatabase } from './storage/database.ts'
import { WrongMasterKey } from './storage/key-check.ts'
import { SchemaMismatchError } from './storage/migrations.ts'
import { StorageUnavailableError } from './storage/unavailable.ts'

type Env = Record<string, string | undefined>

const usage = `Usage: coatcheck COMMAND

  serve         run the gateway
  migrate       bring the database's schema up to date
  key rotate    put a new signing key after the present one
  help          show this

The configuration is read from COATCHECK_ variables and from the file that COATCHECK_CONFIG names;
docs/configuration.md has all of them.`

const commands: Record<string, (env: Env) => Promise<void>> = {
  serve,
  migrate,
  'key rotate': rotateSigningKey,
  help,
  '--help': help,
  '-h': help,
}

async function help(): Promise<void> {
  console.log(usage)
}

const readConfig = (env: Env) => loadConfig(env, (path) => readFileSync(path, 'utf8'))

async function serve(env: Env): Promise<void> {
  const config = readConfig(env)
  const { generated, ...secrets } = configuredSecrets(config)
  const running = await startGateway(config, secrets, { clock: systemClock, log: { level: config.logLevel } })
  for (const path of generated)
    console.log(`Coatcheck wrote ${path}; keep it with the database, and to yourself.`)
  console.log(`Coatcheck is open at ${config.issuer}`)
  const stop = async () => {
    await running.stop()
    process.exit(0)
  }
  process.once('SIGINT', () => void stop())
  process.once('SIGTERM', () => void stop())
  // Node would open its inspector to this signal; with a listener it does not.
  process.on('SIGUSR1', () => {})
}

/** Brings the schema up to date and does nothing else. */
async function migrate(env: Env): Promise<void> {
  const database = await openDatabase(readConfig(env).databaseUrl)
  await database.close()
  console.log('The database is up to date.')
}

/** Gateways that are running see the new key within a second. */
async function rotateSigningKey(env: Env): Promise<void> {
  const config = readConfig(env)
  const { gateway, database } = await openGateway(config, configuredSecrets(config), systemClock)
  try {
    await gateway.signingKeys.signingKey()
    const rotation = await gateway.signingKeys.rotate('admin:cli')
    console.log(
      rotation.outcome === 'rotated'
        ? `Key ${rotation.kid} is published now; it signs from ${new Date(rotation.activeAt * 1000).toISOString()}.`
        : 'Another process rotated at the same moment; nothing was changed.',
    )
  } finally {
    await database.close()
  }
}

/** What a failed command tells: every error of the configuration, one line for what we know, else the stack. */
function explain(error: unknown): string {
  if (error instanceof ConfigError) return [`${error.message}:`, ...error.errors].join('\n  ')
  if (error instanceof WrongMasterKey || error instanceof SchemaMismatchError) return error.message
  if (error instanceof StorageUnavailableError) {
    return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
  }
  if (!(error instanceof Error)) return String(error)
  // `COATCHECK_HOST` or `COATCHECK_PORT` is taken, forbidden, or not of this machine; Node's message says which.
  return 'syscall' in error && error.syscall === 'listen' ? error.message : (error.stack ?? error.message)
}

/** As package.json says; an older one crashes inside the database driver, after it has written files. */
const oldestNode = 24

const name = process.argv.slice(2).join(' ')
const command = commands[name]
if (Number.parseInt(process.versions.node, 10) < oldestNode) {
  console.error(`Coatcheck needs Node ${oldestNode} or newer; this is ${process.version}.`)
  process.exitCode = 1
} else if (!command) {
  console.error(name === '' ? usage : `Coatcheck does not know the command ${name}.\n\n${usage}`)
  process.exitCode = 2
} else {
  await command(process.env).catch((error: unknown) => {
    console.error(`Coatcheck: ${explain(error)}`)
    process.exitCode = 1
  })
}
