/** The shapes of the JSON columns. What goes in was checked with a schema by whoever took it from outside. */

/** Who wrote a row: an administrator through the admin API, or the configuration file, which the API may not change. */
export type Origin = 'admin' | 'config'

/** `read` may look at everything and change nothing. */
export type AdministratorRole = 'read' | 'write'

/** A client may also have registered itself (`dynamic`, RFC 7591), or publish its metadata under its id (`document`). */
export type ClientOrigin = Origin | 'dynamic' | 'document'

/** RFC 7591 client metadata as registered: wire names, substituted values included. */
export type ClientMetadata = {
  redirect_uris: string[]
  token_endpoint_auth_method: 'none' | 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt'
  token_endpoint_auth_signing_alg?: string
  jwks?: ClientKeySet
  jwks_uri?: string
  grant_types: string[]
  response_types: string[]
  client_name?: string
  client_uri?: string
  logo_uri?: string
  tos_uri?: string
  policy_uri?: string
  contacts?: string[]
  scope?: string
  software_id?: string
  software_version?: string
  application_type?: string
}

/** A public key that assertions may be verified with (RFC 7517); checked where it came in. */
export type ClientJwk = {
  kty: string
  crv?: string
  x?: string
  y?: string
  n?: string
  e?: string
  kid?: string
  alg?: string
  use?: string
}

export type ClientKeySet = { keys: ClientJwk[] }

/** What an administrator said of a provider; the descriptor it names or holds is checked where it is read. */
export type ProviderDocument = {
  /** The id of a built-in descriptor, or an inline one (which may say `extends`). */
  descriptor: string | Record<string, unknown>
  variables: Record<string, string>
  /** The provider scopes an administrator lets this gateway ask for; absent: what resources list. */
  scopes?: string[]
  admit: Admit
}

/** Who may sign in through a provider: anyone, or whoever matches one of the rules. */
export type Admit =
  | 'anyone'
  | {
      hosted_domains?: string[]
      tenants?: string[]
      email_domains?: string[]
      subjects?: string[]
    }

/** What an administrator said of a resource, wire names. */
export type ResourceDocument = {
  name: string
  /** Our scopes at this resource, each with the sentence a person reads. */
  scopes: Record<string, string>
  default_scopes: string[]
  providers: ResourceProvider[]
  /** Who may exchange people's tokens for ones for this resource; absent: nobody. */
  callers?: ResourceCaller[]
  sign_in?: string[]
  require_user_token?: boolean
  /** Seconds after the last access token's end in which retrieval without the person's token goes on. */
  offline_retrieval?: number
  default?: boolean
  /** Who has its scopes: whoever may sign in (the default), or only those whom a binding gives them. */
  access?: 'everyone' | 'bindings'
}

export type ResourceProvider = {
  provider: string
  scopes: string[]
  required: boolean
  /** Our scopes that ask for it; absent: always. */
  for?: string[]
}

export type ResourceCaller = {
  /** The id of a resource. */
  resource: string
  /** By each scope a person's token has there: the scopes it opens here. */
  for: Record<string, string[]>
}

/** What began an interaction. */
export type InteractionRequest = AuthorizationRequest | ConnectRequest | AccountRequest

/** One `/oauth/authorize` that passed every check. */
export type AuthorizationRequest = {
  kind: 'authorization'
  redirectUri: string
  /** How an error may get there before anybody said yes, see `ErrorRedirect`. */
  follow: 'at once' | 'ask'
  state?: string
  scopes: string[]
  codeChallenge: string
  prompt: string[]
  maxAge?: number
  loginHint?: string
  /** Strengths of sign-in the client seeks (RFC 9470), the best first. */
  acrValues?: string[]
  /** The sign-in for one call of a tool that this is. */
  stepUpId?: string
} & Switching

/** One opened connect link. */
export type ConnectRequest = {
  kind: 'connect'
  ticketHash: string
  grantId: string
  provider: string
  scopes: string[]
  accountId?: string
  /** The person came back with another account, and wants to be asked which. */
  prompt?: ['select_account']
} & Switching

/** `restedOn` is the provider's `signInHash` of who came back, until the person says that the switch is meant. */
type Switching = { restedOn?: string }

/** What takes a person from their account page to a provider. Whose page it was is the interaction's subject. */
export type AccountRequest =
  | ({ kind: 'account'; purpose: 'sign_in' } & Switching)
  /** Somebody who is signed in does so anew before a deed that needs it; the deed is asked about once they did. */
  | { kind: 'account'; purpose: 'prove'; deed: AccountDeed; state: 'open' | 'proven'; maxAge: number }
  /** `found` is who came back, until the person says that they are meant. */
  | { kind: 'account'; purpose: 'link'; found?: FoundIdentity }
  | { kind: 'account'; purpose: 'reconnect'; connectionId: string; provider: string; scopes: string[] }

