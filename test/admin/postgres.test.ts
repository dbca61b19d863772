import { afterAll, beforeAll, expect, test } from 'vitest'
import { openAdminGateway } from '../support/admin-gateway.ts'
import { forge, notes, raceForOneUri, seedPeople } from '../support/admin-rows.ts'
import { startPostgres, type TestServer } from '../support/postgres.ts'

let server: TestServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.stop())

async function openOnPostgres() {
  const gateway = await openAdminGateway({ env: { COATCHECK_DATABASE_URL: await server.createDatabase() } })
  await gateway.admin('PUT', '/providers/forge', forge)
  await gateway.admin('PUT', '/resources/notes', notes)
  await seedPeople(gateway)
  return gateway
}

test('a move of a provider ends its connections on PostgreSQL too, and the same again changes nothing', async () => {
  const { admin } = await openOnPostgres()
  const moved = { ...forge, variables: { web: 'https://elsewhere.test' } }
  expect((await admin('PUT', '/providers/forge', moved)).json.connections_needing_reauthorization).toBe(2)
  expect((await admin('PUT', '/providers/forge', moved)).status).toBe(200)
  expect((await admin('PUT', '/resources/notes', notes)).status).toBe(200)
  expect((await admin('GET', '/audit-events?event=provider.saved')).json.items).toHaveLength(2)
  expect((await admin('GET', '/audit-events?event=resource.saved')).json.items).toHaveLength(1)
  expect((await admin('GET', '/connections?status=live')).json.items).toEqual([])
})

test.each([
  ['/connections/con_ada', 1, 1],
  ['/subjects/sub_ada', 1, 1],
  ['/providers/forge', 2, 2],
  ['/resources/notes', 2, 0],
  ['/clients/editor', 2, 0],
  ['/clients/editor?disconnect=true', 2, 2],
  ['/token-sessions/grant_ada?disconnect=true', 1, 1],
])('a deletion of %s cascades on PostgreSQL too', async (path, sessions, connections) => {
  const { admin } = await openOnPostgres()
  const { status, json } = await admin('DELETE', path)
  expect(status).toBe(200)
  expect(json).toMatchObject({ token_sessions_ended: sessions, connections_deleted: connections })
  expect((await admin('GET', '/token-sessions')).json.items).toHaveLength(2 - sessions)
  expect((await admin('GET', '/connections')).json.items).toHaveLength(2 - connections)
})

test('people are found on PostgreSQL too, and text it cannot hold is refused before it is asked', async () => {
  const { admin } = await openOnPostgres()
  expect((await admin('GET', '/subjects?email=ADA@example.test')).json.items).toHaveLength(1)
  expect((await admin('GET', '/subjects?enabled=true&label=Bob')).json.items).toHaveLength(1)
  expect((await admin('GET', '/subjects?email=%00')).status).toBe(400)
  expect((await admin('GET', '/clients/a%00b')).status).toBe(400)
  expect((await admin('PUT', '/resources/notes', { ...notes, name: 'a\0b' })).status).toBe(400)
  expect((await admin('PUT', '/resources/notes', { ...notes, name: '\ud800' })).status).toBe(400)
})

test('of two resources that are given one URI at the same instant one gets it on PostgreSQL too', async () => {
  const { admin } = await openOnPostgres()
  await raceForOneUri(admin)
})
