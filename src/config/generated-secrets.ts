import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { z } from 'zod'
import type { MasterKey } from '../lib/seal.ts'
import { newSecret } from '../lib/secret.ts'
import { databaseAddress } from '../storage/database.ts'
import { type Config, ConfigError, masterKeysMissing } from './config.ts'
import { adminToken, masterKeys } from './environment.ts'

export type ConfiguredSecrets = {
  masterKeys: readonly [MasterKey, ...MasterKey[]]
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
  const keys = config.masterKeys ?? (mayGenerate ? kept('master.key', newMasterKey, masterKeys) : [])
  const [first, ...rest] = keys
  if (!first) throw new ConfigError([masterKeysMissing])
  const token =
    config.adminToken ?? (mayGenerate ? kept(adminTokenFile, newAdminToken, adminToken) : undefined)
  return { masterKeys: [first, ...rest], adminToken: token, generated }
}

/** The secrets there are, made or found by nobody: what `configuredSecrets` would not have to generate. */
export type PresentSecrets = {
  masterKeys: MasterKey[] | undefined
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
  return {
    masterKeys: config.masterKeys ?? kept('master.key', masterKeys),
    adminToken: config.adminToken ?? kept(adminTokenFile, adminToken),
    files,
  }
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

function syncFolder(folder: string): void {
  // Windows opens no folders, and keeps their entries itself.
  if (process.platform === 'win32') return
  const handle = openSync(folder, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
