import type { Tables } from '../../src/storage/schema.ts'
import { client, grant, subject } from '../storage/rows.ts'
import { type AdminGateway, start } from './admin-gateway.ts'

type Connection = Tables['connections']['$inferSelect']

export const upstreamTokens = ['sealed-access-token', 'sealed-refresh-token']

/** A live connection of Ada's, whose sealed values are only to be looked for. */
export const connection = (id: string, row: Partial<Connection> = {}): Connection => ({
  id,
  subjectId: 'sub_ada',
  provider: 'forge',
  issuer: 'https://forge.test',
  upstreamSubject: '4711',
  accountId: 'acct_ada',
  accountLabel: 'ada',
  scopes: ['repo'],
  tokenEndpoint: 'https://forge.test/token',
  upstreamClientId: 'coatcheck-at-forge',
  sealedAccessToken: 'sealed-access-token',
  sealedRefreshToken: 'sealed-refresh-token',
  tokenType: 'bearer',
  accessExpiresAt: null,
  accessLifetime: null,
  refreshExpiresAt: null,
  status: 'live',
  statusReason: null,
  statusSince: start,
  createdAt: start,
  authorizedAt: start,
  refreshedAt: start,
  sites: null,
  lastUsedAt: null,
  lastUsedBy: null,
  version: 1,
  ...row,
})

/**
 * Ada and Bob, each with a connection at `forge` and a live token session of the client `editor` that draws on it;
 * at the resource `notes` if it is there.
 */
export async function seedPeople({ database, gateway }: AdminGateway): Promise<void> {
  const { db, tables } = database
  const resourceId = (await gateway.store.resources.find('notes')) ? 'notes' : null
  await db.insert(tables.clients).values(client('editor')).returning()
  for (const name of ['ada', 'bob']) {
    const subjectId = `sub_${name}`
    await db.insert(tables.subjects).values(subject(subjectId)).returning()
    await db
      .insert(tables.identities)
      .values({
        provider: 'forge',
        issuer: 'https://forge.test',
        upstreamSubject: `upstream-${name}`,
        subjectId,
        label: name,
        email: `${name}@Example.test`,
        emailVerified: true,
        groups: [],
        createdAt: start,
        lastSignInAt: start,
      })
      .returning()
    const row = connection(`con_${name}`, { subjectId, upstreamSubject: `upstream-${name}` })
    await db.insert(tables.connections).values(row).returning()
    const session = { subjectId, clientId: 'editor', resourceId, accessEndsAt: start + 3600 }
    await db
      .insert(tables.grants)
      .values(grant(`grant_${name}`, session))
      .returning()
    await db
      .insert(tables.grantConnections)
      .values({ grantId: `grant_${name}`, connectionId: `con_${name}`, provider: 'forge' })
      .returning()
  }
}

/** A provider nobody ever speaks to. */
export const forge = {
  descriptor: {
    name: 'Forge',
    kind: 'oauth2',
    variables: { web: { label: 'Web address', default: 'https://forge.test' } },
    server: {
      issuer: '{web}',
      authorization_endpoint: '{web}/authorize',
      token_endpoint: '{web}/token',
      userinfo_endpoint: '{web}/user',
    },
    scopes: { forbidden: ['everything'], catalog: { repo: 'Read your repositories' } },
    identity: { sources: ['userinfo'], subject: 'id', label: ['login'] },
  },
  client_id: 'coatcheck-at-forge',
  client_secret: 'forge-secret-0123456789',
}

export const notes = {
  resource: 'https://notes.test/mcp',
  name: 'Notes',
  scopes: { 'notes.read': 'Read your notes' },
  default_scopes: ['notes.read'],
  providers: [{ provider: 'forge', scopes: ['repo'] }],
}
