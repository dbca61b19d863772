import { isIP } from 'node:net'
import { availableParallelism } from 'node:os'
import { z } from 'zod'
import { isLoopbackHost } from '../lib/address.ts'
import type { MasterKey } from '../lib/seal.ts'
import { checkUpstreamUrl } from '../lib/upstream-url.ts'
import { databaseAddress, defaultConnections, defaultTimeout } from '../storage/database.ts'

const flag = z
  .enum(['true', 'false'])
  .default('false')
  .transform((value) => value === 'true')

const port = z
  .string()
  .regex(/^\d{1,5}$/, 'is not a port')
  .transform(Number)
  .refine((value) => value <= 65_535, 'is not a port')

const issuer = z.string().superRefine((value, context) => {
  const refuse = (message: string) => context.addIssue({ code: 'custom', message })
  if (!URL.canParse(value)) return refuse('is not an absolute URL')
  const url = new URL(value)
  // RFC 8414 section 2: no query, no fragment. Clients compare it byte for byte, so it must be in its one form.
  if (value.includes('?') || value.includes('#')) refuse('must have no query and no fragment')
  if (value.endsWith('/')) refuse('must not end with a slash')
  if (url.username !== '' || url.password !== '') refuse('must not carry a user name')
  if (url.href.replace(/\/$/, '') !== value && !value.endsWith('/')) refuse('is not in its canonical form')
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopbackHost(url.hostname))) {
    refuse('must be https, unless it is on loopback')
  }
  // Routes are registered under the path, where `:` and `*` would be patterns.
  if (!/^[\w.~/-]*$/.test(url.pathname)) {
    refuse('may have letters, digits and - . _ ~ in its path, and nothing else')
  }
})

/** A name or an address to listen on; an IPv6 address comes without the brackets it has in URLs. */
const host = z
  .string()
  .refine((value) => isIP(value) !== 0 || /^[A-Za-z0-9]([A-Za-z0-9.-]{0,252})$/.test(value), {
    message: 'is neither an IP address nor a host name',
  })

export const masterKeys = z.string().transform((value, context): MasterKey[] => {
  const refuse = (message: string) => context.addIssue({ code: 'custom', message })
  const keys = value.split(',').flatMap((entry, index): MasterKey[] => {
    const [, id, encoded] = /^([A-Za-z0-9_-]{1,64}):(.*)$/.exec(entry.trim()) ?? []
    if (id === undefined || encoded === undefined) {
      // It may be the key itself that stands where the id should.
      refuse(`entry ${index + 1} needs the form id:base64, with an id of letters, digits, _ and -`)
      return []
    }
    // 32 bytes are 43 characters and one of padding; Node would pass over whatever is not base64.
    const key = new Uint8Array(Buffer.from(encoded, 'base64'))
    if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(encoded)) refuse(`key ${id} is not 32 bytes of base64`)
    else if (key.every((byte) => byte === key[0])) refuse(`key ${id} is one repeated byte`)
    return [{ id, key }]
  })
  if (new Set(keys.map(({ id }) => id)).size !== keys.length) refuse('has the same key id twice')
  return keys
})

/** `https://vault.example/v1/transit/keys/name`: the last part names the key, there and here. */
const keyServiceUrl = z.string().superRefine((value, context) => {
  const refuse = (message: string) => context.addIssue({ code: 'custom', message })
  const fault = checkUpstreamUrl(value, { allowLoopback: true })
  if (fault) return refuse(fault)
  const { pathname, search } = new URL(value)
  if (search !== '') refuse('must have no query')
  if (!/^\/v1\/.+\/keys\/[\w-]{1,64}$/.test(pathname)) {
    refuse('must be the address of a transit key, such as https://vault.example/v1/transit/keys/coatcheck')
  }
})

export const adminToken = z.string().min(32, 'must have 32 characters or more')

const databaseUrl = z.string().superRefine((value, context) => {
  try {
    databaseAddress(value)
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) })
  }
})

const cidrs = z.string().transform((value, context) => {
  const entries = value.split(',').map((entry) => entry.trim())
  for (const entry of entries) {
    const fault = proxyFault(entry)
    if (fault) context.addIssue({ code: 'custom', message: fault })
  }
  return entries
})

