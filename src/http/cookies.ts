import '@fastify/cookie'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Config } from '../config/config.ts'
import { newId, newSecret, sha256 } from '../lib/secret.ts'

type CookieKind = 'browser' | 'session'

/**
 * One secret that binds interactions to this browser, and one that says who is signed in. `__Host-` where the
 * issuer is https, so that no sibling domain can plant one; a plain name without `Secure` for http on loopback.
 */
function cookieName(config: Config, kind: CookieKind): string {
  return isSecure(config) ? `__Host-coatcheck-${kind}` : `coatcheck-${kind}`
}

const isSecure = (config: Config) => config.issuer.startsWith('https:')

/** The hash of the secret that says who is signed in; absent where nobody is. */
export function sessionHash(config: Config, request: FastifyRequest): string | undefined {
  const value = request.cookies[cookieName(config, 'session')]
  return value === undefined ? undefined : sha256(value)
}

/**
 * What a form of somebody who is signed in carries along: only a page shown in this very session can hold it, and it
 * is good for nothing else.
 */
export function formProof(config: Config, request: FastifyRequest): string | undefined {
  const value = request.cookies[cookieName(config, 'session')]
  return value === undefined ? undefined : sha256(`form ${value}`)
}

/** Gives the browser a new secret for who is signed in and answers its hash. */
export function setSession(config: Config, reply: FastifyReply): string {
  return setSecret(config, reply, 'session', cookieName(config, 'session'))
}

export function clearSession(config: Config, reply: FastifyReply): void {
  reply.clearCookie(cookieName(config, 'session'), attributes(config))
}

/** Whether this is the browser an interaction began in. */
export function isOfBrowser(
  config: Config,
  request: FastifyRequest,
  { browserHash }: { browserHash: string },
): boolean {
  return browserHashes(config, request).includes(browserHash)
}

/** The hash that binds an interaction to this browser, which is given a secret if it has none. */
export function bindBrowser(config: Config, request: FastifyRequest, reply: FastifyReply): string {
  const [known] = browserHashes(config, request)
  if (known !== undefined) return known
  // Named apart: two tabs may come for the first time at once, and neither must overwrite what the other was given.
  return setSecret(config, reply, 'browser', `${cookieName(config, 'browser')}-${newId('').slice(0, 6)}`)
}

/** One as a rule. What has another form was not set here, and binds nothing. */
export function browserHashes(config: Config, request: FastifyRequest): string[] {
  const prefix = `${cookieName(config, 'browser')}-`
  return Object.entries(request.cookies).flatMap(([name, value]) =>
    name.startsWith(prefix) && value?.startsWith('cc_browser_') ? [sha256(value)] : [],
  )
}

function setSecret(config: Config, reply: FastifyReply, kind: CookieKind, name: string): string {
  const secret = newSecret(`cc_${kind}_`)
  reply.setCookie(name, secret, attributes(config))
  return sha256(secret)
}

// Lax, not Strict: the browser comes back from the provider by a cross-site navigation.
function attributes(config: Config) {
  return { path: '/', httpOnly: true, sameSite: 'lax', secure: isSecure(config) } as const
}