/** What changes who gets in as a person. */
export type AccountDeed =
  | { action: 'link'; provider: string }
  | { action: 'unlink'; provider: string; issuer: string; upstreamSubject: string }

export type FoundIdentity = {
  provider: string
  issuer: string
  upstreamSubject: string
  label: string
  email: string | null
  emailVerified: boolean
  groups: string[]
  authTime: number
  /** The provider's `signInHash` when they came back. */
  restedOn: string
}

/** What the person said yes to, before anything went upstream; named as in a recorded consent. */
export type ConsentDecision = {
  at: number
  scopes: string[]
  providerScopes: Record<string, string[]>
  /** SHA-256 of what the page showed of the client and the resource. */
  shownHash: string
  /** Optional providers the person left out, or that failed. */
  skipped: string[]
}

/** That the person of a browser session signed in through a provider. */
export type SignIn = {
  at: number
  /** The provider's, which says what the sign-in rested on. */
  signInHash: string
  endsAt: number
}

/** One trip to a provider. */
export type Leg = {
  provider: string
  purpose: 'sign_in' | 'connect'
  /** Whether tokens come back to be kept, or only who the person is. */
  keep: 'tokens' | 'identity'
  /** Of the provider, beside those that identity needs. */
  scopes: string[]
  /** The provider was asked to show its own consent again, to get a refresh token. Once. */
  reconsent: boolean
}

/** Where at a provider an account has something: a workspace, a cloud, an instance. */
export type Site = { id: string; name: string; url?: string }

/** The sites that a connection's token opens, as its provider listed them. */
export type SitesSeen = {
  list: Site[]
  /** When they were first seen as they are now. */
  since: number
  seenAt: number
}

/** Why a refresh brought nothing, where that is not the end of the connection. */
export type RefreshTrouble = {
  kind: 'reauth' | 'config' | 'transient' | 'limited' | 'denied' | 'policy' | 'restart'
  code: string
}

export type PublicJwk = {
  kty: string
  crv: string
  x: string
  y: string
  kid: string
  alg: string
  use: string
}

export type AuditDetail = Record<string, unknown>

/** A tool as its MCP server published it, wire names. */
export type PublishedTool = {
  name: string
  title?: string | undefined
  description?: string | undefined
  input_schema: Record<string, unknown>
  annotations?: Record<string, unknown> | undefined
  /** What its author thinks should open it; counts for nothing until somebody says so. */
  suggested_scopes?: string[] | undefined
}

/** How a tool is opened, as an administrator decided. `public`: whoever has any token for the resource. */
export type ToolRule = {
  access: 'scopes' | 'public'
  /** Of the resource: a caller needs any of them, or all. */
  scopes: string[]
  match: 'any' | 'all'
  step_up?: StepUpRule
}

/** A sign-in no older than `max_age` seconds, or one of these strengths; each is good for one call. */
export type StepUpRule = { max_age?: number; acr_values?: string[] }

export type RoleDocument = {
  description?: string | undefined
  scopes: string[]
  /** Whoever holds it may call tools that wait for review, and the tools of a resource that is not live. */
  administrator?: boolean | undefined
}

/** What narrows a binding; all of it must hold. */
export type Conditions = {
  cidrs?: string[]
  /** Each `HH:MM-HH:MM`, in UTC; one whose end comes first goes across midnight. */
  time_utc?: string[]
  allowed_tools?: string[]
  /** Wins over everything that allows, other bindings included. */
  denied_tools?: string[]
  /** By the name of the argument. */
  arguments?: Record<string, ArgumentLimit>
  max_authentication_age?: number
  acr_values?: string[]
}

export type ArgumentLimit = { one_of?: (string | number | boolean)[]; at_least?: number; at_most?: number }

/** How often something may be called. `per` is what each count is of. */
export type QuotaDocument = {
  per: 'subject' | 'client' | 'role' | 'resource'
  limit: number
  window: 'minute' | 'hour' | 'day' | 'month'
  /** Only for who holds it; said where `per` is `role`. */
  role?: string
  /** Only for these tools; absent: for all of them together. */
  tools?: string[]
}

/** Why a decision is what it is; nothing of the arguments but their names and digest. */
export type DecisionDetail = Record<string, unknown>

/** What a check of a running MCP server found. */
export type Probe = { check: string; outcome: 'passed' | 'failed' | 'skipped'; detail?: string }
