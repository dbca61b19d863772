import { type Call, field } from './exchange.ts'
import { decoded } from './parse.ts'

export type ClientCredentials = { clientId: string; clientSecret: string | undefined }

const formDecoded = (value: string) => decoded(value.replaceAll('+', ' '))

/** `client_secret_basic`; RFC 6749 section 2.3.1 form-encodes both halves before base64. */
export function basicCredentials(call: Call): ClientCredentials | undefined {
  const [scheme, encoded] = (call.headers.authorization ?? '').split(' ')
  if (scheme?.toLowerCase() !== 'basic' || !encoded) return undefined
  const pair = Buffer.from(encoded, 'base64').toString()
  const colon = pair.indexOf(':')
  if (colon < 0) return undefined
  return {
    clientId: formDecoded(pair.slice(0, colon)),
    clientSecret: formDecoded(pair.slice(colon + 1)),
  }
}

/** `client_secret_post`. */
export function bodyCredentials(call: Call): ClientCredentials | undefined {
  const clientId = field(call.body, 'client_id')
  if (clientId === undefined) return undefined
  return { clientId, clientSecret: field(call.body, 'client_secret') }
}
