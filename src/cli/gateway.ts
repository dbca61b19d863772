import { extname, join } from 'node:path'
import { endChains } from '../audit/chains.ts'
import { type Config, loadConfig } from '../config/config.ts'
import { presentSecrets, secretsForStart, withSecrets } from '../config/generated-secrets.ts'
import { endInOrder, keepInspectorShut } from '../ending.ts'
import { openGateway, type Secrets } from '../gateway.ts'
import { systemClock } from '../lib/clock.ts'
import { createSealer } from '../lib/seal.ts'
import { prepareStore, startGateway } from '../main.ts'
import { openDatabase } from '../storage/database.ts'
import { verifyMasterKeys } from '../storage/key-check.ts'
import type { RotationPace } from '../tokens/signing-key-ring.ts'
import { AdminApiError, type Json } from './admin-api.ts'
import type { Answer, Call, Command } from './command.ts'
import { explain } from './explain.ts'
import { standardLog } from './standard-log.ts'
import type { Terminal } from './terminal.ts'

const readConfig = ({ env, readFile }: Terminal) => loadConfig(env, readFile)

async function serve({ terminal }: Call): Promise<Answer> {
  keepInspectorShut()
  const config = readConfig(terminal)
  const { generated, ...secrets } = await secretsForStart(config)
  await (config.workers === 1 ? serveAlone(config, secrets) : serveByWorkers(config, secrets))
  const lines = [
    ...generated.map((path) => `Coatcheck wrote ${path}; keep it with the database, and to yourself.`),
    `Coatcheck is open at ${config.issuer}`,
  ]
  return { text: lines.join('\n'), json: { issuer: config.issuer, generated } }
}

async function serveAlone(config: Config, secrets: Secrets): Promise<void> {
  const log = standardLog(config.logLevel)
  endInOrder(await startGateway(config, secrets, { clock: systemClock, log }))
}

/** What only one process must do is done here, before there are others; from then on this one opens no database. */
async function serveByWorkers(config: Config, secrets: Secrets): Promise<void> {
  await prepareStore(config, secrets, systemClock)
  // Loaded where it is wanted: most gateways are one process.
  const { startWorkers } = await import('../workers/primary.ts')
  const entry = join(import.meta.dirname, `worker${extname(import.meta.filename)}`)
  const workers = await startWorkers(withSecrets(config, secrets), { entry, tell })
  endInOrder({ stop: workers.stop, log: { fatal: tellFault } })
  await workers.listening
  void workers.givenUp.then((error) => {
    tell(explain(error))
    process.exit(1)
  })
}

const tell = (line: string) => console.error(`Coatcheck: ${line}`)
const tellFault = ({ err }: { err: unknown }, what: string) => tell(`${what}: ${explain(err)}`)

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

/** A rotation without a gateway, at the configured pace unless said; should one run after all, it sees it within a second. */
export async function rotateOffline(terminal: Terminal, pace?: RotationPace): Promise<Json> {
  const config = readConfig(terminal)
  const { gateway, database } = await openGateway(config, await secretsForStart(config), systemClock)
  try {
    await gateway.signingKeys.signingKey()
    const rotation = await gateway.signingKeys.rotate('admin:cli', pace)
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
