import { randomBytes } from 'node:crypto'
import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { applyDeclarations } from '../config/apply-declarations.ts'
import { type Config, ConfigError } from '../config/config.ts'
import { type PresentSecrets, presentSecrets } from '../config/generated-secrets.ts'
import { viewOf } from '../endpoints/admin/diagnosis.ts'
import { checkProvider } from '../endpoints/admin/provider-check.ts'
import { assembleGateway, type Gateway, openGateway } from '../gateway.ts'
import { systemClock } from '../lib/clock.ts'
import { createSealer, type KeyHolder, type MasterKey, type Sealer } from '../lib/seal.ts'
import { type Database, databaseAddress, openDatabase } from '../storage/database.ts'
import { verifyMasterKeys, WrongMasterKey } from '../storage/key-check.ts'
import type { StoredCheck } from '../storage/key-checks.ts'
import { SchemaMismatchError } from '../storage/migrations.ts'
import { checkIntegrity } from '../storage/sqlite/integrity.ts'
import { StorageUnavailableError } from '../storage/unavailable.ts'
import { databaseFindings } from './database-findings.ts'
import { about, type Finding } from './finding.ts'
import { checkedFindings } from './provider-words.ts'

/**
 * What can be seen without a gateway, from its configuration: the secrets, the database as it is, and the providers
 * from this machine. Nothing is written, generated or migrated.
 */
export async function localFindings(config: Config): Promise<Finding[]> {
  const secrets = readSecrets(config)
  if ('faults' in secrets) return secrets.faults
  const looked = await lookAtDatabase(config)
  try {
    return [
      ...secretFindings(config, secrets),
      ...looked.findings,
      ...(await unlessKeysAreAway(async () => [
        ...(await keyFindings(config, secrets, looked.checks)),
        ...(await providerFindings(config, secrets, looked)),
      ])),
    ]
  } finally {
    await looked.database?.close()
  }
}

/** What needs the master keys to be told, where a service keeps one of them. */
async function unlessKeysAreAway(look: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await look()
  } catch (error) {
    if (!(error instanceof StorageUnavailableError) || error.reason !== 'key_service') throw error
    const advice =
      'See that COATCHECK_KEY_SERVICE_URL names its key, that it runs and is unsealed, and that it takes the token.'
    return [
      about('master keys').wrong('the key service does not answer, or refuses: no gateway starts', advice),
    ]
  }
}

/** The whole file, where it is one of this machine: too slow for a gateway to do itself. */
export function integrityFindings(path: string): Finding[] {
  const { ok, wrong, unchecked } = about('database')
  const found = checkIntegrity(path)
  const restore = 'Stop the gateway, keep a copy of the file, and restore the last backup.'
  switch (found.outcome) {
    case 'sound':
      return [ok('every page of the file is sound')]
    case 'too_large':
      return [
        unchecked('the file is too large to be looked through here', `sqlite3 ${path} "PRAGMA quick_check"`),
      ]
    case 'damaged':
      return found.faults.map((fault) => wrong(`the file is damaged: ${fault}`, restore))
  }
}

function readSecrets(config: Config): PresentSecrets | { faults: Finding[] } {
  try {
    return presentSecrets(config)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const advice = 'Restore it from where it was kept; a new master key opens nothing that is sealed.'
    return { faults: error.errors.map((message) => about('secrets').wrong(message, advice)) }
  }
}

function secretFindings({ issuerIsLoopback, adminToken }: Config, secrets: PresentSecrets): Finding[] {
  const { ok, wrong, note } = about('secrets')
  const made = 'Nothing: the first start generates it.'
  const exposed = process.platform === 'win32' ? [] : secrets.files.filter(isExposed)
  return [
    ...(secrets.masterKeys ? [ok('the master keys are there')] : [note('there is no master key yet', made)]),
    ...(secrets.adminToken
      ? [ok('the administrator’s token is there')]
      : [
          note(
            'there is no administrator’s token',
            issuerIsLoopback && adminToken === undefined
              ? made
              : 'Set COATCHECK_ADMIN_TOKEN, unless there are administrators by name.',
          ),
        ]),
    ...exposed.map((path) => wrong(`others on this machine may read ${path}`, `chmod 600 ${path}`)),
  ]
}

