import { systemClock } from '../../src/lib/clock.ts'
import { createSealer, type Sealer } from '../../src/lib/seal.ts'
import { newId } from '../../src/lib/secret.ts'
import type { Code } from '../../src/storage/codes.ts'
import { type Database, openDatabase } from '../../src/storage/database.ts'
import type { Grant } from '../../src/storage/grants.ts'
import type { RefreshToken } from '../../src/storage/refresh-tokens.ts'
import type { Subject } from '../../src/storage/subjects.ts'
import { newRefreshToken } from '../../src/tokens/refresh-token.ts'
import { newConnection } from '../../src/upstream/connection-record.ts'
import {
  type Amounts,
  clientRedirect,
  newSecret,
  newUpstreamToken,
  pkce,
  providerId,
  resourceScope,
  resourceUri,
  type Seed,
  sha256,
  toolName,
} from '../seed.ts'

type Gateway = { url: string; adminToken: string; databaseUrl: string; masterKey: Uint8Array }

type GatewaySeeds = Pick<
  Seed,
  'clientId' | 'credential' | 'sessions' | 'introspected' | 'refreshTokens' | 'codes'
>

/**
 * Fills a running gateway: what administrators and clients say goes through its own endpoints; people's sessions and
 * codes, far too many to sign in one by one, are written as rows, each of a person of its own.
 */
export async function seedGateway(gateway: Gateway, amounts: Amounts): Promise<GatewaySeeds> {
  const credential = await administer(gateway)
  const { client_id: clientId } = await send<{ client_id: string }>(gateway, 'POST', '/oauth/register', {
    client_name: 'A measured client',
    redirect_uris: [clientRedirect],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'none',
  })
  const sealer = createSealer([{ id: 'bench', key: gateway.masterKey }])
  const database = await openDatabase(gateway.databaseUrl)
  try {
    await openTool(gateway, database, credential)
    const codes = await saveCodes(database, clientId, amounts.codes)
    const sessions = await saveSessions(database, sealer, clientId, amounts.sessions)
    // The gateway signs the access tokens itself: each session is refreshed once.
    const refreshed = []
    for (const session of sessions) refreshed.push(await refresh(gateway, clientId, session))
    return {
      clientId,
      credential,
      sessions: refreshed,
      introspected: refreshed.map(({ accessToken }) => accessToken),
      refreshTokens: refreshed.slice(0, amounts.refreshTokens).map(({ refreshToken }) => refreshToken),
      codes,
    }
  } finally {
    await database.close()
  }
}

async function administer(gateway: Gateway): Promise<Seed['credential']> {
  const upstream = 'http://127.0.0.1:9'
  await send(gateway, 'PUT', `/admin/v1/providers/${providerId}`, {
    descriptor: providerId,
    variables: { web: upstream, api: upstream },
    client_id: upstreamClientId,
    client_secret: newSecret(),
    admit: 'anyone',
  })
  await send(gateway, 'PUT', '/admin/v1/resources/notes', {
    resource: resourceUri,
    name: 'Notes',
    scopes: { [resourceScope]: 'Read your notes' },
    default_scopes: [resourceScope],
    providers: [{ provider: providerId, scopes: [upstreamScope] }],
  })
  const credential = await send<{ client_id: string; client_secret: string }>(
    gateway,
    'POST',
    '/admin/v1/resources/notes/credentials',
    {},
  )
  return { id: credential.client_id, secret: credential.client_secret }
}

