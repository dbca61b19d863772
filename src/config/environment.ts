import { z } from 'zod'
import { isLoopbackHost } from '../lib/host.ts'
import type { MasterKey } from '../lib/seal.ts'

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
})

export const masterKeys = z.string().transform((value, context): MasterKey[] => {
  const keys = value.split(',').map((entry) => {
    const [id = '', encoded = ''] = entry.trim().split(':')
    return { id, key: new Uint8Array(Buffer.from(encoded, 'base64')) }
  })
  const refuse = (message: string) => context.addIssue({ code: 'custom', message })
  for (const { id, key } of keys) {
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(id))
      refuse('needs the form id:base64, with an id of letters and digits')
    else if (key.length !== 32) refuse(`key ${id} is not 32 bytes of base64`)
    else if (key.every((byte) => byte === key[0])) refuse(`key ${id} is one repeated byte`)
  }
  if (new Set(keys.map(({ id }) => id)).size !== keys.length) refuse('has the same key id twice')
  return keys
})

const databaseUrl = z
  .string()
  .regex(/^(sqlite:.+|postgres(ql)?:\/\/.+)$/, 'must begin with sqlite: or postgres://')

const cidrs = z.string().transform((value) => value.split(',').map((entry) => entry.trim()))

/** Everything that is read from the environment, by its full name. */
export const environmentSchema = z.strictObject({
  COATCHECK_ISSUER: issuer.default('http://localhost:8080'),
  COATCHECK_HOST: z.string().min(1).default('127.0.0.1'),
  COATCHECK_PORT: port.default(8080),
  COATCHECK_DATABASE_URL: databaseUrl.default('sqlite:data/coatcheck.db'),
  COATCHECK_MASTER_KEYS: masterKeys.optional(),
  COATCHECK_ADMIN_TOKEN: z.string().min(32, 'must have 32 characters or more').optional(),
  COATCHECK_TRUSTED_PROXIES: cidrs.default([]),
  COATCHECK_ALLOW_LOOPBACK_UPSTREAMS: flag,
  COATCHECK_ALLOW_EXPOSED_LOOPBACK_ISSUER: flag,
  COATCHECK_LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent']).default('info'),
})

export type Environment = z.infer<typeof environmentSchema>

const secrets = ['COATCHECK_DATABASE_URL', 'COATCHECK_MASTER_KEYS', 'COATCHECK_ADMIN_TOKEN']

/**
 * The `COATCHECK_` variables of a process environment, each `_FILE` twin of a secret replaced by the content of
 * the file it names. `COATCHECK_CONFIG` is left out: it names the configuration file itself.
 */
export function ownVariables(
  env: Record<string, string | undefined>,
  readFile: (path: string) => string,
): { variables: Record<string, string>; errors: string[] } {
  const variables: Record<string, string> = {}
  const errors: string[] = []
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('COATCHECK_') || name === 'COATCHECK_CONFIG' || !value) continue
    const secret = secrets.find((known) => name === `${known}_FILE`)
    if (!secret) variables[name] = value
    else if (env[secret]) errors.push(`${name}: ${secret} is set too`)
    else {
      try {
        variables[secret] = readFile(value).trim()
      } catch {
        errors.push(`${name}: cannot read ${value}`)
      }
    }
  }
  return { variables, errors }
}
