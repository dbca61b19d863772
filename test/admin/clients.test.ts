import { expect, onTestFinished, test } from 'vitest'
import { buildApp } from '../../src/app.ts'
import { documentUrl } from '../../src/clients/document-id.ts'
import { sha256 } from '../../src/lib/secret.ts'
import { client } from '../storage/rows.ts'
import { openAdminGateway, start } from '../support/admin-gateway.ts'
import { seedPeople } from '../support/admin-rows.ts'

const metadata = { redirect_uris: ['https://client.test/cb'], client_name: 'Editor' }

test('a public client is registered without a secret', async () => {
  const { admin, gateway } = await openAdminGateway()
  const { status, json } = await admin('POST', '/clients', {
    ...metadata,
    token_endpoint_auth_method: 'none',
  })
  expect(status).toBe(201)
  expect(json).toMatchObject({
    ...metadata,
    origin: 'admin',
    trusted: false,
    enabled: true,
    token_endpoint_auth_method: 'none',
    client_id_issued_at: start,
    expires_at: null,
  })
  expect(json.client_id).toMatch(/^client_/)
  expect(json.client_secret).toBeUndefined()
  expect((await gateway.store.clients.find(json.client_id, start))?.secretHash).toBeNull()
})

test.each(['client_secret_basic', 'client_secret_post'])(
  'a %s client is told its secret once',
  async (method) => {
    const { admin, gateway } = await openAdminGateway()
    const { json } = await admin('POST', '/clients', {
      ...metadata,
      token_endpoint_auth_method: method,
      trusted: true,
    })
    expect(json.trusted).toBe(true)
    expect(json.client_secret).toMatch(/^cc_secret_/)
    const read = await admin('GET', `/clients/${json.client_id}`)
    expect(read.json.client_secret).toBeUndefined()
    expect(read.json).toMatchObject({ ...metadata, token_endpoint_auth_method: method })
    const stored = await gateway.store.clients.find(json.client_id, start)
    expect(stored?.secretHash).toBe(sha256(json.client_secret))
  },
)

test.each([
  [{ redirect_uris: [] }, '/redirect_uris'],
  [{ redirect_uris: ['javascript:alert(1)'] }, ''],
  [{ redirect_uris: ['http://client.test/cb'] }, ''],
  [{ token_endpoint_auth_method: 'private_key_jwt' }, ''],
  [{ client_id: 'mine' }, '/client_id'],
  [{ client_secret: 'mine' }, '/client_secret'],
  [{ skip_consent: true }, '/skip_consent'],
  [{ trusted: 'yes' }, '/trusted'],
  [{ jwks_uri: 'https://client.test/jwks' }, '/jwks_uri'],
])('refuses %j', async (difference, pointer) => {
  const { admin } = await openAdminGateway()
  const { status, json } = await admin('POST', '/clients', { ...metadata, ...difference })
  expect(status).toBe(400)
  expect(json.errors[0].pointer).toBe(pointer)
  expect((await admin('GET', '/clients')).json.items).toEqual([])
})

test('clients are listed by where they came from, whoever registered them', async () => {
  const gateway = await openAdminGateway()
  await seedPeople(gateway)
  const made = (await gateway.admin('POST', '/clients', metadata)).json
  const idsOf = async (query: string) =>
    (await gateway.admin('GET', `/clients${query}`)).json.items.map(
      (item: { client_id: string }) => item.client_id,
    )
  expect((await idsOf('')).sort()).toEqual([made.client_id, 'editor'].sort())
  expect(await idsOf('?origin=dynamic')).toEqual(['editor'])
  expect(await idsOf('?origin=admin')).toEqual([made.client_id])
})

test('a client is disabled and enabled, and nothing else of it changes', async () => {
  const { admin } = await openAdminGateway()
  const { client_id: id } = (await admin('POST', '/clients', metadata)).json
  expect((await admin('PATCH', `/clients/${id}`, { enabled: false })).json.enabled).toBe(false)
  expect((await admin('PATCH', `/clients/${id}`, { enabled: true })).json.enabled).toBe(true)
  for (const body of [{ trusted: true }, { enabled: true, redirect_uris: [] }, {}, { enabled: 1 }]) {
    expect((await admin('PATCH', `/clients/${id}`, body)).status).toBe(400)
  }
  expect((await admin('PATCH', '/clients/nobody', { enabled: true })).status).toBe(404)
})

test('a deleted client takes its sessions along', async () => {
  const gateway = await openAdminGateway()
  await seedPeople(gateway)
  const { json } = await gateway.admin('DELETE', '/clients/editor')
  expect(json).toMatchObject({
    deleted: { client: 'editor' },
    token_sessions_ended: 2,
    connections_deleted: 0,
  })
  expect((await gateway.admin('GET', '/token-sessions?state=any')).json.items).toEqual([])
  expect((await gateway.admin('GET', '/clients/editor')).status).toBe(404)
  expect((await gateway.admin('DELETE', '/clients/editor')).status).toBe(404)
})

test('an id that is a URL can be named in a path', async () => {
  const gateway = await openAdminGateway()
  const { database } = gateway
  const id = 'https://client.test/metadata.json'
  await database.db.insert(database.tables.clients).values(client(id)).returning()
  expect((await gateway.admin('GET', `/clients/${encodeURIComponent(id)}`)).json.client_id).toBe(id)
})

test('the longest such id can be named too, over HTTP as it is served', async () => {
  const { gateway, database, adminToken } = await openAdminGateway()
  // As long as an id may be, and three times that in a path.
  const id = `https://client.test/${'/'.repeat(2028)}`
  expect(documentUrl(id, { allowLoopback: false })?.href).toBe(id)
  expect(documentUrl(`${id}/`, { allowLoopback: false })).toBeUndefined()
  await database.db.insert(database.tables.clients).values(client(id)).returning()
  const app = await buildApp(gateway, { level: 'silent' })
  onTestFinished(async () => await app.close())
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  const call = async (method: string, body?: object) => {
    const response = await fetch(`${origin}/admin/v1/clients/${encodeURIComponent(id)}`, {
      method,
      headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    })
    return [response.status, await response.json()]
  }
  expect(await call('GET')).toMatchObject([200, { client_id: id, enabled: true }])
  expect(await call('PATCH', { enabled: false })).toMatchObject([200, { enabled: false }])
  expect(await call('DELETE')).toMatchObject([200, { deleted: { client: id } }])
  expect(await call('GET')).toMatchObject([404, { code: 'not_found' }])
})
