import { z } from 'zod'
import { isLoopbackHost } from '../lib/host.ts'
import type { MasterKey } from '../lib/seal.ts'
import { type Declarations, declarationsSchema } from './declarations.ts'
import { environmentSchema, ownVariables } from './environment.ts'
import { type Lifetimes, type Limits, lifetimesSchema, limitsSchema } from './settings.ts'

/** All of the configuration, checked; nothing changes it while the process lives. */
export type Config = {
  issuer: string
  /** A gateway for this machine alone: secrets may be generated, cookies may go without `Secure`. */
  issuerIsLoopback: boolean
  host: string
  port: number
  databaseUrl: string
  /** Absent: to be read from, or generated into, the data folder; for a loopback issuer only. */
  masterKeys: MasterKey[] | undefined
  adminToken: string | undefined
  trustedProxies: string[]
  allowLoopbackUpstreams: boolean
  logLevel: string
  lifetimes: Lifetimes
  limits: Limits
  declarations: Declarations
}

/** Every mistake of the configuration at once. */
export class ConfigError extends Error {
  override name = 'ConfigError'
  readonly errors: readonly string[]
  constructor(errors: readonly string[]) {
    super(`the configuration has ${errors.length === 1 ? 'an error' : `${errors.length} errors`}`)
    this.errors = errors
  }
}

const fileSchema = z.strictObject({
  $schema: z.string().optional(),
  lifetimes: lifetimesSchema.prefault({}),
  limits: limitsSchema.prefault({}),
  ...declarationsSchema.shape,
})

/**
 * Reads the environment and the file that `COATCHECK_CONFIG` names. Throws `ConfigError` with every error
 * found; values that may be secret are never part of an error.
 */
export function loadConfig(
  env: Record<string, string | undefined>,
  readFile: (path: string) => string,
): Config {
  const { variables, errors } = ownVariables(env, readFile)
  const environment = environmentSchema.safeParse(variables)
  const file = readConfigFile(env, readFile)
  const found = [...errors, ...issuesOf(environment, ''), ...file.errors]
  if (!environment.success || !file.content) throw new ConfigError(found)

  const from = environment.data
  const issuerIsLoopback = isLoopbackHost(new URL(from.COATCHECK_ISSUER).hostname)
  found.push(...contradictions(from, issuerIsLoopback, file.content))
  if (found.length > 0) throw new ConfigError(found)

  const { lifetimes, limits, providers, resources, clients } = file.content
  return {
    issuer: from.COATCHECK_ISSUER,
    issuerIsLoopback,
    host: from.COATCHECK_HOST,
    port: from.COATCHECK_PORT,
    databaseUrl: from.COATCHECK_DATABASE_URL,
    masterKeys: from.COATCHECK_MASTER_KEYS,
    adminToken: from.COATCHECK_ADMIN_TOKEN,
    trustedProxies: from.COATCHECK_TRUSTED_PROXIES,
    allowLoopbackUpstreams: from.COATCHECK_ALLOW_LOOPBACK_UPSTREAMS,
    logLevel: from.COATCHECK_LOG_LEVEL,
    lifetimes,
    limits,
    declarations: { providers, resources, clients },
  }
}

type FileContent = z.infer<typeof fileSchema>

function readConfigFile(
  env: Record<string, string | undefined>,
  readFile: (path: string) => string,
): { content?: FileContent; errors: string[] } {
  const path = env.COATCHECK_CONFIG
  if (!path) return { content: fileSchema.parse({}), errors: [] }
  let document: unknown
  try {
    document = JSON.parse(readFile(path))
  } catch {
    return { errors: [`COATCHECK_CONFIG: ${path} cannot be read as JSON`] }
  }
  const withSecrets = resolveSecrets(document, env, readFile)
  const content = fileSchema.safeParse(withSecrets.value)
  const errors = [...withSecrets.errors, ...issuesOf(content, `${path}: `)]
  return content.success ? { content: content.data, errors } : { errors }
}

/** Replaces every `{"env": NAME}` and `{"file": PATH}` that stands for a `client_secret`. */
function resolveSecrets(
  document: unknown,
  env: Record<string, string | undefined>,
  readFile: (path: string) => string,
): { value: unknown; errors: string[] } {
  const errors: string[] = []
  const value = JSON.parse(JSON.stringify(document), (key, member: unknown) => {
    if (key !== 'client_secret' || typeof member !== 'object' || member === null) return member
    if ('env' in member && typeof member.env === 'string') {
      if (!env[member.env]) errors.push(`client_secret: the environment has no ${member.env}`)
      return env[member.env] ?? ''
    }
    if ('file' in member && typeof member.file === 'string') {
      try {
        return readFile(member.file).trim()
      } catch {
        errors.push(`client_secret: cannot read ${member.file}`)
      }
    }
    return member
  })
  return { value, errors }
}

/** What each value allows, and together they do not (promise 12: insecure configuration refuses to start). */
function contradictions(
  from: z.infer<typeof environmentSchema>,
  issuerIsLoopback: boolean,
  file: FileContent,
): string[] {
  const errors: string[] = []
  if (!issuerIsLoopback) {
    if (!from.COATCHECK_MASTER_KEYS) {
      errors.push('COATCHECK_MASTER_KEYS: is required unless the issuer is on loopback')
    }
    if (from.COATCHECK_ALLOW_LOOPBACK_UPSTREAMS) {
      errors.push('COATCHECK_ALLOW_LOOPBACK_UPSTREAMS: is refused with a public issuer')
    }
  } else if (!isLoopbackHost(from.COATCHECK_HOST) && !from.COATCHECK_ALLOW_EXPOSED_LOOPBACK_ISSUER) {
    errors.push(
      'COATCHECK_HOST: a loopback issuer must not listen beyond this machine; in a container, set COATCHECK_ALLOW_EXPOSED_LOOPBACK_ISSUER=true',
    )
  }
  const { lifetimes } = file
  if (lifetimes.refresh_token_absolute < lifetimes.refresh_token) {
    errors.push('lifetimes.refresh_token_absolute: is shorter than lifetimes.refresh_token')
  }
  if (lifetimes.browser_session_absolute < lifetimes.browser_session_idle) {
    errors.push('lifetimes.browser_session_absolute: is shorter than lifetimes.browser_session_idle')
  }
  return errors
}

/** One line an issue, without the value that caused it. */
function issuesOf(result: z.ZodSafeParseResult<unknown>, prefix: string): string[] {
  if (result.success) return []
  return result.error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => `${prefix}${[...issue.path, key].join('.')}: is not known`)
    }
    return [`${prefix}${issue.path.join('.')}: ${issue.message}`]
  })
}
