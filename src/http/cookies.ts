import '@fastify/cookie'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Config } from '../config/config.ts'
import { newSecret, sha256 } from '../lib/secret.ts'

type CookieKind = 'browser' | 'session'

/**
 * One secret that binds interactions to this browser, and one that says who is signed in. `__Host-` where the
 * issuer is https, so that no sibling domain can plant one; a plain name without `Secure` for http on loopback.
 */
function cookieName(config: Config, kind: CookieKind): string {
  return isSecure(config) ? `__Host-coatcheck-${kind}` : `coatcheck-${kind}`
}

const isSecure = (config: Config) => config.issuer.startsWith('https:')

/** The hash of the secret in a cookie of the browser; absent where there is none. */
export function cookieHash(config: Config, request: FastifyRequest, kind: CookieKind): string | undefined {
  const value = request.cookies[cookieName(config, kind)]
  return value === undefined ? undefined : sha256(value)
}

/** Gives the browser a new secret and answers its hash. */
export function setCookie(config: Config, reply: FastifyReply, kind: CookieKind): string {
  const secret = newSecret(`cc_${kind}_`)
  reply.setCookie(cookieName(config, kind), secret, attributes(config))
  return sha256(secret)
}

export function clearCookie(config: Config, reply: FastifyReply, kind: CookieKind): void {
  reply.clearCookie(cookieName(config, kind), attributes(config))
}

// Lax, not Strict: the browser comes back from the provider by a cross-site navigation.
function attributes(config: Config) {
  return { path: '/', httpOnly: true, sameSite: 'lax', secure: isSecure(config) } as const
}

/** The hash that binds an interaction to this browser, which is given a secret if it has none. */
export function bindBrowser(config: Config, request: FastifyRequest, reply: FastifyReply): string {
  return cookieHash(config, request, 'browser') ?? setCookie(config, reply, 'browser')
}
