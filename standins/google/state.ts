import { z } from 'zod'
import type { CodeStore } from '../kit/codes.ts'
import type { Core } from '../kit/core.ts'
import type { Directory } from '../kit/directory.ts'
import type { KeyRing } from '../kit/keys.ts'
import type { GrantStore } from './grants.ts'
import { idTokenFaults } from './id-token-faults.ts'

export const clientSchema = z.strictObject({
  clientId: z.string(),
  clientSecret: z.string(),
  name: z.string().default('Coatcheck'),
  redirectUris: z.array(z.url()).min(1),
  /** The Cloud project: revoking one client's grant revokes its sibling clients' grants too. Absent: its own. */
  project: z.string().optional(),
  deleted: z.boolean().default(false),
  /** An app for one Workspace organization only: everybody else sees `org_internal`. */
  organization: z.string().optional(),
})

const eventSchema = z.strictObject({ summary: z.string(), start: z.string(), end: z.string() })

export const userSchema = z.strictObject({
  sub: z.string(),
  email: z.string(),
  /** A string is what a broken directory sends; it is passed on as it is. */
  emailVerified: z.union([z.boolean(), z.string()]).default(true),
  name: z.string().nullable().default(null),
  hd: z.string().optional(),
  events: z.array(eventSchema).default([]),
})

export const switchesSchema = z.strictObject({
  /** Whether discovery promises `iss`, independently of whether it is sent. */
  advertiseIss: z.boolean(),
  /** An app in "Testing" status: refresh tokens die after seven days. */
  testing: z.boolean(),
  /** Live refresh tokens per account and client; one more silently kills the oldest. */
  liveRefreshTokens: z.int().positive(),
  accessLifetime: z.int().positive(),
  refreshIdleLifetime: z.int().positive(),
  /** Shown on Google's own page, never redirected. */
  pageError: z.enum(['none', 'admin_policy_enforced', 'org_internal', 'disallowed_useragent']),
  /** What every refresh is answered with. */
  refreshError: z.enum(['none', 'invalid_rapt', 'admin_policy_enforced', 'unauthorized_client']),
  idTokenFault: z.enum(idTokenFaults),
  /** Laid over the claims of every ID token; null leaves one out. */
  idTokenClaims: z.record(z.string(), z.unknown()),
  /** Claims set to the time of issuing plus this many seconds. */
  idTokenTimes: z.partialRecord(z.enum(['iat', 'exp', 'nbf']), z.int()),
})

export type GoogleClient = z.output<typeof clientSchema>
export type GoogleUser = z.output<typeof userSchema>
export type GoogleSwitches = z.output<typeof switchesSchema>

export const defaultSwitches: GoogleSwitches = {
  advertiseIss: true,
  testing: false,
  liveRefreshTokens: 100,
  accessLifetime: 3600,
  refreshIdleLifetime: 15_552_000,
  pageError: 'none',
  refreshError: 'none',
  idTokenFault: 'none',
  idTokenClaims: {},
  idTokenTimes: {},
}

export type CodeDetails = { scopes: string[]; nonce: string | undefined; refreshable: boolean }

export type GoogleState = {
  core: Core
  issuer: string
  clients: Map<string, GoogleClient>
  users: Directory<GoogleUser>
  switches: GoogleSwitches
  codes: CodeStore<CodeDetails>
  grants: GrantStore
  keys: KeyRing
}
