import { endChains } from '../audit/chains.ts'
import { loadConfig } from '../config/config.ts'
import { presentSecrets, secretsForStart } from '../config/generated-secrets.ts'
import { openGateway } from '../gateway.ts'
import { systemClock } from '../lib/clock.ts'
import { createSealer } from '../lib/seal.ts'
import { startGateway } from '../main.ts'
import { openDatabase } from '../storage/database.ts'
import { verifyMasterKeys } from '../storage/key-check.ts'
import { AdminApiError, type Json } from './admin-api.ts'
import type { Answer, Call, Command } from './command.ts'
import type { Terminal } from './terminal.ts'

const readConfig = ({ env, readFile }: Terminal) => loadConfig(env, readFile)

async function serve({ terminal }: Call): Promise<Answer> {
  const config = readConfig(terminal)
  const { generated, ...secrets } = await secretsForStart(config)
  const running = await startGateway(config, secrets, { clock: systemClock, log: { level: config.logLevel } })
  const stop = async () => {
    await running.stop()
    process.exit(0)
  }
  process.once('SIGINT', () => void stop())
  process.once('SIGTERM', () => void stop())
  // Node would open its inspector to this signal; with a listener it does not.
  process.on('SIGUSR1', () => {})
  const lines = [
    ...generated.map((path) => `Coatcheck wrote ${path}; keep it with the database, and to yourself.`),
    `Coatcheck is open at ${config.issuer}`,
  ]
  return { text: lines.join('\n'), json: { issuer: config.issuer, generated } }
}

/** Brings the schema up to date and does nothing else; not that of a database other master keys belong to. */
async function migrate({ terminal }: Call): Promise<Answer> {
  const config = readConfig(terminal)
  const [first, ...rest] = presentSecrets(config).masterKeys ?? []
  const sealer = first && createSealer([first, ...rest])
  const database = await openDatabase(config.databaseUrl, {
    beforeMigrations: async (checks, isSealedUnder) => {
      if (sealer) await verifyMasterKeys(checks, sealer, isSealedUnder)
    },
  })
  await database.close()
  return { text: 'The database is up to date.', json: { up_to_date: true } }
}

/** A rotation without a gateway; should one run after all, it sees the new key within a second. */
export async function rotateOffline(terminal: Terminal): Promise<Json> {
  const config = readConfig(terminal)
  const { gateway, database } = await openGateway(config, await secretsForStart(config), systemClock)
  try {
    await gateway.signingKeys.signingKey()
    const rotation = await gateway.signingKeys.rotate('admin:cli')
    switch (rotation.outcome) {
      case 'rotated':
        return { kid: rotation.kid, active_at: rotation.activeAt }
      case 'overtaken':
        throw new AdminApiError('Another process rotated the keys at the same moment; nothing was changed')
    }
  } finally {
    await endChains(gateway, database)
    await database.close()
  }
}

export const gatewayCommands: readonly Command[] = [
  {
    name: 'serve',
    arguments: [],
    summary: 'run the gateway',
    options: {},
    examples: ['coatcheck serve'],
    run: serve,
  },
  {
    name: 'migrate',
    arguments: [],
    summary: 'bring the database’s schema up to date',
    options: {},
    examples: ['coatcheck migrate'],
    run: migrate,
  },
]
