import { z } from 'zod'
import { registeredIdPattern } from '../lib/registered-id.ts'

const id = z.string().regex(registeredIdPattern, 'is not an id')
// RFC 6749 section 3.3.
const scope = z.string().regex(/^[\x21\x23-\x5B\x5D-\x7E]{1,255}$/, 'is not a scope')

const providerSchema = z.strictObject({
  provider: id,
  scopes: z.array(scope).max(100),
  required: z.boolean().default(true),
  for: z.array(scope).min(1).max(100).optional(),
})

/** The body of `PUT /admin/v1/resources/{id}` and of a resource in the configuration file. */
export const resourceDefinitionSchema = z
  .strictObject({
    resource: z.string().min(1).max(2048),
    name: z.string().min(1).max(100),
    scopes: z.record(scope, z.string().min(1).max(300)).default({}),
    default_scopes: z.array(scope).max(100).default([]),
    providers: z.array(providerSchema).max(20).default([]),
    sign_in: z.array(id).min(1).max(20).optional(),
    require_user_token: z.boolean().optional(),
    offline_retrieval: z.int().min(0).max(31_536_000).optional(),
    default: z.boolean().optional(),
    enabled: z.boolean().default(true),
  })
  .superRefine((definition, context) => {
    const refuse = (path: (string | number)[], message: string) =>
      context.addIssue({ code: 'custom', path, message })
    const known = new Set(Object.keys(definition.scopes))
    if (known.has('offline_access')) {
      // SEP-2207: `offline_access` is the gateway's own word and must not stand in a resource's metadata.
      refuse(['scopes', 'offline_access'], 'is the gateway’s own scope')
    }
    definition.default_scopes.forEach((name, index) => {
      if (!known.has(name)) refuse(['default_scopes', index], 'is not among scopes')
    })
    definition.providers.forEach((entry, index) => {
      if (definition.providers.findIndex((other) => other.provider === entry.provider) !== index) {
        refuse(['providers', index, 'provider'], 'stands here twice')
      }
      entry.for?.forEach((name, position) => {
        if (!known.has(name)) refuse(['providers', index, 'for', position], 'is not among scopes')
      })
    })
  })

export type ResourceDefinition = z.infer<typeof resourceDefinitionSchema>
