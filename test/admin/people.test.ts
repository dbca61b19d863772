import { expect, test } from 'vitest'
import { browserSession } from '../storage/rows.ts'
import { openAdminGateway, start } from '../support/admin-gateway.ts'
import { connection, forge, notes, seedPeople } from '../support/admin-rows.ts'

const day = 86_400

async function withPeople() {
  const gateway = await openAdminGateway()
  await gateway.admin('PUT', '/providers/forge', forge)
  await gateway.admin('PUT', '/resources/notes', notes)
  await seedPeople(gateway)
  return gateway
}

test('subjects are listed with who they are, and found by it', async () => {
  const { admin } = await withPeople()
  const { items } = (await admin('GET', '/subjects')).json
  expect(items.map(({ id }: { id: string }) => id)).toEqual(['sub_bob', 'sub_ada'])
  const found = (await admin('GET', '/subjects?email=ADA@example.TEST')).json.items
  expect(found).toEqual([
    {
      id: 'sub_ada',
      enabled: true,
      created_at: 0,
      last_seen_at: 0,
      identities: [
        {
          provider: 'forge',
          issuer: 'https://forge.test',
          upstream_subject: 'upstream-ada',
          label: 'ada',
          email: 'ada@Example.test',
          email_verified: true,
          groups: [],
          created_at: start,
          last_sign_in_at: start,
        },
      ],
    },
  ])
  expect((await admin('GET', '/subjects?label=bob&provider=forge')).json.items).toHaveLength(1)
  expect((await admin('GET', '/subjects?label=bob&provider=other')).json.items).toEqual([])
  expect((await admin('GET', '/subjects?enabled=false')).json.items).toEqual([])
})

test('a disabled subject is signed out everywhere', async () => {
  const { admin, database } = await withPeople()
  const { browserSessions } = database.tables
  const sessions = [
    browserSession('a', { subjectId: 'sub_ada' }),
    browserSession('b', { subjectId: 'sub_bob' }),
  ]
  await database.db.insert(browserSessions).values(sessions).returning()
  const { json } = await admin('PATCH', '/subjects/sub_ada', { enabled: false })
  expect(json).toMatchObject({ id: 'sub_ada', enabled: false, identities: [{ label: 'ada' }] })
  expect(await database.db.select().from(browserSessions)).toMatchObject([{ subjectId: 'sub_bob' }])
  expect((await admin('GET', '/subjects?enabled=false')).json.items).toHaveLength(1)
  expect((await admin('PATCH', '/subjects/sub_ada', { enabled: true })).json.enabled).toBe(true)
  expect((await admin('PATCH', '/subjects/nobody', { enabled: true })).status).toBe(404)
  const { items } = (await admin('GET', '/audit-events?event=subject.changed')).json
  expect(items[1]).toMatchObject({
    actor: 'admin:token',
    subject_id: 'sub_ada',
    detail: { before: { enabled: true }, after: { enabled: false } },
  })
})

test('a deleted subject leaves nothing but the record', async () => {
  const { admin, database } = await withPeople()
  const { json } = await admin('DELETE', '/subjects/sub_ada')
  expect(json).toEqual({
    deleted: { subject: 'sub_ada' },
    token_sessions_ended: 1,
    connections_deleted: 1,
    revoked_upstream: [],
    queued_upstream: [],
    remaining_upstream: [
      { provider: 'forge', client_id: 'coatcheck-at-forge', connections: 1, reason: 'unsupported' },
    ],
  })
  const { tables } = database
  for (const table of [tables.identities, tables.connections, tables.grants]) {
    expect(await database.db.select().from(table)).toMatchObject([{ subjectId: 'sub_bob' }])
  }
  expect((await admin('DELETE', '/subjects/sub_ada')).status).toBe(404)
  expect((await admin('GET', '/audit-events?subject_id=sub_ada')).json.items).toMatchObject([
    { event: 'upstream_grant.revoked', actor: 'gateway', outcome: 'unsupported' },
    { event: 'subject.deleted', actor: 'admin:token' },
  ])
})

test('token sessions are listed by their own id, without the ticket', async () => {
  const gateway = await withPeople()
  const { json } = await gateway.admin('GET', '/token-sessions?subject_id=sub_ada')
  expect(json.items).toMatchObject([
    { id: 'grant_ada', state: 'live', client_id: 'editor', resource_id: 'notes', revoked_at: null },
  ])
  expect(gateway.answers.join()).not.toContain('ts_grant')
  expect((await gateway.admin('GET', '/token-sessions?client_id=other')).json.items).toEqual([])
  expect((await gateway.admin('GET', '/token-sessions?resource_id=notes')).json.items).toHaveLength(2)
})

