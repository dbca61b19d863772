import { z } from 'zod'
import { registeredIdPattern } from '../lib/registered-id.ts'
import { scopeTokenPattern } from '../lib/scope-token.ts'

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
  descriptor: z
    .union(
      [z.string().regex(registeredIdPattern, 'is not an id'), z.record(z.string(), z.unknown())],
      'must be the id of a built-in descriptor, or a descriptor',
    )
    .describe('The id of a built-in descriptor, or one written here, which may say extends'),
  variables: z
    .record(z.string(), z.string().min(1).max(2048))
    .default({})
    .describe('Base URLs of the descriptor that differ'),
  client_id: z.string().min(1).max(512).describe('As registered at the provider'),
  client_secret: z
    .string()
    .min(1)
    .max(2048)
    .optional()
    .describe('Absent: the stored one is kept, unless the client or an address changed'),
  scopes: z
    .array(z.string().regex(scopeTokenPattern, 'is not a scope'))
    .max(200)
    .optional()
    .describe('All this gateway may ever ask for; absent: what resources list'),
  admit: admitSchema
    .optional()
    .describe('Who may sign in; required with a public issuer, and anyone on a loopback one'),
  enabled: z.boolean().default(true),
})

export type ProviderDefinition = z.infer<typeof providerDefinitionSchema>
