import { z } from 'zod'
import { scopeTokenPattern } from '../lib/scope-token.ts'
import { conditionsSchema } from './conditions.ts'

const scope = z.string().regex(scopeTokenPattern, 'is not a scope')

export const roleSchema = z.strictObject({
  description: z.string().max(300).optional(),
  scopes: z.array(scope).max(100).describe('Of the resource'),
  administrator: z
    .boolean()
    .optional()
    .describe('May call tools that wait for review, and tools of a resource that is not live'),
})

/** Whom a binding is for. */
export const holderSchema = z.union([
  z.strictObject({ everyone: z.literal(true) }),
  z.strictObject({ subject: z.string().min(1).max(255) }),
  z.strictObject({
    group: z.string().min(1).max(255).describe('As the provider names it'),
    provider: z.string().min(1).max(64).describe('Whose word counts for it'),
  }),
])

export const bindingSchema = z.strictObject({
  role: z.string().min(1).max(100),
  holder: holderSchema,
  conditions: conditionsSchema.default({}),
  expires_at: z.int().min(0).optional().describe('From then on it gives nothing'),
})
