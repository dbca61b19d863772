import { z } from 'zod'
import { OAuthError } from '../errors.ts'
import type { ClientMetadata } from '../storage/documents.ts'
import { documentUrl } from './document-id.ts'
import type { MetadataRules } from './metadata.ts'
import { checkMetadataDocument } from './metadata-document.ts'
import { knownAppSchemes } from './registrable-uri.ts'

const host = z
  .string()
  .max(260)
  .regex(/^(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[1-9]\d{0,4})?$/, 'is not a host, in lower case')
const scheme = z
  .string()
  .max(64)
  .regex(/^[a-z][a-z0-9+.-]*$/, 'is not a scheme, in lower case and without its colon')

/** Who may register, and as what: `registration` in the configuration file. */
export const registrationPolicySchema = z
  .strictObject({
    policy: z.enum(['open', 'allow_list', 'closed', 'initial_access_token']).default('open'),
    /** The web hosts that answers may go to, under `allow_list`; this computer and apps are always among them. */
    redirect_hosts: z.array(host).max(200).optional(),
    /** The private-use schemes without a dot that redirect URIs may have, whoever registers the client. */
    app_schemes: z
      .array(scheme)
      .max(200)
      .default([...knownAppSchemes]),
    /** The hosts metadata documents are taken from; absent: any, empty: none. */
    metadata_document_hosts: z.array(host).max(200).optional(),
    /** Metadata documents as the administrator has them, which are not fetched. */
    metadata_documents: z.array(z.record(z.string(), z.unknown())).max(200).default([]),
  })
  .superRefine(({ policy, redirect_hosts: hosts }, context) => {
    if ((policy === 'allow_list') === (hosts !== undefined)) return
    const message = policy === 'allow_list' ? 'is required for allow_list' : 'is for policy allow_list'
    context.addIssue({ code: 'custom', path: ['redirect_hosts'], message })
  })
  .transform((policy, context) => ({ ...policy, metadata_documents: readPinned(policy, context) }))

export type RegistrationPolicy = z.infer<typeof registrationPolicySchema>

/** What clients that register themselves may say. */
export function registrationRules({ app_schemes, redirect_hosts }: RegistrationPolicy): MetadataRules {
  return { appSchemes: app_schemes, redirectHosts: redirect_hosts, forbidden: 'left out' }
}

/** What clients that publish themselves may say. A policy names the hosts of their documents, not of their redirects. */
export function documentRules({ app_schemes }: { app_schemes: readonly string[] }): MetadataRules {
  return { appSchemes: app_schemes, forbidden: 'left out' }
}

type Pinned = { app_schemes: readonly string[]; metadata_documents: readonly Record<string, unknown>[] }

/** The documents by their ids, each checked as if it had been fetched. */
function readPinned(
  { app_schemes, metadata_documents }: Pinned,
  context: z.RefinementCtx,
): ReadonlyMap<string, ClientMetadata> {
  const pinned = new Map<string, ClientMetadata>()
  for (const [index, document] of metadata_documents.entries()) {
    const refuse = (message: string) =>
      context.addIssue({ code: 'custom', path: ['metadata_documents', index], message })
    const { client_id: id } = document
    if (typeof id !== 'string' || !documentUrl(id, { allowLoopback: false })) {
      refuse('client_id is not the https URL of a document')
    } else if (pinned.has(id)) {
      refuse('stands here twice')
    } else {
      const metadata = checked(document, id, documentRules({ app_schemes }))
      if (typeof metadata === 'string') refuse(metadata)
      else pinned.set(id, metadata)
    }
  }
  return pinned
}

/** The metadata, or what is wrong with it. */
function checked(
  document: Record<string, unknown>,
  id: string,
  rules: MetadataRules,
): ClientMetadata | string {
  try {
    return checkMetadataDocument(document, id, rules)
  } catch (error) {
    if (error instanceof OAuthError) return error.description
    throw error
  }
}
