import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { MasterKey } from '../lib/seal.ts'
import { type Config, ConfigError } from './config.ts'
import { masterKeys as masterKeysSchema } from './environment.ts'

export type ConfiguredSecrets = {
  masterKeys: readonly [MasterKey, ...MasterKey[]]
  adminToken: string | undefined
  /** The files that were written just now, for the first start to tell. */
  generated: string[]
}

/**
 * The secrets of the configuration. A gateway of this machine alone may do without: what is missing is then
 * read from the database's folder, or generated into it for the owner's eyes only.
 */
export function configuredSecrets(config: Config): ConfiguredSecrets {
  const generated: string[] = []
  const folder = dataFolder(config)
  const kept = (name: string, make: () => string) => {
    const path = join(folder, name)
    const { value, isNew } = readOrCreate(path, make)
    if (isNew) generated.push(path)
    return value
  }
  const keys =
    config.masterKeys ??
    masterKeysSchema.parse(kept('master.key', () => `local:${randomBytes(32).toString('base64')}`))
  const [first, ...rest] = keys
  if (!first) throw new ConfigError(['COATCHECK_MASTER_KEYS: holds no key'])
  const mayGenerate = config.issuerIsLoopback
  const adminToken =
    config.adminToken ??
    (mayGenerate ? kept('admin.token', () => `cc_admin_${randomBytes(32).toString('base64url')}`) : undefined)
  return { masterKeys: [first, ...rest], adminToken, generated }
}

function dataFolder({ databaseUrl }: Config): string {
  const path = /^sqlite:(?:\/\/)?(.+)$/.exec(databaseUrl)?.[1]
  return path === undefined || path === ':memory:' ? 'data' : dirname(path)
}

/** Created only if nobody was faster: two processes that start at once end up with one secret. */
function readOrCreate(path: string, make: () => string): { value: string; isNew: boolean } {
  try {
    return { value: readFileSync(path, 'utf8').trim(), isNew: false }
  } catch {
    // Not there, or not readable; writing tells which.
  }
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    const value = make()
    writeFileSync(path, `${value}\n`, { mode: 0o600, flag: 'wx' })
    return { value, isNew: true }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') {
      return { value: readFileSync(path, 'utf8').trim(), isNew: false }
    }
    throw new ConfigError([`${path}: can be neither read nor created`])
  }
}
