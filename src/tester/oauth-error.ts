import { type Heard, header, isOfType, jsonType, objectIn, quoted, said } from './heard.ts'

/** What an answer that must be an OAuth error is: its code, or what is wrong with its form. */
export type ReadError =
  | { outcome: 'error'; error: string; status: number }
  | { outcome: 'malformed'; message: string }

/** Reads a refusal (RFC 6749 section 5.2, RFC 7591 section 3.2.2). Clients act on the code, and on nothing else. */
export function readOAuthError(heard: Heard): ReadError {
  const malformed = (message: string): ReadError => ({ outcome: 'malformed', message })
  if (heard.outcome === 'failed') return malformed(heard.reason)
  const { status } = heard
  if (status < 400 || status > 499) return malformed(`${said(heard)}, and no error`)
  const body = objectIn(heard)
  if (!isOfType(heard, jsonType) || !body) return malformed(`${said(heard)}, and no JSON`)
  if (typeof body.error !== 'string') return malformed(`it answers ${status} without error`)
  const nulls = Object.keys(body).filter((name) => body[name] === null)
  if (nulls.length > 0) return malformed(`${quoted(nulls[0])} is null, which official SDKs cannot read`)
  return { outcome: 'error', error: body.error, status }
}

export const isUncached = (heard: Heard): boolean =>
  /(?:^|[\s,])no-store(?:[\s,]|$)/i.test(header(heard, 'cache-control') ?? '')