test('a deleted token session is over, and stays in the record', async () => {
  const { admin, time } = await withPeople()
  const { json } = await admin('DELETE', '/token-sessions/grant_ada')
  expect(json).toMatchObject({ deleted: { token_session: 'grant_ada' }, token_sessions_ended: 1 })
  expect((await admin('GET', '/token-sessions')).json.items).toMatchObject([{ id: 'grant_bob' }])
  const any = (await admin('GET', '/token-sessions?state=any&subject_id=sub_ada')).json.items
  expect(any).toMatchObject([
    { state: 'revoked', revoked_reason: 'revoked_by_administrator', revoked_at: time.now },
  ])
  expect((await admin('DELETE', '/token-sessions/grant_ada')).json.token_sessions_ended).toBe(0)
  expect((await admin('DELETE', '/token-sessions/ts_grant_bob')).status).toBe(404)
  const { items } = (await admin('GET', '/audit-events?token_session_id=grant_ada')).json
  expect(items).toMatchObject([{ event: 'grant.revoked', subject_id: 'sub_ada', client_id: 'editor' }])
})

test('connections are listed with their accounts, without their tokens', async () => {
  const gateway = await withPeople()
  const { json } = await gateway.admin('GET', '/connections?subject_id=sub_ada&provider=forge&status=live')
  expect(json.items).toMatchObject([
    { id: 'con_ada', account: { id: 'acct_ada', label: 'ada' }, can_refresh: true, scopes: ['repo'] },
  ])
  expect(gateway.answers.join()).not.toContain('sealed')
  expect((await gateway.admin('GET', '/connections?status=needs_reauthorization')).json.items).toEqual([])
})

test('what ends whatever is done is told, and found by when', async () => {
  const { admin, database } = await withPeople()
  const { descriptor, ...provider } = forge
  const refresh = { idle_lifetime: 90 * day, absolute_lifetime: 365 * day }
  await admin('PUT', '/providers/forge', {
    ...provider,
    admit: 'anyone',
    descriptor: { ...descriptor, refresh },
  })
  const authorizedAt = start - 360 * day
  const { connections } = database.tables
  await database.db.insert(connections).values(connection('con_old', { authorizedAt })).returning()
  await database.db
    .insert(connections)
    .values(connection('con_lost', { provider: 'gone' }))
    .returning()
  const all = (await admin('GET', '/connections')).json.items
  const of = (id: string) => all.find((item: { id: string }) => item.id === id)
  expect(of('con_old')).toMatchObject({
    authorized_at: authorizedAt,
    idle_ends_at: start + 90 * day,
    ends_at: authorizedAt + 365 * day,
  })
  expect(of('con_ada').ends_at).toBe(start + 365 * day)
  expect(Object.keys(of('con_lost'))).not.toContain('ends_at')

  const before = async (time: number) =>
    (await admin('GET', `/connections?ends_before=${time}`)).json.items.map(({ id }: { id: string }) => id)
  expect(await before(start + 5 * day)).toEqual(['con_old'])
  expect(await before(start + 5 * day - 1)).toEqual([])
  expect(await before(start + 365 * day)).toEqual(['con_old', 'con_bob', 'con_ada'])
  expect((await admin('GET', '/diagnosis')).json.connections_ending).toEqual([
    { provider: 'forge', count: 1 },
  ])
})

test('a deleted connection ends the sessions that draw on it, and no others', async () => {
  const { admin, database } = await withPeople()
  const { tables, db } = database
  await db.insert(tables.connections).values(connection('con_more')).returning()
  const { json } = await admin('DELETE', '/connections/con_ada')
  expect(json).toEqual({
    deleted: { connection: 'con_ada' },
    token_sessions_ended: 1,
    connections_deleted: 1,
    revoked_upstream: [],
    queued_upstream: [],
    remaining_upstream: [
      { provider: 'forge', client_id: 'coatcheck-at-forge', connections: 1, reason: 'unsupported' },
    ],
  })
  expect((await admin('GET', '/token-sessions')).json.items).toMatchObject([{ id: 'grant_bob' }])
  const left = (await admin('GET', '/connections')).json.items.map(({ id }: { id: string }) => id)
  expect(left.sort()).toEqual(['con_bob', 'con_more'])
  expect((await admin('DELETE', '/connections/con_ada')).status).toBe(404)
  expect((await admin('DELETE', '/connections/con_more')).json.token_sessions_ended).toBe(0)
})

test('a deleted resource takes its credentials, sessions and consents along, and leaves people their connections', async () => {
  const { admin, database } = await withPeople()
  const { tables, db } = database
  await admin('POST', '/resources/notes/credentials', {})
  await db
    .insert(tables.consents)
    .values({
      subjectId: 'sub_ada',
      clientId: 'editor',
      redirectUri: 'http://127.0.0.1/callback',
      resourceId: 'notes',
      scopes: [],
      providerScopes: {},
      shownHash: '',
      grantedAt: start,
    })
    .returning()
  const { json } = await admin('DELETE', '/resources/notes')
  expect(json).toMatchObject({ token_sessions_ended: 2, connections_deleted: 0, remaining_upstream: [] })
  for (const table of [tables.resourceCredentials, tables.grants, tables.consents]) {
    expect(await db.select().from(table)).toEqual([])
  }
  expect((await admin('GET', '/connections')).json.items).toHaveLength(2)
})

test('a session whose code was never redeemed is none', async () => {
  const { admin, database } = await withPeople()
  const { tables, db } = database
  await db.update(tables.grants).set({ accessEndsAt: null }).returning()
  expect((await admin('GET', '/token-sessions?state=any')).json.items).toEqual([])
  expect((await admin('DELETE', '/providers/forge')).json.token_sessions_ended).toBe(0)
})
