import { z } from 'zod'
import { registeredIdPattern } from '../lib/registered-id.ts'
import { scopeTokenPattern } from '../lib/scope-token.ts'

const id = z.string().regex(registeredIdPattern, 'is not an id')
const scope = z.string().regex(scopeTokenPattern, 'is not a scope')

const providerSchema = z.strictObject({
  provider: id,
  scopes: z.array(scope).max(100),
  required: z.boolean().default(true),
  for: z
    .array(scope)
    .min(1)
    .max(100)
    .optional()
    .describe('Only when one of these scopes of the resource is asked for'),
})

const callerSchema = z.strictObject({
  resource: id.describe('The id of another resource'),
  for: z
    .record(scope, z.array(scope).max(100))
    .describe('By each scope a person’s token has there: the scopes it opens here'),
})

/** The body of `PUT /admin/v1/resources/{id}` and of a resource in the configuration file. */
export const resourceDefinitionSchema = z
  .strictObject({
    resource: z.string().min(1).max(2048).describe('Its URI (RFC 8707), the aud of its tokens'),
    name: z.string().min(1).max(100).describe('What people read'),
    scopes: z
      .record(scope, z.string().min(1).max(300))
      .default({})
      .describe('Its own scopes, each with a sentence that people read'),
    default_scopes: z.array(scope).max(100).default([]).describe('Asked for where a client asks for none'),
    providers: z.array(providerSchema).max(20).default([]).describe('What it may have of each provider'),
    callers: z
      .array(callerSchema)
      .max(50)
      .optional()
      .describe('Resources that may call this one for people, by token exchange; absent: none'),
    sign_in: z
      .array(id)
      .min(1)
      .max(20)
      .optional()
      .describe('Providers to sign in with; absent: those it lists that can sign people in, else any'),
    require_user_token: z
      .boolean()
      .optional()
      .describe('Hand out upstream tokens only along with the person’s own token'),
    offline_retrieval: z
      .int()
      .min(0)
      .max(31_536_000)
      .optional()
      .describe('Seconds after the last access token’s end in which it may fetch tokens without it'),
    access: z
      .enum(['everyone', 'bindings'])
      .optional()
      .describe('Who has its scopes: whoever may sign in (absent), or only those whom a binding gives them'),
    default: z.boolean().optional().describe('The one for clients that name no resource'),
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
    definition.callers?.forEach(({ resource, for: opens }, index) => {
      const place = ['callers', index]
      if (definition.callers?.findIndex((other) => other.resource === resource) !== index) {
        refuse([...place, 'resource'], 'stands here twice')
      }
      if (Object.keys(opens).length === 0) refuse([...place, 'for'], 'opens nothing')
      for (const [theirs, ours] of Object.entries(opens)) {
        if (ours.length === 0 && known.size > 0) refuse([...place, 'for', theirs], 'opens nothing')
        ours.forEach((name, position) => {
          if (!known.has(name)) refuse([...place, 'for', theirs, position], 'is not among scopes')
        })
      }
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
