import type { AnyPgColumn } from 'drizzle-orm/pg-core'
import type { Dialect } from './dialect.ts'
import type {
  AdministratorRole,
  AuditDetail,
  ClientKeySet,
  ClientMetadata,
  ClientOrigin,
  ConsentDecision,
  InteractionRequest,
  Leg,
  Origin,
  ProviderDocument,
  PublicJwk,
  RefreshTrouble,
  ResourceDocument,
  SignIn,
  SitesSeen,
} from './documents.ts'
import { isNotNull, isNull, sql } from './drizzle.ts'
import { defineKeyTables } from './key-schema.ts'
import { definePolicyTables } from './policy-schema.ts'

/**
 * Every table, once, for both databases. A column is plain unless its name says otherwise: `...Hash` is one
 * way (SHA-256 of 256 random bits), `sealed...` opens only with a master key. `docs/storage.md` says why each
 * row is there and when it goes.
 */
export function defineTables(dialect: Dialect) {
  const { table, text, integer, boolean, json, primaryKey, index, uniqueIndex } = dialect
  const subjects = table('subjects', {
    id: text('id').primaryKey(),
    enabled: boolean('enabled').notNull(),
    createdAt: integer('created_at').notNull(),
    lastSeenAt: integer('last_seen_at').notNull(),
  })

  const clients = table(
    'clients',
    {
      id: text('id').primaryKey(),
      origin: text('origin').$type<ClientOrigin>().notNull(),
      metadata: json<ClientMetadata>('metadata').notNull(),
      secretHash: text('secret_hash'),
      /** Of the token a client that registered itself manages its registration with (RFC 7592). */
      registrationTokenHash: text('registration_token_hash'),
      trusted: boolean('trusted').notNull(),
      enabled: boolean('enabled').notNull(),
      /** Whether an administrator had a part in its being here: with a token that let it register, or by hand. */
      invited: boolean('invited').notNull(),
      createdAt: integer('created_at').notNull(),
      lastUsedAt: integer('last_used_at'),
      /** Until when its metadata document counts as it was fetched; absent for clients that have none. */
      freshUntil: integer('fresh_until'),
      /** Read as: gone after this, unless used before. Absent for clients that do not expire. */
      expiresAt: integer('expires_at'),
    },
    (t) => [
      index('clients_expires_at').on(t.expiresAt),
      index('clients_unused').on(t.origin, t.invited, t.createdAt).where(isNull(t.lastUsedAt)),
    ],
  )

  const providers = table('providers', {
    id: text('id').primaryKey(),
    document: json<ProviderDocument>('document').notNull(),
    clientId: text('client_id').notNull(),
    sealedClientSecret: text('sealed_client_secret'),
    origin: text('origin').$type<Origin>().notNull(),
    enabled: boolean('enabled').notNull(),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
    /** Counts changes, so that whoever resolved this provider knows whether it is still the same. */
    version: integer('version').notNull(),
  })

  const resources = table(
    'resources',
    {
      id: text('id').primaryKey(),
      /** Canonical (RFC 8707), the `aud` of its tokens. */
      uri: text('uri').notNull(),
      document: json<ResourceDocument>('document').notNull(),
      origin: text('origin').$type<Origin>().notNull(),
      enabled: boolean('enabled').notNull(),
      createdAt: integer('created_at').notNull(),
      updatedAt: integer('updated_at').notNull(),
    },
    (t) => [uniqueIndex('resources_uri').on(t.uri)],
  )

  const resourceCredentials = table(
    'resource_credentials',
    {
      id: text('id').primaryKey(),
      resourceId: text('resource_id')
        .notNull()
        .references(() => resources.id, { onDelete: 'cascade' }),
      /** Absent for one that authenticates with assertions, by its keys or where they are published. */
      secretHash: text('secret_hash'),
      keySet: json<ClientKeySet>('key_set'),
      keySetUri: text('key_set_uri'),
      createdAt: integer('created_at').notNull(),
    },
    (t) => [index('resource_credentials_resource').on(t.resourceId)],
  )

  const identities = table(
    'identities',
    {
      provider: text('provider').notNull(),
      issuer: text('issuer').notNull(),
      upstreamSubject: text('upstream_subject').notNull(),
      subjectId: text('subject_id')
        .notNull()
        .references(() => subjects.id, { onDelete: 'cascade' }),
      label: text('label').notNull(),
      email: text('email'),
      emailVerified: boolean('email_verified').notNull(),
      /** The groups the provider named at the last sign-in, sorted; bindings may be for them. */
      groups: json<string[]>('groups').notNull(),
      createdAt: integer('created_at').notNull(),
      lastSignInAt: integer('last_sign_in_at').notNull(),
    },
    (t) => [
      primaryKey({ columns: [t.provider, t.issuer, t.upstreamSubject] }),
      index('identities_subject').on(t.subjectId),
    ],
  )

  const browserSessions = table(
    'browser_sessions',
    {
      secretHash: text('secret_hash').primaryKey(),
      subjectId: text('subject_id')
        .notNull()
        .references(() => subjects.id, { onDelete: 'cascade' }),
      /** The providers this session was signed in through, with when and what that rested on. */
      signIns: json<Record<string, SignIn>>('sign_ins').notNull(),
      createdAt: integer('created_at').notNull(),
      lastSeenAt: integer('last_seen_at').notNull(),
      expiresAt: integer('expires_at').notNull(),
    },
    (t) => [
      index('browser_sessions_subject').on(t.subjectId),
      index('browser_sessions_expires_at').on(t.expiresAt),
    ],
  )

  const connections = table(
    'connections',
    {
      /** Derived from its key (subject, provider, issuer, upstream subject, scope set), see `connectionId`. */
      id: text('id').primaryKey(),
      subjectId: text('subject_id')
        .notNull()
        .references(() => subjects.id, { onDelete: 'cascade' }),
      provider: text('provider').notNull(),
      issuer: text('issuer').notNull(),
      upstreamSubject: text('upstream_subject').notNull(),
      /** Our opaque id of the upstream account; connections that differ in scopes alone share it. */
      accountId: text('account_id').notNull(),
      accountLabel: text('account_label').notNull(),
      /** What the provider granted, as this gateway's scope vocabulary spells it, sorted. */
      scopes: json<string[]>('scopes').notNull(),
      /** The token host and client these tokens came from; they are never sent to any other. */
      tokenEndpoint: text('token_endpoint').notNull(),
      upstreamClientId: text('upstream_client_id').notNull(),
      sealedAccessToken: text('sealed_access_token').notNull(),
      sealedRefreshToken: text('sealed_refresh_token'),
      tokenType: text('token_type').notNull(),
      accessExpiresAt: integer('access_expires_at'),
      /** Seconds the access token was given when it was issued; absent where the provider told none. */
      accessLifetime: integer('access_lifetime'),
      refreshExpiresAt: integer('refresh_expires_at'),
      status: text('status').$type<'live' | 'needs_reauthorization'>().notNull(),
      statusReason: text('status_reason'),
      statusSince: integer('status_since').notNull(),
      createdAt: integer('created_at').notNull(),
      /** When the person last gave what the refresh token rests on; a refresh does not move it. */
      authorizedAt: integer('authorized_at').notNull(),
      refreshedAt: integer('refreshed_at').notNull(),
      /** Absent where the provider has no sites, or was never heard about them. */
      sites: json<SitesSeen>('sites'),
      lastUsedAt: integer('last_used_at'),
      /** The resource that used it then; it may be gone since. */
      lastUsedBy: text('last_used_by'),
      /** Counts every change of the tokens: whoever writes says which version it read. */
      version: integer('version').notNull(),
    },
    (t) => [
      index('connections_subject').on(t.subjectId, t.provider),
      // Holds almost all it takes to tell which of them end, and which have to be touched: the rows themselves are large.
      index('connections_provider').on(
        t.provider,
        t.status,
        t.id,
        t.refreshedAt,
        t.refreshExpiresAt,
        t.authorizedAt,
        t.upstreamClientId,
      ),
      index('connections_not_refreshable')
        .on(t.accessExpiresAt, t.provider)
        .where(sql`${t.status} = 'live' and ${t.sealedRefreshToken} is null`),
      index('connections_upstream_account').on(t.issuer, t.upstreamSubject),
    ],
  )

  const upstreamRevocations = table(
    'upstream_revocations',
    {
      id: text('id').primaryKey(),
      /** The audit event of what ended these tokens here. */
      cause: text('cause').notNull(),
      /** `grant`: everything the person gave us there may go, where the provider can be told so. */
      extent: text('extent').$type<'token' | 'grant'>().notNull(),
      subjectId: text('subject_id'),
      provider: text('provider').notNull(),
      /** Whose they are there; absent where the provider never said. */
      issuer: text('issuer'),
      upstreamSubject: text('upstream_subject'),
      /** The token host and client they came from; they are never sent to any other. */
      tokenEndpoint: text('token_endpoint').notNull(),
      upstreamClientId: text('upstream_client_id').notNull(),
      /** The provider as it was, should it be deleted or changed before this is carried out. */
      document: json<ProviderDocument>('document'),
      sealedClientSecret: text('sealed_client_secret'),
      /** Where the connection is that the tokens are still sealed for; absent: they are sealed for this row. */
      connectionId: text('connection_id'),
      sealedAccessToken: text('sealed_access_token').notNull(),
      sealedRefreshToken: text('sealed_refresh_token'),
      /** What the provider answered when new tokens were asked for, unread: those above are spent. */
      sealedAnswer: text('sealed_answer'),
      attempts: integer('attempts').notNull(),
      /** Why the last attempt failed. */
      trouble: json<RefreshTrouble>('trouble'),
      /** Not tried before; whoever tries it moves this first, so that nobody else does. */
      nextAt: integer('next_at').notNull(),
      createdAt: integer('created_at').notNull(),
    },
    (t) => [
      index('upstream_revocations_next_at').on(t.nextAt),
      index('upstream_revocations_cause').on(t.cause),
    ],
  )

  const refreshLeases = table(
    'refresh_leases',
    {
      connectionId: text('connection_id')
        .primaryKey()
        .references(() => connections.id, { onDelete: 'cascade' }),
      /** Counts those who took it: whoever writes says which of them it is. */
      fence: integer('fence').notNull(),
      /** The process that has it, until it ends. */
      holder: text('holder').notNull(),
      expiresAt: integer('expires_at').notNull(),
      /** The version of the connection whose refresh token is sent. */
      version: integer('version').notNull(),
      /** When that token was first sent to the provider without anybody knowing what came of it, and how often since. */
      sentAt: integer('sent_at'),
      attempts: integer('attempts').notNull(),
      /** What the provider answered, before anything is made of it. */
      sealedAnswer: text('sealed_answer'),
      answeredAt: integer('answered_at'),
      /** Until when the provider is not asked for this connection, and why. */
      restUntil: integer('rest_until'),
      restReason: json<RefreshTrouble>('rest_reason'),
      /** The version of the connection whose tokens were asked for because a resource had the ones before rejected. */
      boughtVersion: integer('bought_version'),
    },
    (t) => [index('refresh_leases_sent_at').on(t.sentAt).where(isNotNull(t.sentAt))],
  )

  const consents = table(
    'consents',
    {
      subjectId: text('subject_id')
        .notNull()
        .references(() => subjects.id, { onDelete: 'cascade' }),
      clientId: text('client_id')
        .notNull()
        .references(() => clients.id, { onDelete: 'cascade' }),
      redirectUri: text('redirect_uri').notNull(),
      /** A resource's id, or empty for the gateway's own audience. */
      resourceId: text('resource_id').notNull(),
      scopes: json<string[]>('scopes').notNull(),
      providerScopes: json<Record<string, string[]>>('provider_scopes').notNull(),
      /** SHA-256 of what the page showed of the client and the resource; a change voids the consent. */
      shownHash: text('shown_hash').notNull(),
      grantedAt: integer('granted_at').notNull(),
    },
    (t) => [
      primaryKey({ columns: [t.subjectId, t.clientId, t.redirectUri, t.resourceId] }),
      index('consents_client').on(t.clientId),
      index('consents_resource').on(t.resourceId),
    ],
  )

  const interactions = table(
    'interactions',
    {
      id: text('id').primaryKey(),
      /** Of the cookie of the one browser this may go on in. */
      browserHash: text('browser_hash').notNull(),
      /** Absent for what people do on their account page, where no client is involved. */
      clientId: text('client_id').references(() => clients.id, { onDelete: 'cascade' }),
      resourceId: text('resource_id').references(() => resources.id, { onDelete: 'cascade' }),
      request: json<InteractionRequest>('request').notNull(),
      /** The provider the person chose to sign in with, where there was a choice. */
      signInProvider: text('sign_in_provider'),
      subjectId: text('subject_id').references(() => subjects.id, { onDelete: 'cascade' }),
      authTime: integer('auth_time'),
      /** How strong that sign-in was, in the provider’s words, where it says so. */
      acr: text('acr'),
      /** Somebody else is signed in in this browser; the person must say that the switch is meant. */
      switchesAccount: boolean('switches_account').notNull(),
      consent: json<ConsentDecision>('consent'),
      /** What this flow connected: provider id to connection id. */
      connected: json<Record<string, string>>('connected').notNull(),
      /** What the person picked where an account opens several: provider id to site id. */
      pickedSites: json<Record<string, string>>('picked_sites').notNull(),
      /** The one trip upstream that is under way. */
      leg: json<Leg>('leg'),
      legStateHash: text('leg_state_hash'),
      sealedLegSecrets: text('sealed_leg_secrets'),
      createdAt: integer('created_at').notNull(),
      expiresAt: integer('expires_at').notNull(),
      completedAt: integer('completed_at'),
      /** Counts steps: a step says which state of the row it decided on. */
      version: integer('version').notNull(),
    },
    (t) => [
      uniqueIndex('interactions_leg_state').on(t.legStateHash),
      index('interactions_client').on(t.clientId),
      index('interactions_resource').on(t.resourceId),
      index('interactions_subject').on(t.subjectId).where(isNotNull(t.subjectId)),
      // Covers what each authorization request has counted before it may begin.
      index('interactions_under_way').on(t.expiresAt, t.completedAt, t.clientId),
    ],
  )

  const grants = table(
    'grants',
    {
      id: text('id').primaryKey(),
      tsid: text('tsid').notNull(),
      subjectId: text('subject_id')
        .notNull()
        .references(() => subjects.id, { onDelete: 'cascade' }),
      clientId: text('client_id')
        .notNull()
        .references(() => clients.id, { onDelete: 'cascade' }),
      /** Absent: the audience is the gateway itself, and there is no token session. */
      resourceId: text('resource_id').references(() => resources.id, { onDelete: 'cascade' }),
      audience: text('audience').notNull(),
      scopes: json<string[]>('scopes').notNull(),
      authTime: integer('auth_time').notNull(),
      acr: text('acr'),
      createdAt: integer('created_at').notNull(),
      lastUsedAt: integer('last_used_at').notNull(),
      /** When the last access token issued for it ends; absent until its code is redeemed. */
      accessEndsAt: integer('access_ends_at'),
      /** When it ends by itself: the code's end, then the refresh token's, or the access token's without one. */
      expiresAt: integer('expires_at').notNull(),
      /** The end that no refresh can move. */
      absoluteEndsAt: integer('absolute_ends_at').notNull(),
      revokedAt: integer('revoked_at'),
      revokedReason: text('revoked_reason'),
      /** The grant it was exchanged from, and ends with; absent: the person gave it themselves. */
      parentId: text('parent_id').references((): AnyPgColumn => grants.id, { onDelete: 'cascade' }),
    },
    (t) => [
      uniqueIndex('grants_tsid').on(t.tsid),
      index('grants_subject').on(t.subjectId, t.clientId, t.resourceId),
      index('grants_client').on(t.clientId),
      index('grants_resource').on(t.resourceId),
      index('grants_expires_at').on(t.expiresAt),
      index('grants_revoked_at').on(t.revokedAt).where(isNotNull(t.revokedAt)),
      index('grants_parent').on(t.parentId, t.revokedAt, t.expiresAt).where(isNotNull(t.parentId)),
    ],
  )

  const grantConnections = table(
    'grant_connections',
    {
      grantId: text('grant_id')
        .notNull()
        .references(() => grants.id, { onDelete: 'cascade' }),
      connectionId: text('connection_id')
        .notNull()
        .references(() => connections.id, { onDelete: 'cascade' }),
      provider: text('provider').notNull(),
      /** The one of the account's sites that this session is for. */
      siteId: text('site_id'),
    },
    (t) => [
      primaryKey({ columns: [t.grantId, t.connectionId] }),
      index('grant_connections_connection').on(t.connectionId),
    ],
  )

  const codes = table(
    'codes',
    {
      codeHash: text('code_hash').primaryKey(),
      grantId: text('grant_id')
        .notNull()
        .references(() => grants.id, { onDelete: 'cascade' }),
      redirectUri: text('redirect_uri').notNull(),
      codeChallenge: text('code_challenge').notNull(),
      createdAt: integer('created_at').notNull(),
      expiresAt: integer('expires_at').notNull(),
      usedAt: integer('used_at'),
    },
    (t) => [index('codes_expires_at').on(t.expiresAt), index('codes_grant').on(t.grantId)],
  )

  const refreshTokens = table(
    'refresh_tokens',
    {
      tokenHash: text('token_hash').primaryKey(),
      grantId: text('grant_id')
        .notNull()
        .references(() => grants.id, { onDelete: 'cascade' }),
      createdAt: integer('created_at').notNull(),
      expiresAt: integer('expires_at').notNull(),
      usedAt: integer('used_at'),
      /** Of the token that took its place. */
      successorHash: text('successor_hash'),
      /** The successor under a key derived from this token, until the grace window ends. */
      sealedSuccessor: text('sealed_successor'),
    },
    (t) => [
      index('refresh_tokens_expires_at').on(t.expiresAt),
      index('refresh_tokens_grant').on(t.grantId),
      index('refresh_tokens_sealed_successor').on(t.usedAt).where(isNotNull(t.sealedSuccessor)),
    ],
  )

  const connectLinks = table(
    'connect_links',
    {
      ticketHash: text('ticket_hash').primaryKey(),
      grantId: text('grant_id')
        .notNull()
        .references(() => grants.id, { onDelete: 'cascade' }),
      provider: text('provider').notNull(),
      scopes: json<string[]>('scopes').notNull(),
      /** The account to repair or widen; `new`: another one on purpose; absent: the person's choice. */
      accountId: text('account_id'),
      status: text('status').$type<'pending' | 'opened' | 'completed' | 'failed'>().notNull(),
      reason: text('reason'),
      createdAt: integer('created_at').notNull(),
      expiresAt: integer('expires_at').notNull(),
    },
    (t) => [index('connect_links_expires_at').on(t.expiresAt), index('connect_links_grant').on(t.grantId)],
  )

  const registrationTokens = table(
    'registration_tokens',
    {
      id: text('id').primaryKey(),
      tokenHash: text('token_hash').notNull(),
      usesLeft: integer('uses_left').notNull(),
      createdAt: integer('created_at').notNull(),
      expiresAt: integer('expires_at').notNull(),
    },
    (t) => [
      uniqueIndex('registration_tokens_token_hash').on(t.tokenHash),
      index('registration_tokens_expires_at').on(t.expiresAt),
    ],
  )

  const usedAssertions = table(
    'used_assertions',
    {
      /** Of who presented it and its `jti`. */
      assertionHash: text('assertion_hash').primaryKey(),
      expiresAt: integer('expires_at').notNull(),
    },
    (t) => [index('used_assertions_expires_at').on(t.expiresAt)],
  )

  const rateLevels = table(
    'rate_levels',
    {
      /** Keyed digest of the rate and of whom it counts. */
      keyHash: text('key_hash').primaryKey(),
      /** Its name in the configuration. */
      rate: text('rate').notNull(),
      /** When its bucket is full again, in microseconds: what one request takes may be few of them. */
      fullAtMicros: integer('full_at_micros').notNull(),
      /** By how much whoever changed it last put that off. */
      takenMicros: integer('taken_micros').notNull(),
      changedAt: integer('changed_at').notNull(),
    },
    (t) => [index('rate_levels_changed_at').on(t.changedAt)],
  )

  const signInPlaces = table(
    'sign_in_places',
    {
      /** Keyed digest of the address. */
      addressHash: text('address_hash').primaryKey(),
      /** Keyed digest of the subject who signed in there last. */
      subjectHash: text('subject_hash').notNull(),
      at: integer('at').notNull(),
    },
    (t) => [index('sign_in_places_at').on(t.at)],
  )

  const signingKeys = table('signing_keys', {
    kid: text('kid').primaryKey(),
    publicJwk: json<PublicJwk>('public_jwk').notNull(),
    sealedPrivateJwk: text('sealed_private_jwk').notNull(),
    createdAt: integer('created_at').notNull(),
    /** From here on it signs, until a younger key does. */
    activeAt: integer('active_at').notNull(),
    /** When it leaves the JWKS; absent while no younger key took over. */
    retiresAt: integer('retires_at'),
  })

  const keyChecks = table('key_checks', {
    masterKeyId: text('master_key_id').primaryKey(),
    sealedCheck: text('sealed_check').notNull(),
    createdAt: integer('created_at').notNull(),
  })

  const administrators = table('administrators', {
    name: text('name').primaryKey(),
    role: text('role').$type<AdministratorRole>().notNull(),
    /** argon2id, in the PHC format: people choose passwords. */
    passwordHash: text('password_hash').notNull(),
    enabled: boolean('enabled').notNull(),
    createdAt: integer('created_at').notNull(),
    lastSeenAt: integer('last_seen_at'),
  })

  const auditEvents = table(
    'audit_events',
    {
      /** Grows with time, so that a page of the log is a range of ids. */
      id: text('id').primaryKey(),
      at: integer('at').notNull(),
      event: text('event').notNull(),
      actor: text('actor').notNull(),
      outcome: text('outcome').notNull(),
      subjectId: text('subject_id'),
      clientId: text('client_id'),
      resourceId: text('resource_id'),
      provider: text('provider'),
      tsidHash: text('tsid_hash'),
      detail: json<AuditDetail>('detail').notNull(),
      /** Of the writer: every chain has one at a time, whose rows are numbered from 1 without a gap. */
      chain: text('chain').notNull(),
      seq: integer('seq').notNull(),
      /** Keyed digest of this row and the `mac` of the row before it in the chain. */
      mac: text('mac').notNull(),
    },
    (t) => [
      index('audit_events_event').on(t.event, t.id),
      index('audit_events_subject').on(t.subjectId, t.id),
      uniqueIndex('audit_events_chain').on(t.chain, t.seq),
    ],
  )

  const auditKeys = table('audit_keys', {
    id: text('id').primaryKey(),
    sealedKey: text('sealed_key').notNull(),
    createdAt: integer('created_at').notNull(),
  })

  const auditCuts = table('audit_cuts', {
    chain: text('chain').primaryKey(),
    /** The last row that retention took, and its `mac`: what follows continues from there. */
    seq: integer('seq').notNull(),
    mac: text('mac').notNull(),
    at: integer('at').notNull(),
    /** Keyed digest of the above. */
    proof: text('proof').notNull(),
  })

  /** What one process of all does at a time. Nobody's clock ends a lease: others see that it is not renewed. */
  const chores = table('chores', {
    name: text('name').primaryKey(),
    /** Up with each taking, never down. */
    fence: integer('fence').notNull(),
    /** Up with each sign of life since. */
    beats: integer('beats').notNull(),
    /** The process that is at it; absent: nobody. */
    holder: text('holder'),
    /** When its work last ended well, whoever did it. */
    doneAt: integer('done_at'),
  })

  return {
    subjects,
    clients,
    providers,
    resources,
    resourceCredentials,
    identities,
    browserSessions,
    connections,
    upstreamRevocations,
    refreshLeases,
    consents,
    interactions,
    grants,
    grantConnections,
    codes,
    refreshTokens,
    connectLinks,
    registrationTokens,
    usedAssertions,
    rateLevels,
    signInPlaces,
    signingKeys,
    keyChecks,
    administrators,
    auditEvents,
    auditKeys,
    auditCuts,
    chores,
    ...defineKeyTables(dialect),
    ...definePolicyTables(dialect, { subjects, clients, resources }),
  }
}

export type Tables = ReturnType<typeof defineTables>