const isExposed = (path: string) => ((statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o077) !== 0

type Looked = {
  findings: Finding[]
  checks: readonly StoredCheck[]
  /** There, and of this version: what stands in it can be read. */
  database?: Database
}

async function lookAtDatabase({ databaseUrl: url, database: limits }: Config): Promise<Looked> {
  const { wrong, note } = about('database')
  const address = databaseAddress(url)
  if (address.kind === 'sqlite' && (address.path === ':memory:' || !existsSync(address.path))) {
    const place =
      address.path === ':memory:' ? 'it is in memory' : `there is none at ${resolve(address.path)} yet`
    return { findings: [note(place, 'Nothing: the next start makes a new one.')], checks: [] }
  }
  let checks: readonly StoredCheck[] = []
  let opened: Database | undefined
  try {
    opened = await openDatabase(url, {
      ...limits,
      access: 'read',
      beforeMigrations: async (found) => {
        checks = found
      },
    })
    const condition = await opened.condition()
    const { pendingMigrations: pending } = condition
    const findings = [
      ...databaseFindings(viewOf(condition), 'file'),
      ...(condition.kind === 'sqlite' ? integrityFindings(condition.path) : []),
    ]
    if (pending === 0) return { findings, checks, database: opened }
    await opened.close()
    const todo = note(
      `${pending} ${pending === 1 ? 'migration is' : 'migrations are'} still to run`,
      'Make a backup; the next start runs them, or coatcheck migrate.',
    )
    return { findings: [...findings, todo], checks }
  } catch (error) {
    await opened?.close()
    if (error instanceof SchemaMismatchError) {
      return { findings: [wrong(error.message, 'Nothing was changed in it.')], checks }
    }
    if (!(error instanceof StorageUnavailableError)) throw error
    return { findings: [wrong(error.message, reasons[error.reason] ?? 'Try again.')], checks }
  }
}

const reasons: Partial<Record<StorageUnavailableError['reason'], string>> = {
  unreachable: 'See that COATCHECK_DATABASE_URL names it, that it runs, and that this user may open it.',
  faulty: 'It is damaged, or no database of Coatcheck’s: restore the last backup.',
  read_only: 'See that this user may write to its folder; of PostgreSQL, that the URL names the primary.',
  busy: 'Another process holds it: try again when that is done.',
}

/** Before a start would find out: a wrong master key refuses there. */
async function keyFindings(
  { masterKeys: configured }: Config,
  { masterKeys }: PresentSecrets,
  checks: readonly StoredCheck[],
): Promise<Finding[]> {
  const { ok, wrong } = about('master keys')
  const sealer = sealerOf(masterKeys)
  if (checks.length === 0) return []
  if (!sealer) {
    const ids = checks.map(({ masterKeyId }) => masterKeyId).join(', ')
    const advice = 'Put master.key back beside the database, or its content into COATCHECK_MASTER_KEYS.'
    return [wrong(`the database is sealed under ${ids}, and there is no key at all`, advice)]
  }
  try {
    const used = await verifyMasterKeys(checks, sealer)
    return [ok(`${used.join(', ')}: what this database was sealed with`)]
  } catch (error) {
    if (!(error instanceof WrongMasterKey)) throw error
    const place = configured ? 'COATCHECK_MASTER_KEYS' : 'master.key beside the database'
    return [
      wrong(error.message, `Put the right key into ${place}; with this one the gateway does not start.`),
    ]
  }
}

function sealerOf(masterKeys: readonly (MasterKey | KeyHolder)[] = []): Sealer | undefined {
  const [first, ...rest] = masterKeys
  return first && createSealer([first, ...rest])
}

/** Those of the file as the next start would have them, and the others as they are stored. */
async function providerFindings(
  config: Config,
  { masterKeys, adminToken }: PresentSecrets,
  { database }: Looked,
): Promise<Finding[]> {
  const declared = await declaredFindings(config)
  const sealer = sealerOf(masterKeys)
  if (!database || !sealer) return declared
  const gateway = assembleGateway(config, { adminToken }, systemClock, { database, sealer })
  const stored = (await gateway.store.providers.list()).filter(({ origin }) => origin === 'admin')
  return [...declared, ...(await checked(gateway, stored))]
}

async function declaredFindings(config: Config): Promise<Finding[]> {
  const key = { id: 'passing', key: randomBytes(32) }
  const passing = { ...config, databaseUrl: 'sqlite::memory:' }
  const { gateway, database } = await openGateway(
    passing,
    { masterKeys: [key], adminToken: undefined },
    systemClock,
  )
  try {
    await applyDeclarations(gateway)
    return await checked(gateway, await gateway.store.providers.list())
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const advice = 'Mend it in the configuration file; the gateway does not start until then.'
    return error.errors.map((message) => about('configuration').wrong(message, advice))
  } finally {
    await database.close()
  }
}

async function checked(gateway: Gateway, rows: Awaited<ReturnType<Gateway['store']['providers']['list']>>) {
  const found = rows.map(async (row) => {
    const answer = await checkProvider(gateway, row)
    return checkedFindings({ id: row.id, use: row.enabled ? 'enabled' : 'disabled' }, answer)
  })
  return (await Promise.all(found)).flat()
}
