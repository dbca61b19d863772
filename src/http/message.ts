import type { FastifyRequest } from 'fastify'
import { OAuthError } from '../errors.ts'
import { parameterLimits } from '../lib/parameters.ts'

/**
 * Refuses a request that two readers may understand in two ways, whatever its address: a proxy in front of us may
 * have let through something else than what we would answer.
 */
export function refuseUnclear({ raw }: FastifyRequest): void {
  const { headers, rawHeaders, url = '' } = raw
  if (rawHeaders.length > 2 * mostHeaders) throw tooLarge('There are too many headers', 431)
  if (hasTooMany(url)) throw invalid('There are too many parameters')
  for (const name of once) {
    if (countOf(name, rawHeaders) > 1) throw invalid(`There is more than one ${name} header`)
  }
  // RFC 9112 section 3.2. Nothing here depends on it, but it is written into what proxies keep.
  if (!host.test(headers.host ?? '')) throw invalid('The Host header is not a host')
  // RFC 9112 section 6.1: a coding we do not know leaves us guessing where the body ends, or what it says.
  const framing = headers['transfer-encoding']
  if (framing !== undefined && framing.toLowerCase() !== 'chunked') throw invalid('The body is encoded')
  if ((headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity') {
    throw unsupported('The body is encoded', { 'accept-encoding': 'identity' })
  }
  if (!hasKnownCharsets(headers['content-type'] ?? '')) throw unsupported('The charset is not supported here')
  // Nothing here has a name with a NUL in it, and PostgreSQL cannot be asked for one.
  if (url.split('?', 1)[0]?.includes('%00')) throw invalid('The address has a NUL in it')
}

/** With what proxies and browsers add. */
const mostHeaders = 200

/** Whether an address has more parameters than any route takes; most of them look at none. */
function hasTooMany(url: string): boolean {
  let count = 0
  for (let at = url.indexOf('?'); at >= 0; at = url.indexOf('&', at + 1)) {
    if (++count > parameterLimits.maxParameters) return true
  }
  return false
}

/** Of two of these, everybody reads one or the other (RFC 9110 section 5.3). */
const once = ['authorization', 'content-type', 'host']

function countOf(name: string, rawHeaders: readonly string[]): number {
  return rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === name).length
}

const host = /^(?:\[[0-9a-f:.]+\]|[\w.~%!$&'()*+,;=-]*)(?::\d*)?$/i

/** Those in which ASCII is ASCII: whatever else is sent is percent-encoded, or must be UTF-8. */
const charsets = ['utf-8', 'utf8', 'us-ascii', 'iso-8859-1']

function hasKnownCharsets(contentType: string): boolean {
  const named = contentType.matchAll(/charset\s*=\s*"?([^\s;"]*)/gi)
  return [...named].every(([, charset = '']) => charsets.includes(charset.toLowerCase()))
}

const invalid = (says: string) => new OAuthError('invalid_request', says)

const tooLarge = (says: string, status: number) => new OAuthError('invalid_request', says, { status })

const unsupported = (says: string, headers: Record<string, string> = {}) =>
  new OAuthError('invalid_request', says, { status: 415, headers })
