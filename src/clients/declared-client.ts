import { z } from 'zod'
import { OAuthError } from '../errors.ts'
import { sha256 } from '../lib/secret.ts'
import type { ClientMetadata } from '../storage/documents.ts'
import { clientPrefix, resourceCredentialPrefix } from './ids.ts'
import { clientMetadataShape, keepsSecret, type MetadataRules, readClientMetadata } from './metadata.ts'

/** What an administrator says of a client that does not register itself. */
export type PreRegistration = { trusted: boolean; enabled: boolean; metadata: ClientMetadata }

/** A client of the configuration file. */
export type DeclaredClient = PreRegistration & { id: string; secretHash: string | null }

const flags = {
  trusted: z.boolean().default(false).describe('A remembered consent may skip the page'),
  enabled: z.boolean().default(true),
}

const preRegistrationShape = z.strictObject({ ...clientMetadataShape, ...flags })

/** The body of `POST /admin/v1/clients`: RFC 7591 metadata, and what only an administrator may say. */
export const preRegistrationSchema = (rules: MetadataRules) =>
  preRegistrationShape.transform(({ trusted, enabled, ...metadata }, context): PreRegistration => {
    return { trusted, enabled, metadata: checkedMetadata(metadata, rules, context) ?? z.NEVER }
  })

// Ids that we make, subjects' included, and URLs, which name metadata documents, must stay unmistakable.
const reservedIds = [clientPrefix, resourceCredentialPrefix, 'sub_']
const declaredId = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$/, 'must be 1 to 128 letters, digits and . _ ~ -')
  .refine((id) => !reservedIds.some((prefix) => id.startsWith(prefix)), 'begins like the ids made here')

const declaredShape = z.strictObject({
  client_id: declaredId,
  client_secret: z.string().min(32, 'must have 32 characters or more').max(512).optional(),
  ...clientMetadataShape,
  ...flags,
})

/**
 * A client in the configuration file, with an id of its own. Its secret is kept as SHA-256 only, which is safe for
 * what a machine made and for nothing else: `openssl rand -base64 32`.
 */
export const declaredClientSchema = (rules: MetadataRules) =>
  declaredShape.transform(({ client_id: id, client_secret: secret, ...rest }, context): DeclaredClient => {
    const { trusted, enabled, ...document } = rest
    const metadata = checkedMetadata(document, rules, context)
    if (!metadata) return z.NEVER
    if (keepsSecret(metadata) === (secret === undefined)) {
      const message = !keepsSecret(metadata)
        ? `must be left out where token_endpoint_auth_method is ${metadata.token_endpoint_auth_method}`
        : `is required for ${metadata.token_endpoint_auth_method}; a public client says token_endpoint_auth_method none`
      context.addIssue({ code: 'custom', path: ['client_secret'], message })
    }
    return { id, secretHash: secret === undefined ? null : sha256(secret), trusted, enabled, metadata }
  })

/** What an administrator writes to no effect is an error; of strangers it is only left out (RFC 7591 section 2). */
function checkedMetadata(
  document: Record<string, unknown>,
  rules: MetadataRules,
  context: z.RefinementCtx,
): ClientMetadata | undefined {
  const idle = ['jwks', 'jwks_uri'].filter((member) => document[member] != null)
  const isKeyed = document.token_endpoint_auth_method === 'private_key_jwt'
  for (const member of isKeyed ? [] : idle) {
    const message = 'is for token_endpoint_auth_method private_key_jwt'
    context.addIssue({ code: 'custom', path: [member], message })
  }
  if (idle.length > 0 && !isKeyed) return undefined
  try {
    return readClientMetadata(document, rules)
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error
    context.addIssue({ code: 'custom', message: error.description })
    return undefined
  }
}