/** Whose `X-Forwarded-For` counts must be said narrowly: whoever is believed can be any address they like. */
function proxyFault(entry: string): string | undefined {
  const [, address = '', bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(entry) ?? []
  const width = { 0: 0, 4: 32, 6: 128 }[isIP(address)] ?? 0
  if (width === 0 || Number(bits ?? width) > width) {
    return `${JSON.stringify(entry.slice(0, 80))} is neither an address nor a network in CIDR notation`
  }
  return bits !== undefined && Number(bits) === 0 ? `${entry} would believe everybody` : undefined
}

const atLeastOne = (most: number) => {
  const says = `is a number from 1 to ${most}`
  return z
    .string()
    .regex(/^\d{1,6}$/, says)
    .transform(Number)
    .refine((value) => value >= 1 && value <= most, says)
}

/** More would be a slip of the keyboard. */
const mostWorkers = 128

/** `auto` heeds the limits of a container, where the system tells them. */
const workers = z
  .string()
  .regex(/^(?:auto|[1-9]\d{0,2})$/, 'is neither a number of processes nor auto')
  .transform((value) => (value === 'auto' ? Math.min(availableParallelism(), mostWorkers) : Number(value)))
  .refine((value) => value <= mostWorkers, `is more than ${mostWorkers}`)

/** Everything that is read from the environment, by its full name. */
export const environmentSchema = z.strictObject({
  COATCHECK_ISSUER: issuer.default('http://localhost:8080'),
  COATCHECK_HOST: host.default('127.0.0.1'),
  COATCHECK_PORT: port.default(8080),
  COATCHECK_METRICS_PORT: port.optional(),
  COATCHECK_WORKERS: workers.default(1),
  COATCHECK_DATABASE_URL: databaseUrl.default('sqlite:data/coatcheck.db'),
  COATCHECK_DATABASE_CONNECTIONS: atLeastOne(500).default(defaultConnections),
  COATCHECK_DATABASE_TIMEOUT: atLeastOne(60).default(defaultTimeout),
  COATCHECK_MASTER_KEYS: masterKeys.optional(),
  COATCHECK_KEY_SERVICE_URL: keyServiceUrl.optional(),
  COATCHECK_KEY_SERVICE_TOKEN: z.string().min(1).optional(),
  COATCHECK_KEY_SERVICE_USE: z.enum(['seal', 'open']).default('seal'),
  COATCHECK_ADMIN_TOKEN: adminToken.optional(),
  COATCHECK_TRUSTED_PROXIES: cidrs.default([]),
  COATCHECK_ALLOW_LOOPBACK_UPSTREAMS: flag,
  COATCHECK_ALLOW_EXPOSED_LOOPBACK_ISSUER: flag,
  COATCHECK_ALLOW_UNPROVEN_DATABASE: flag,
  COATCHECK_LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent']).default('info'),
})

export type Environment = z.infer<typeof environmentSchema>

export const secretVariables = [
  'COATCHECK_DATABASE_URL',
  'COATCHECK_MASTER_KEYS',
  'COATCHECK_KEY_SERVICE_TOKEN',
  'COATCHECK_ADMIN_TOKEN',
]

export type OwnVariables = {
  variables: Record<string, string>
  errors: string[]
  /** The secrets a file was named for and whose value is not known. */
  unread: string[]
}

/**
 * The `COATCHECK_` variables of a process environment, each `_FILE` twin of a secret replaced by the content of
 * the file it names. `COATCHECK_CONFIG` is left out: it names the configuration file itself.
 */
export function ownVariables(
  env: Record<string, string | undefined>,
  readFile: (path: string) => string,
): OwnVariables {
  const own: OwnVariables = { variables: {}, errors: [], unread: [] }
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('COATCHECK_') || name === 'COATCHECK_CONFIG' || !value) continue
    const secret = secretVariables.find((known) => name === `${known}_FILE`)
    if (!secret) own.variables[name] = value
    else if (env[secret]) own.errors.push(`${name}: ${secret} is set too`)
    else {
      try {
        own.variables[secret] = readFile(value).trim()
      } catch {
        own.errors.push(`${name}: cannot read ${value}`)
        own.unread.push(secret)
      }
    }
  }
  return own
}
