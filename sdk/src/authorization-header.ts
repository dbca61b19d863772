import { isToken } from './http-grammar.ts'

export type Authorization =
  /** No `Authorization` header came. */
  | { readonly outcome: 'missing' }
  /** Credentials of another scheme: to a server that knows bearer tokens alone, none at all (RFC 6750 section 3.1). */
  | { readonly outcome: 'not_bearer'; readonly scheme: string }
  | { readonly outcome: 'malformed' }
  /** More than one set of credentials: which of them counts is not for us to choose. */
  | { readonly outcome: 'several' }
  | { readonly outcome: 'token'; readonly token: string }

/** RFC 6750 section 2.1. */
const b64token = /^[A-Za-z0-9\-._~+/]+=*$/
/** Or what begins like one: every quote ends somewhere, so that no text is read twice. */
const quotedString = /"(?:[^"\\]|\\[\s\S]?)*(?:"|$)/g
const furtherCredentials = /, *[!#$%&'*+.^_`|~0-9A-Za-z-]+ +[^ =]/

/**
 * Reads the `Authorization` header strictly: `credentials` of RFC 9110 section 11.4 with the `b64token` of RFC 6750
 * section 2.1. Wants every line of the header, because the first of two is not more right than the second; web
 * runtimes join lines with a comma, and that is seen too.
 */
export function parseAuthorization(header: string | readonly string[] | null | undefined): Authorization {
  const [credentials, ...more] = typeof header === 'string' ? [header] : (header ?? [])
  if (credentials === undefined) return { outcome: 'missing' }
  if (more.length > 0 || furtherCredentials.test(credentials.replace(quotedString, '""'))) {
    return { outcome: 'several' }
  }
  const [scheme = ''] = credentials.split(' ', 1)
  if (!isToken(scheme)) return { outcome: 'malformed' }
  if (scheme.toLowerCase() !== 'bearer') return { outcome: 'not_bearer', scheme }
  const token = credentials.slice(scheme.length).replace(/^ +/, '')
  return b64token.test(token) ? { outcome: 'token', token } : { outcome: 'malformed' }
}
