import { newId } from '../lib/secret.ts'

/** Client ids come from us alone and never look like a URL, a resource credential or a subject (RFC 9700 section 4.15). */
export const clientPrefix = 'client_'
export const resourceCredentialPrefix = 'resource_'

export const newClientId = () => newId(clientPrefix)
export const newResourceCredentialId = () => newId(resourceCredentialPrefix)
