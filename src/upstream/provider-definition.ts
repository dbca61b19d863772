import { z } from 'zod'
import { registeredIdPattern } from '../lib/registered-id.ts'

const names = z.array(z.string().min(1).max(255)).min(1).max(100)

/** Who may sign in through a provider. An object without a rule would admit nobody, so it is refused. */
const admitSchema = z.union(
  [
    z.literal('anyone'),
    z
      .strictObject({
        hosted_domains: names.optional(),
        tenants: names.optional(),
        email_domains: names.optional(),
        subjects: names.optional(),
      })
      .refine((rules) => Object.values(rules).some((rule) => rule !== undefined), 'needs at least one rule'),
  ],
  'must be "anyone" or an object with at least one rule',
)

/** The body of `PUT /admin/v1/providers/{id}` and of a provider in the configuration file. */
export const providerDefinitionSchema = z.strictObject({
  /** A built-in descriptor's id, or one written here, which may say `extends`. */
  descriptor: z.union(
    [z.string().regex(registeredIdPattern, 'is not an id'), z.record(z.string(), z.unknown())],
    'must be the id of a built-in descriptor, or a descriptor',
  ),
  variables: z.record(z.string(), z.string().min(1).max(2048)).default({}),
  client_id: z.string().min(1).max(512),
  client_secret: z.string().min(1).max(2048).optional(),
  scopes: z
    .array(z.string().regex(/^[\x21\x23-\x5B\x5D-\x7E]{1,255}$/, 'is not a scope'))
    .max(200)
    .optional(),
  admit: admitSchema.optional(),
  enabled: z.boolean().default(true),
})

export type ProviderDefinition = z.infer<typeof providerDefinitionSchema>