/** A tool that a scope opens, and a role for everybody. There is no server to probe: that people may call is written. */
async function openTool(
  gateway: Gateway,
  { db, tables }: Database,
  credential: Seed['credential'],
): Promise<void> {
  const input_schema = { type: 'object', properties: { folder: { type: 'string' } } }
  const published = await fetch(`${gateway.url}/v1/tools`, {
    method: 'PUT',
    headers: {
      authorization: `Basic ${btoa(`${credential.id}:${credential.secret}`)}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ tools: [{ name: toolName, description: 'Reads a note', input_schema }] }),
  })
  if (!published.ok) throw new Error(`PUT /v1/tools answered ${published.status}`)
  const at = '/admin/v1/resources/notes'
  const { items } = await send<{ items: { published_hash: string }[] }>(gateway, 'GET', `${at}/tools`)
  const reviewed = { published_hash: items[0]?.published_hash, scopes: [resourceScope] }
  await send(gateway, 'PUT', `${at}/tools/${toolName}`, reviewed)
  await send(gateway, 'PUT', `${at}/roles/reader`, { scopes: [resourceScope] })
  await send(gateway, 'POST', `${at}/bindings`, { role: 'reader', holder: { everyone: true } })
  await db.update(tables.applications).set({ activatedAt: systemClock(), activatedBy: 'bench' }).returning()
}

const upstreamClientId = 'coatcheck-at-upstream'
const upstreamScope = 'repo'

async function send<Body>(gateway: Gateway, method: string, path: string, body?: unknown): Promise<Body> {
  const response = await fetch(gateway.url + path, {
    method,
    headers: {
      authorization: `Bearer ${gateway.adminToken}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status} ${await response.text()}`)
  return (await response.json()) as Body
}

/** Rows of one table, so many at once that a statement has not too many values. */
async function insert<Row extends object>(
  rows: readonly Row[],
  write: (some: Row[]) => PromiseLike<unknown>,
): Promise<void> {
  for (let at = 0; at < rows.length; at += 400) await write(rows.slice(at, at + 400))
}

async function saveCodes({ db, tables }: Database, clientId: string, count: number): Promise<string[]> {
  const now = systemClock()
  const made = Array.from({ length: count }, () => {
    const subject = newSubject(now)
    const grant = newGrant(subject, clientId, now, null)
    const text = newSecret('cc_code_')
    const code: Code = {
      codeHash: sha256(text),
      grantId: grant.id,
      redirectUri: clientRedirect,
      codeChallenge: pkce.challenge,
      createdAt: now,
      expiresAt: now + 600,
      usedAt: null,
    }
    return { subject, grant, text, code }
  })
  const all = <Name extends keyof (typeof made)[number]>(name: Name) => made.map((each) => each[name])
  await insert(all('subject'), (rows) => db.insert(tables.subjects).values(rows).returning())
  await insert(all('grant'), (rows) => db.insert(tables.grants).values(rows).returning())
  await insert(all('code'), (rows) => db.insert(tables.codes).values(rows).returning())
  return all('text')
}

type Session = { tsid: string; refreshToken: string; upstreamToken: string }

async function saveSessions(
  { db, tables }: Database,
  sealer: Sealer,
  clientId: string,
  count: number,
): Promise<Session[]> {
  const now = systemClock()
  const sessions: Session[] = []
  for (let index = 0; index < count; index++) {
    const subject = newSubject(now)
    const grant = newGrant(subject, clientId, now, now + 3600)
    const upstreamToken = newUpstreamToken()
    const connection = await newConnection(
      sealer,
      {
        subjectId: subject.id,
        provider: { id: providerId, clientId: upstreamClientId },
        identity: {
          issuer: 'http://127.0.0.1:9',
          subject: subject.id,
          label: 'ada',
          emailVerified: false,
          groups: [],
        },
        tokens: {
          accessToken: upstreamToken,
          tokenType: 'bearer',
          refreshToken: newSecret('upstream_'),
          expiresIn: 28_800,
          scopes: [upstreamScope],
          tokenEndpoint: 'http://127.0.0.1:9/login/oauth/access_token',
        },
      },
      now,
    )
    const refreshToken = newRefreshToken()
    const row: RefreshToken = {
      tokenHash: sha256(refreshToken),
      grantId: grant.id,
      createdAt: now,
      expiresAt: grant.expiresAt,
      usedAt: null,
      successorHash: null,
      sealedSuccessor: null,
    }
    const { id: connectionId } = connection
    await db.insert(tables.subjects).values(subject).returning()
    await db.insert(tables.grants).values(grant).returning()
    await db
      .insert(tables.connections)
      .values({ ...connection, version: 1 })
      .returning()
    await db
      .insert(tables.grantConnections)
      .values({ grantId: grant.id, connectionId, provider: providerId })
      .returning()
    await db.insert(tables.refreshTokens).values(row).returning()
    sessions.push({ tsid: grant.tsid, refreshToken, upstreamToken })
  }
  return sessions
}

const newSubject = (now: number): Subject => ({
  id: newId('sub_'),
  enabled: true,
  createdAt: now,
  lastSeenAt: now,
})

function newGrant(subject: Subject, clientId: string, now: number, accessEndsAt: number | null): Grant {
  return {
    id: newId('grant_'),
    tsid: newId('ts_'),
    subjectId: subject.id,
    clientId,
    resourceId: 'notes',
    audience: resourceUri,
    scopes: [resourceScope],
    acr: null,
    authTime: now,
    createdAt: now,
    lastUsedAt: now,
    accessEndsAt,
    expiresAt: now + 86_400,
    absoluteEndsAt: now + 7_776_000,
    revokedAt: null,
    revokedReason: null,
    parentId: null,
  }
}

async function refresh({ url }: Gateway, clientId: string, { refreshToken, ...session }: Session) {
  const response = await fetch(`${url}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: clientId,
      refresh_token: refreshToken,
    }),
  })
  const answer = (await response.json()) as { access_token: string; refresh_token: string }
  if (!response.ok) throw new Error(`a refresh was answered ${response.status}`)
  return { ...session, accessToken: answer.access_token, refreshToken: answer.refresh_token }
}
