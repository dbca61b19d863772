import { OAuthError } from '../errors.ts'
import { equalSecrets, newSecret, sha256 } from '../lib/secret.ts'
import type { Client } from '../storage/clients.ts'
import type { ClientMetadata } from '../storage/documents.ts'
import { keepsSecret, type MetadataRules, readClientMetadata } from './metadata.ts'

/** What a client may not say of itself (RFC 7592 section 2.2). */
const ours = [
  'registration_access_token',
  'registration_client_uri',
  'client_id_issued_at',
  'client_secret_expires_at',
]

export type ChangedRegistration = {
  metadata: ClientMetadata
  secretHash: string | null
  /** A new one, where the client had none and now needs it. */
  secret?: string
}

/**
 * A registration as its client now wants it (RFC 7592 section 2.2): all of it, so what is left out is gone. Throws
 * `OAuthError`, also where it would be another's or bring a secret of its own choice.
 */
export function changedRegistration(
  client: Pick<Client, 'id' | 'secretHash'>,
  body: unknown,
  rules?: MetadataRules,
): ChangedRegistration {
  const metadata = readClientMetadata(body, rules)
  const said = new Map<string, unknown>(Object.entries(body ?? {}))
  const refuse = (description: string) => new OAuthError('invalid_client_metadata', description)
  if (said.get('client_id') !== client.id) throw refuse('client_id must be the one of this registration')
  const foreign = ours.find((member) => said.has(member))
  if (foreign !== undefined) throw refuse(`${foreign} must be left out`)
  const presented = said.get('client_secret')
  if (presented !== undefined && !isSecretOf(client, presented)) {
    throw refuse('client_secret cannot be chosen')
  }
  if (!keepsSecret(metadata)) return { metadata, secretHash: null }
  if (client.secretHash !== null) return { metadata, secretHash: client.secretHash }
  const secret = newSecret('cc_secret_')
  return { metadata, secretHash: sha256(secret), secret }
}

function isSecretOf({ secretHash }: Pick<Client, 'secretHash'>, presented: unknown): boolean {
  return typeof presented === 'string' && secretHash !== null && equalSecrets(sha256(presented), secretHash)
}
