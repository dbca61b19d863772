import type { Tables } from '../../src/storage/schema.ts'

type Row<Name extends keyof Tables> = Tables[Name]['$inferSelect']

/** Rows with only what a test does not care about filled in. */
export const subject = (id: string): Row<'subjects'> => ({ id, enabled: true, createdAt: 0, lastSeenAt: 0 })

export const client = (id: string, row: Partial<Row<'clients'>> = {}): Row<'clients'> => ({
  id,
  origin: 'dynamic',
  metadata: {
    redirect_uris: ['http://127.0.0.1/callback'],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code'],
    response_types: ['code'],
  },
  secretHash: null,
  registrationTokenHash: null,
  trusted: false,
  enabled: true,
  invited: false,
  createdAt: 0,
  lastUsedAt: null,
  freshUntil: null,
  expiresAt: null,
  ...row,
})

export const resource = (id: string, row: Partial<Row<'resources'>> = {}): Row<'resources'> => ({
  id,
  uri: `https://${id}.test/mcp`,
  document: { name: id, scopes: {}, default_scopes: [], providers: [] },
  origin: 'admin',
  enabled: true,
  createdAt: 0,
  updatedAt: 0,
  ...row,
})

export const grant = (id: string, row: Partial<Row<'grants'>> = {}): Row<'grants'> => ({
  id,
  tsid: `ts_${id}`,
  subjectId: 'ada',
  clientId: 'editor',
  resourceId: null,
  audience: 'https://gateway.example',
  scopes: [],
  authTime: 0,
  acr: null,
  createdAt: 0,
  lastUsedAt: 0,
  accessEndsAt: null,
  expiresAt: Number.MAX_SAFE_INTEGER,
  absoluteEndsAt: Number.MAX_SAFE_INTEGER,
  revokedAt: null,
  revokedReason: null,
  parentId: null,
  ...row,
})

export const connection = (id: string, row: Partial<Row<'connections'>> = {}): Row<'connections'> => ({
  id,
  subjectId: 'ada',
  provider: 'forge',
  issuer: 'https://forge.test',
  upstreamSubject: id,
  accountId: `acct_${id}`,
  accountLabel: 'ada',
  tokenEndpoint: 'https://forge.test/token',
  upstreamClientId: 'coatcheck',
  scopes: ['read'],
  sealedAccessToken: 'sealed access token',
  sealedRefreshToken: 'sealed refresh token',
  tokenType: 'bearer',
  accessExpiresAt: 0,
  accessLifetime: 3_600,
  refreshExpiresAt: null,
  refreshedAt: 0,
  sites: null,
  status: 'live',
  statusReason: null,
  statusSince: 0,
  createdAt: 0,
  authorizedAt: 0,
  lastUsedAt: null,
  lastUsedBy: null,
  version: 1,
  ...row,
})

export const code = (codeHash: string, row: Partial<Row<'codes'>> = {}): Row<'codes'> => ({
  codeHash,
  grantId: 'grant',
  redirectUri: 'http://127.0.0.1/callback',
  codeChallenge: 'challenge',
  createdAt: 0,
  expiresAt: Number.MAX_SAFE_INTEGER,
  usedAt: null,
  ...row,
})

export const refreshToken = (
  tokenHash: string,
  row: Partial<Row<'refreshTokens'>> = {},
): Row<'refreshTokens'> => ({
  tokenHash,
  grantId: 'grant',
  createdAt: 0,
  expiresAt: Number.MAX_SAFE_INTEGER,
  usedAt: null,
  successorHash: null,
  sealedSuccessor: null,
  ...row,
})

export const connectLink = (
  ticketHash: string,
  row: Partial<Row<'connectLinks'>> = {},
): Row<'connectLinks'> => ({
  ticketHash,
  grantId: 'grant',
  provider: 'forge',
  scopes: [],
  accountId: null,
  status: 'pending',
  reason: null,
  createdAt: 0,
  expiresAt: Number.MAX_SAFE_INTEGER,
  ...row,
})

export const browserSession = (
  secretHash: string,
  row: Partial<Row<'browserSessions'>> = {},
): Row<'browserSessions'> => ({
  secretHash,
  subjectId: 'ada',
  signIns: {},
  createdAt: 0,
  lastSeenAt: 0,
  expiresAt: Number.MAX_SAFE_INTEGER,
  ...row,
})

export const interaction = (id: string, row: Partial<Row<'interactions'>> = {}): Row<'interactions'> => ({
  id,
  browserHash: 'browser',
  clientId: 'editor',
  resourceId: null,
  request: {
    kind: 'authorization',
    redirectUri: 'http://127.0.0.1/callback',
    follow: 'ask',
    scopes: [],
    codeChallenge: 'challenge',
    prompt: [],
  },
  signInProvider: null,
  subjectId: null,
  authTime: null,
  acr: null,
  switchesAccount: false,
  consent: null,
  connected: {},
  pickedSites: {},
  leg: null,
  legStateHash: null,
  sealedLegSecrets: null,
  createdAt: 0,
  expiresAt: Number.MAX_SAFE_INTEGER,
  completedAt: null,
  version: 1,
  ...row,
})
