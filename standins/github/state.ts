import { z } from 'zod'
import type { CodeStore } from '../kit/codes.ts'
import type { Core } from '../kit/core.ts'
import type { Directory } from '../kit/directory.ts'
import type { TokenStore } from './tokens.ts'

const redirectSchema = z.union([
  z.strictObject({ uri: z.url(), match: z.enum(['exact', 'wildcard']) }),
  z.url().transform((uri) => ({ uri, match: 'exact' as const })),
])

export const clientSchema = z.strictObject({
  clientId: z.string(),
  clientSecret: z.string(),
  name: z.string().default('Coatcheck'),
  redirectUris: z.array(redirectSchema).min(1),
  kind: z.enum(['oauth-app', 'github-app']).default('oauth-app'),
  /** The app's setting for expiring user tokens; absent: on for a GitHub App, off for an OAuth App. */
  expiringTokens: z.boolean().optional(),
  suspended: z.boolean().default(false),
})

const emailSchema = z.strictObject({
  email: z.string(),
  primary: z.boolean().default(false),
  verified: z.boolean().default(true),
  visibility: z.enum(['public', 'private']).nullable().default(null),
})

const repositorySchema = z.strictObject({
  name: z.string(),
  private: z.boolean().default(false),
  description: z.string().nullable().default(null),
})

export const userSchema = z.strictObject({
  id: z.int().positive(),
  login: z.string(),
  name: z.string().nullable().default(null),
  /** The address on the public profile; says nothing about the verified ones. */
  publicEmail: z.string().nullable().default(null),
  emails: z.array(emailSchema).default([]),
  repositories: z.array(repositorySchema).default([]),
  /** Sign-ins fail at the token endpoint with `unverified_user_email`. */
  unverified: z.boolean().default(false),
})

export const switchesSchema = z.strictObject({
  /** The status of errors at the token endpoint. */
  errorStatus: z.union([z.literal(200), z.literal(400)]),
  numbersAsStrings: z.boolean(),
  /** Whether the token endpoint heeds `Accept`, or answers form-encoded to everybody. */
  accept: z.enum(['heeded', 'ignored']),
  /** An old Enterprise Server: it ignores `offline_access`. */
  ghesOld: z.boolean(),
  metadata: z.enum(['right', 'wrong', 'absent']),
  accessLifetime: z.int().positive(),
  refreshLifetime: z.int().positive(),
  /** Live tokens per user, app and scope set; one more revokes the oldest. */
  liveTokens: z.int().positive(),
  /** Sign-ins per user, app and scope set within an hour; one more is refused. */
  tokensPerHour: z.int().positive(),
})

export type GithubClient = z.output<typeof clientSchema>
export type GithubUser = z.output<typeof userSchema>
export type GithubSwitches = z.output<typeof switchesSchema>

export const defaultSwitches: GithubSwitches = {
  errorStatus: 200,
  numbersAsStrings: false,
  accept: 'heeded',
  ghesOld: false,
  metadata: 'right',
  accessLifetime: 28_800,
  refreshLifetime: 15_897_600,
  liveTokens: 10,
  tokensPerHour: 10,
}

export type CodeDetails = { scopes: string[]; offline: boolean }

export type GithubState = {
  core: Core
  web: string
  api: string
  clients: Map<string, GithubClient>
  users: Directory<GithubUser>
  switches: GithubSwitches
  codes: CodeStore<CodeDetails>
  tokens: TokenStore
}
