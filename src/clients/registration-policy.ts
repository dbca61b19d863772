import { z } from 'zod'
import type { ClientOrigin } from '../storage/documents.ts'
import type { MetadataRules } from './metadata.ts'
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
    /** The private-use schemes without a dot that redirect URIs may have. */
    app_schemes: z
      .array(scheme)
      .max(200)
      .default([...knownAppSchemes]),
    /** The hosts metadata documents are taken from; absent: any, empty: none. */
    metadata_document_hosts: z.array(host).max(200).optional(),
  })
  .superRefine(({ policy, redirect_hosts: hosts }, context) => {
    if ((policy === 'allow_list') === (hosts !== undefined)) return
    const message = policy === 'allow_list' ? 'is required for allow_list' : 'is for policy allow_list'
    context.addIssue({ code: 'custom', path: ['redirect_hosts'], message })
  })

export type RegistrationPolicy = z.infer<typeof registrationPolicySchema>

/** What clients that register themselves may say. */
export function registrationRules(policy: RegistrationPolicy): MetadataRules {
  return { appSchemes: policy.app_schemes, redirectHosts: policy.redirect_hosts }
}

/** The schemes without a dot that a client may be answered at: an administrator's own choice is not narrowed. */
export function appSchemesOf({ origin }: { origin: ClientOrigin }, policy: RegistrationPolicy) {
  return origin === 'admin' || origin === 'config' ? knownAppSchemes : policy.app_schemes
}
