import { z } from 'zod'
import type { CodeStore } from '../kit/codes.ts'
import type { Core } from '../kit/core.ts'
import type { Directory } from '../kit/directory.ts'
import type { GrantStore } from './grants.ts'

export const clientSchema = z.strictObject({
  clientId: z.string(),
  clientSecret: z.string(),
  name: z.string().default('Coatcheck'),
  /** An app has exactly one callback URL. */
  redirectUri: z.url(),
  /** The scopes the app is registered for, `offline_access` aside. */
  scopes: z.array(z.string()).min(1),
})

export const siteSchema = z.strictObject({
  id: z.string(),
  name: z.string(),
  products: z.array(z.enum(['jira', 'confluence'])).default(['jira']),
})

export const userSchema = z.strictObject({
  accountId: z.string(),
  email: z.string().nullable().default(null),
  emailVerified: z.boolean().default(true),
  name: z.string(),
  /** The sites this person can open, by id. */
  sites: z.array(z.string()).default([]),
})

export const switchesSchema = z.strictObject({
  /** How long a used refresh token and its access token still work, in seconds. */
  leeway: z.int().min(0),
  accessLifetime: z.int().positive(),
  refreshIdleLifetime: z.int().positive(),
  refreshAbsoluteLifetime: z.int().positive(),
  /** How a dead refresh token is answered. */
  deadRefresh: z.enum(['invalid_grant', 'unauthorized_client']),
  revokeStatus: z.union([z.literal(200), z.literal(404)]),
  /** The sites picked when a consent page is approved without being shown; null: the first the person has. */
  pickedSites: z.array(z.string()).nullable(),
})

export type AtlassianClient = z.output<typeof clientSchema>
export type AtlassianUser = z.output<typeof userSchema>
export type AtlassianSite = z.output<typeof siteSchema>
export type AtlassianSwitches = z.output<typeof switchesSchema>

export const defaultSwitches: AtlassianSwitches = {
  leeway: 600,
  accessLifetime: 3600,
  refreshIdleLifetime: 7_776_000,
  refreshAbsoluteLifetime: 31_536_000,
  deadRefresh: 'invalid_grant',
  revokeStatus: 200,
  pickedSites: null,
}

export type CodeDetails = { scopes: string[] }

export type AtlassianState = {
  core: Core
  auth: string
  api: string
  clients: Map<string, AtlassianClient>
  users: Directory<AtlassianUser>
  sites: Map<string, AtlassianSite>
  switches: AtlassianSwitches
  codes: CodeStore<CodeDetails>
  grants: GrantStore
}
