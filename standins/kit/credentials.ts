import { type Call, field } from './exchange.ts'

export type ClientCredentials = { via: 'body' | 'basic'; clientId: string; clientSecret: string | undefined }

const formDecode = (value: string) => {
  try {
    return decodeURIComponent(value.replaceAll('+', ' '))
  } catch {
    return value
  }
}

/** `client_secret_basic`; RFC 6749 section 2.3.1 form-encodes both halves before base64. */
export function basicCredentials(call: Call): ClientCredentials | undefined {
  const [scheme, encoded] = (call.headers.authorization ?? '').split(' ')
  if (scheme?.toLowerCase() !== 'basic' || !encoded) return undefined
  const decoded = Buffer.from(encoded, 'base64').toString()
  const colon = decoded.indexOf(':')
  if (colon < 0) return undefined
  return {
    via: 'basic',
    clientId: formDecode(decoded.slice(0, colon)),
    clientSecret: formDecode(decoded.slice(colon + 1)),
  }
}

/** `client_secret_post`. */
export function bodyCredentials(call: Call): ClientCredentials | undefined {
  const clientId = field(call.body, 'client_id')
  if (clientId === undefined) return undefined
  return { via: 'body', clientId, clientSecret: field(call.body, 'client_secret') }
}
