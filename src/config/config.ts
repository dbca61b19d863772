import { z } from 'zod'
import { knownAppSchemes } from '../clients/registrable-uri.ts'
import { type RegistrationPolicy, registrationPolicySchema } from '../clients/registration-policy.ts'
import { isLoopbackHost } from '../lib/address.ts'
import { type Fault, faultsOf } from '../lib/schema-faults.ts'
import type { MasterKey } from '../lib/seal.ts'
import { unstorableText } from '../lib/storable-text.ts'
import { databaseAddress } from '../storage/database.ts'
import { databaseFaults } from './database.ts'
import { type Declarations, declarationsSchema } from './declarations.ts'
import { type Environment, environmentSchema, type OwnVariables, ownVariables } from './environment.ts'
import { hasSealingKey, type KeyService, keyServiceFaults, keyServiceOf } from './key-service.ts'
import { type Lifetimes, type Limits, lifetimesSchema, limitsSchema } from './settings.ts'

/** All of the configuration, checked; nothing changes it while the process lives. Data alone, so that workers are handed it. */
export type Config = {
  issuer: string
  /** A gateway for this machine alone: secrets may be generated, cookies may go without `Secure`. */
  issuerIsLoopback: boolean
  host: string
  port: number
  /** Absent: no metrics are kept. */
  metricsPort: number | undefined
  /** Processes that answer; of one, no other is started. */
  workers: number
  databaseUrl: string
  /** On PostgreSQL: the connections of this process, and the seconds a statement may take. */
  database: { connections: number; timeout: number }
  /** The way to a database may be open to the network it leads over. */
  allowUnprovenDatabase: boolean
  /** Absent: to be read from, or generated into, the data folder; for a loopback issuer only. */
  masterKeys: MasterKey[] | undefined
  /** Absent: every master key is one of `masterKeys`. */
  keyService: KeyService | undefined
  adminToken: string | undefined
  trustedProxies: string[]
  allowLoopbackUpstreams: boolean
  logLevel: string
  lifetimes: Lifetimes
  limits: Limits
  registration: RegistrationPolicy
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

export const masterKeysMissing = 'COATCHECK_MASTER_KEYS: is required unless the issuer is on loopback'
const loopbackUpstreamsInPublic = 'COATCHECK_ALLOW_LOOPBACK_UPSTREAMS: is refused with a public issuer'
const sharedPort = 'COATCHECK_METRICS_PORT: is the port of the gateway itself'
const unsharedDatabase = 'COATCHECK_WORKERS: a database in memory is of one process alone'
const exposedLoopbackIssuer =
  'COATCHECK_HOST: a loopback issuer must not listen beyond this machine; in a container, set COATCHECK_ALLOW_EXPOSED_LOOPBACK_ISSUER=true'

const unverifiedServers =
  'NODE_TLS_REJECT_UNAUTHORIZED: with 0 every certificate is believed, a provider’s as well as the database’s; NODE_EXTRA_CA_CERTS=file names an authority of your own'

const fileSchema = (appSchemes: readonly string[]) =>
  z.strictObject({
    $schema: z.string().optional(),
    lifetimes: lifetimesSchema.prefault({}),
    limits: limitsSchema.prefault({}),
    registration: registrationPolicySchema.prefault({}),
    ...declarationsSchema({ appSchemes }).shape,
  })

/** The part of a file that its clients are checked by; what is wrong with it is said where all of it is read. */
const appSchemesSchema = z.object({ registration: z.object({ app_schemes: z.array(z.string()) }) })

/**
 * Reads the environment and the file that `COATCHECK_CONFIG` names. Throws `ConfigError` with every error
 * found; values that may be secret are never part of an error.
 */
export function loadConfig(
  env: Record<string, string | undefined>,
  readFile: (path: string) => string,
): Config {
  const own = ownVariables(env, readFile)
  const environment = environmentSchema.safeParse(own.variables)
  const file = readConfigFile(env, readFile)
  const found = [
    ...own.errors,
    ...(env.NODE_TLS_REJECT_UNAUTHORIZED === '0' ? [unverifiedServers] : []),
    ...issuesOf(environment, ''),
    ...contradictions(own, environment, readFile),
    ...file.errors,
  ]
  if (!environment.success || !file.content || found.length > 0) throw new ConfigError(found)

  const from = environment.data
  const { lifetimes, limits, registration, providers, resources, clients } = file.content
  return {
    issuer: from.COATCHECK_ISSUER,
    issuerIsLoopback: isLoopbackIssuer(from),
    host: from.COATCHECK_HOST,
    port: from.COATCHECK_PORT,
    metricsPort: from.COATCHECK_METRICS_PORT,
    workers: from.COATCHECK_WORKERS,
    databaseUrl: from.COATCHECK_DATABASE_URL,
    database: {
      connections: from.COATCHECK_DATABASE_CONNECTIONS,
      timeout: from.COATCHECK_DATABASE_TIMEOUT,
    },
    allowUnprovenDatabase: from.COATCHECK_ALLOW_UNPROVEN_DATABASE,
    masterKeys: from.COATCHECK_MASTER_KEYS,
    keyService: keyServiceOf(from, env),
    adminToken: from.COATCHECK_ADMIN_TOKEN,
    trustedProxies: from.COATCHECK_TRUSTED_PROXIES,
    allowLoopbackUpstreams: from.COATCHECK_ALLOW_LOOPBACK_UPSTREAMS,
    logLevel: from.COATCHECK_LOG_LEVEL,
    lifetimes,
    limits,
    registration,
    declarations: { providers, resources, clients },
  }
}

type FileContent = z.infer<ReturnType<typeof fileSchema>>

function readConfigFile(
  env: Record<string, string | undefined>,
  readFile: (path: string) => string,
): { content?: FileContent; errors: string[] } {
  const path = env.COATCHECK_CONFIG
  if (!path) return { content: fileSchema(knownAppSchemes).parse({}), errors: [] }
  const read = readDocument(path, readFile)
  if ('error' in read) return { errors: [`COATCHECK_CONFIG: ${path} ${read.error}`] }
  const { value, errors } = resolveSecrets(read.document, env, readFile)
  const own = appSchemesSchema.safeParse(value).data?.registration.app_schemes
  const content = fileSchema(own ?? knownAppSchemes).safeParse(value)
  const prefix = `${path}: `
  const found = [...errors, ...linesOf(unstorableText(value), prefix), ...issuesOf(content, prefix)]
  return content.success ? { content: content.data, errors: found } : { errors: found }
}

function readDocument(
  path: string,
  readFile: (path: string) => string,
): { document: unknown } | { error: string } {
  let text: string
  try {
    text = readFile(path)
  } catch {
    return { error: 'cannot be read' }
  }
  try {
    return { document: JSON.parse(text) }
  } catch {
    // The parser's own words quote the text, which may hold secrets.
    return { error: 'is not JSON' }
  }
}

const secretReferenceSchema = z.union([
  z.strictObject({ env: z.string().min(1) }),
  z.strictObject({ file: z.string().min(1) }),
])

/** Stands for a secret that cannot be had, so that one mistake is told once; nothing is ever made of it. */
const absentSecret = 'x'.repeat(64)

/** Replaces every `{"env": NAME}` and `{"file": PATH}` that stands for a `client_secret`. */
function resolveSecrets(
  document: unknown,
  env: Record<string, string | undefined>,
  readFile: (path: string) => string,
): { value: unknown; errors: string[] } {
  const errors: string[] = []
  const absent = (message: string) => {
    errors.push(`client_secret: ${message}`)
    return absentSecret
  }
  const value = JSON.parse(JSON.stringify(document), (key, member: unknown) => {
    const reference = key === 'client_secret' ? secretReferenceSchema.safeParse(member) : undefined
    if (!reference?.success) return member
    if ('env' in reference.data) {
      return env[reference.data.env] || absent(`the environment has no ${reference.data.env}`)
    }
    try {
      return readFile(reference.data.file).trim()
    } catch {
      return absent(`cannot read ${reference.data.file}`)
    }
  })
  return { value, errors }
}

const isLoopbackIssuer = (from: Environment) => isLoopbackHost(new URL(from.COATCHECK_ISSUER).hostname)

/**
 * What each value allows, and together they do not (promise 12: insecure configuration refuses to start). Looked
 * for among the variables that are sound where others are not, so that a second start finds nothing new.
 */
function contradictions(
  { variables, unread }: OwnVariables,
  environment: z.ZodSafeParseResult<Environment>,
  readFile: (path: string) => string,
): string[] {
  const unsound = new Set([...unread, ...(environment.error?.issues.map(({ path }) => path[0]) ?? [])])
  const isOpen = (name: keyof Environment) => !unsound.has(name)
  if (!isOpen('COATCHECK_ISSUER')) return []
  const sound = Object.entries(variables).filter(([name]) => !unsound.has(name))
  const from = z.object(environmentSchema.shape).parse(Object.fromEntries(sound))
  // Port 0 is another one each time.
  const sharesPort = from.COATCHECK_PORT !== 0 && from.COATCHECK_METRICS_PORT === from.COATCHECK_PORT
  const ports = sharesPort && isOpen('COATCHECK_PORT') ? [sharedPort] : []
  const found = [
    ...ports,
    ...keyServiceFaults(from, isOpen),
    ...databaseFaults(from, isOpen, readFile),
    ...workerFaults(from),
  ]
  if (isLoopbackIssuer(from)) {
    const mayListen = isLoopbackHost(from.COATCHECK_HOST) || from.COATCHECK_ALLOW_EXPOSED_LOOPBACK_ISSUER
    const isExposed = !mayListen && isOpen('COATCHECK_ALLOW_EXPOSED_LOOPBACK_ISSUER')
    return [...found, ...(isExposed ? [exposedLoopbackIssuer] : [])]
  }
  return [
    ...found,
    ...(hasSealingKey(from) || !isOpen('COATCHECK_MASTER_KEYS') || !isOpen('COATCHECK_KEY_SERVICE_URL')
      ? []
      : [masterKeysMissing]),
    ...(from.COATCHECK_ALLOW_LOOPBACK_UPSTREAMS ? [loopbackUpstreamsInPublic] : []),
  ]
}

function workerFaults({ COATCHECK_WORKERS: workers, COATCHECK_DATABASE_URL: url }: Environment): string[] {
  const address = databaseAddress(url)
  return workers > 1 && address.kind === 'sqlite' && address.path === ':memory:' ? [unsharedDatabase] : []
}

/** One line a mistake, without the value that caused it. */
function issuesOf(result: z.ZodSafeParseResult<unknown>, prefix: string): string[] {
  return result.success ? [] : linesOf(faultsOf(result.error), prefix)
}

function linesOf(faults: readonly Fault[], prefix: string): string[] {
  return faults.map(({ path, message }) => {
    const place = path.length > 0 ? `${path.map(stepOf).join('.')}: ` : ''
    return `${prefix}${place}${message}`
  })
}

/** A name may hold dots, or what a terminal would obey. */
function stepOf(step: PropertyKey): string {
  const name = String(step)
  return /^[\w:/-]+$/.test(name) ? name : JSON.stringify(name)
}
