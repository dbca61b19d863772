import { OAuthError } from '../errors.ts'
import type { ClientMetadata } from '../storage/documents.ts'
import { type MetadataRules, readClientMetadata } from './metadata.ts'

/**
 * What a client publishes of itself under its id (draft-ietf-oauth-client-id-metadata-document section 4), by the rules
 * of registration and a few more. Throws `OAuthError` where it must not be used.
 */
export function readMetadataDocument(text: string, id: string, rules?: MetadataRules): ClientMetadata {
  return checkMetadataDocument(parse(text), id, rules)
}

/** The same for a document that was read already. */
export function checkMetadataDocument(
  document: Readonly<Record<string, unknown>>,
  id: string,
  rules?: MetadataRules,
): ClientMetadata {
  if (document.client_id !== id) throw refused('client_id is not the URL of the document')
  const secret = Object.keys(document).find((member) => member.startsWith('client_secret'))
  if (secret !== undefined) throw refused('a published document must not hold a secret')
  // The default of RFC 7591 is a secret, which nobody can keep in public.
  const metadata = readClientMetadata(
    { ...document, token_endpoint_auth_method: authMethod(document) },
    rules,
  )
  if (metadata.client_name === undefined) throw refused('client_name is missing')
  return metadata
}

/**
 * How the client authenticates here. One document is for every server, so it may list all that its client can do
 * (OpenID Connect RP Metadata Choices), beside what the client prefers or instead of it. Of what is listed the stronger
 * one counts, as for a client that chooses by our metadata.
 */
function authMethod(document: Readonly<Record<string, unknown>>): 'none' | 'private_key_jwt' {
  const { token_endpoint_auth_method: method, token_endpoint_auth_methods_supported: listed } = document
  if (method === 'none' || method === 'private_key_jwt') return method
  if (method !== undefined && method !== null) throw refused(methods)
  if (!Array.isArray(listed) || listed.length === 0) return 'none'
  const hasKeys = document.jwks != null || document.jwks_uri != null
  if (hasKeys && listed.includes('private_key_jwt')) return 'private_key_jwt'
  if (listed.includes('none')) return 'none'
  throw refused(methods)
}

const methods = 'token_endpoint_auth_method must be none or private_key_jwt'

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const document: unknown = JSON.parse(text)
    if (typeof document === 'object' && document !== null && !Array.isArray(document)) {
      return { ...document }
    }
  } catch {
    // Said below, as for every other thing that is no object.
  }
  throw refused('the document is not a JSON object')
}

function refused(description: string): OAuthError {
  return new OAuthError('invalid_client_metadata', description)
}
