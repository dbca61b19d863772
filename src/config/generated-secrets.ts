import { randomBytes } from 'node:crypto'
import { existsSync, linkSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { z } from 'zod'
import { createKeyService } from '../keys/key-service.ts'
import { systemClock } from '../lib/clock.ts'
import { createGuardedFetch } from '../lib/guarded-fetch.ts'
import type { KeyHolder, MasterKey, MasterKeys } from '../lib/seal.ts'
import { newSecret } from '../lib/secret.ts'
import { syncFolder } from '../lib/sync-folder.ts'
import { databaseAddress, openDatabase } from '../storage/database.ts'
import type { StoredCheck } from '../storage/key-checks.ts'
import { type Config, ConfigError, masterKeysMissing } from './config.ts'
import { adminToken, masterKeys } from './environment.ts'
import { tokenAt } from './key-service.ts'

export type ConfiguredSecrets = {
  masterKeys: MasterKeys
  adminToken: string | undefined
  /** The files that were written just now, for the first start to tell. */
  generated: string[]
}

/**
 * The secrets of the configuration. A gateway of this machine alone may do without: what is missing is then
 * read from the database's folder, or generated into it for the owner's eyes only. Throws `ConfigError`.
 */
export function configuredSecrets(config: Config): ConfiguredSecrets {
  const generated: string[] = []
  const kept = <Value>(name: string, make: () => string, schema: z.ZodType<Value>): Value => {
    const path = join(dataFolder(config.databaseUrl), name)
    const { value, isNew } = readOrCreate(path, make)
    const secret = readSecret(path, value, schema)
    if (isNew) generated.push(path)
    return secret
  }
  const mayGenerate = config.issuerIsLoopback
  const own =
    mayGenerate && needsOwnKey(config)
      ? kept('master.key', newMasterKey, masterKeys)
      : (presentSecrets(config).own ?? [])
  const [first, ...rest] = withService(config, own)
  if (!first) throw new ConfigError([masterKeysMissing])
  const token =
    config.adminToken ?? (mayGenerate ? kept(adminTokenFile, newAdminToken, adminToken) : undefined)
  return { masterKeys: [first, ...rest], adminToken: token, generated }
}

/** With every secret in it: another process finds them there, and looks for no file. */
export function withSecrets(
  config: Config,
  { adminToken: token }: Pick<ConfiguredSecrets, 'adminToken'>,
): Config {
  return { ...config, masterKeys: presentSecrets(config).own, adminToken: token }
}

/**
 * The secrets of a start. Throws `ConfigError` where the master key is gone that the database is sealed under: a new one
 * would open nothing.
 */
export async function secretsForStart(config: Config): Promise<ConfiguredSecrets> {
  if (config.issuerIsLoopback && needsOwnKey(config) && !presentSecrets(config).own) {
    const checks = await storedChecks(config.databaseUrl)
    const ids = checks.map(({ masterKeyId }) => masterKeyId).filter((id) => id !== config.keyService?.id)
    // A process that started at the same moment may have made it, before anything was sealed.
    if (ids.length > 0 && !presentSecrets(config).own) {
      const path = join(dataFolder(config.databaseUrl), 'master.key')
      throw new ConfigError([
        `${path}: is gone, and the database is sealed under ${ids.join(', ')}: put it back from where it was kept, or the key into COATCHECK_MASTER_KEYS; without it, only a new database helps, and everybody signs in anew`,
      ])
    }
  }
  return configuredSecrets(config)
}

/** Nothing else is said that could seal. */
const needsOwnKey = ({ masterKeys: configured, keyService }: Config) =>
  configured === undefined && keyService?.use !== 'seal'

/** Looks, and leaves everything as it is. */
async function storedChecks(databaseUrl: string): Promise<readonly StoredCheck[]> {
  const address = databaseAddress(databaseUrl)
  if (address.kind === 'sqlite' && (address.path === ':memory:' || !existsSync(address.path))) return []
  let found: readonly StoredCheck[] = []
  const database = await openDatabase(databaseUrl, {
    access: 'read',
    beforeMigrations: async (checks) => {
      found = checks
    },
  })
  await database.close()
  return found
}

/** The secrets there are, made or found by nobody: what `configuredSecrets` would not have to generate. */
export type PresentSecrets = {
  masterKeys: (MasterKey | KeyHolder)[] | undefined
  /** Those of them that no service keeps. */
  own: MasterKey[] | undefined
  adminToken: string | undefined
  /** The generated files that are there. */
  files: string[]
}

/** The secrets of the configuration without generating any. Throws `ConfigError` for a file that holds something else. */
export function presentSecrets(config: Config): PresentSecrets {
  const files: string[] = []
  const kept = <Value>(name: string, schema: z.ZodType<Value>): Value | undefined => {
    const path = join(dataFolder(config.databaseUrl), name)
    if (!config.issuerIsLoopback || !existsSync(path)) return undefined
    files.push(path)
    return readSecret(path, readFileSync(path, 'utf8').trim(), schema)
  }
  const own = config.masterKeys ?? kept('master.key', masterKeys)
  return {
    masterKeys: own || config.keyService ? withService(config, own ?? []) : undefined,
    own,
    adminToken: config.adminToken ?? kept(adminTokenFile, adminToken),
    files,
  }
}

/** The master keys in their order, the sealing one first. */
function withService({ keyService, limits }: Config, own: readonly MasterKey[]): (MasterKey | KeyHolder)[] {
  if (!keyService) return [...own]
  // The operator named it, so it may be on a private network, or an agent on this very machine.
  const fetch = createGuardedFetch({ allowLoopback: true })
  const service = createKeyService({
    address: { ...keyService, token: () => tokenAt(keyService.token, (path) => readFileSync(path, 'utf8')) },
    fetch,
    clock: systemClock,
    deadline: limits.discovery_deadline,
  })
  return keyService.use === 'seal' ? [service, ...own] : [...own, service]
}

/** Never the value. A file cut short must not become a secret that is easy to guess. */
function readSecret<Value>(path: string, value: string, schema: z.ZodType<Value>): Value {
  const read = schema.safeParse(value)
  if (!read.success) throw new ConfigError(read.error.issues.map(({ message }) => `${path}: ${message}`))
  return read.data
}

const newMasterKey = () => `local:${randomBytes(32).toString('base64')}`
const newAdminToken = () => newSecret('cc_admin_')

const adminTokenFile = 'admin.token'

/** Where a gateway of this machine alone keeps the administrator's token it generated. */
export function adminTokenPath(databaseUrl: string): string {
  return join(dataFolder(databaseUrl), adminTokenFile)
}

function dataFolder(databaseUrl: string): string {
  const address = databaseAddress(databaseUrl)
  return address.kind === 'postgres' || address.path === ':memory:' ? 'data' : dirname(address.path)
}

function readOrCreate(path: string, make: () => string): { value: string; isNew: boolean } {
  try {
    const isNew = !existsSync(path) && create(path, make())
    return { value: readFileSync(path, 'utf8').trim(), isNew }
  } catch {
    throw new ConfigError([`${path}: can be neither read nor created`])
  }
}

/**
 * Whether the file was created; if somebody was faster it was not, so two processes that start at once end up with
 * one secret. It appears with its content or not at all, and on disk before anything is sealed with it.
 */
function create(path: string, secret: string): boolean {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const draft = `${path}.${randomBytes(6).toString('hex')}.tmp`
  writeFileSync(draft, `${secret}\n`, { mode: 0o600, flag: 'wx', flush: true })
  try {
    linkSync(draft, path)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  } finally {
    unlinkSync(draft)
    syncFolder(dirname(path))
  }
}
