import { z } from 'zod'
import type { Core } from '../kit/core.ts'
import type { Directory } from '../kit/directory.ts'
import type { KeyRing } from '../kit/keys.ts'

export const clientSchema = z.strictObject({
  clientId: z.string(),
  clientSecret: z.string(),
  name: z.string().default('Coatcheck'),
  redirectUris: z.array(z.url()).min(1),
  auth: z.enum(['client_secret_basic', 'client_secret_post']).default('client_secret_basic'),
})

export const userSchema = z.strictObject({
  sub: z.string(),
  name: z.string(),
  email: z.string(),
  emailVerified: z.boolean().default(true),
  groups: z.array(z.string()).optional(),
  /** The `acr` of the sign-ins this person can make. */
  strengths: z.array(z.string()).default([]),
})

export const switchesSchema = z.strictObject({
  /** `offline_access`: only for that scope, which OpenID Connect ties to `prompt=consent`. */
  refreshTokens: z.enum(['offline_access', 'always', 'never']),
  rotates: z.boolean(),
  accessLifetime: z.int().positive(),
  refreshLifetime: z.int().positive(),
})

export type OidcClient = z.output<typeof clientSchema>
export type OidcUser = z.output<typeof userSchema>
export type OidcSwitches = z.output<typeof switchesSchema>

export const defaultSwitches: OidcSwitches = {
  refreshTokens: 'offline_access',
  rotates: true,
  accessLifetime: 3600,
  refreshLifetime: 1_209_600,
}

export type OidcState = {
  core: Core
  issuer: string
  claims: 'id_token' | 'userinfo'
  clients: Map<string, OidcClient>
  users: Directory<OidcUser>
  switches: OidcSwitches
  keys: KeyRing
}
