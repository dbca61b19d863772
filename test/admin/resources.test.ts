import { expect, test } from 'vitest'
import { type AdminGateway, openAdminGateway, start } from '../support/admin-gateway.ts'
import { forge, notes, seedPeople } from '../support/admin-rows.ts'

async function withForge(options: Parameters<typeof openAdminGateway>[0] = {}) {
  const gateway = await openAdminGateway(options)
  await gateway.admin('PUT', '/providers/forge', { ...forge, admit: 'anyone', scopes: ['repo', 'gist'] })
  return gateway
}

test('a resource is created, read, listed, replaced and deleted', async () => {
  const { admin, time } = await withForge()
  const created = await admin('PUT', '/resources/notes', { ...notes, offline_retrieval: 60 })
  expect(created.status).toBe(201)
  expect(created.json).toEqual({
    id: 'notes',
    origin: 'admin',
    ...notes,
    providers: [{ provider: 'forge', scopes: ['repo'], required: true }],
    offline_retrieval: 60,
    enabled: true,
    created_at: start,
    updated_at: start,
  })
  time.now += 10
  const replaced = await admin('PUT', '/resources/notes', { ...notes, enabled: false })
  expect(replaced.status).toBe(200)
  expect(replaced.json).toMatchObject({ enabled: false, created_at: start, updated_at: start + 10 })
  expect(replaced.json.offline_retrieval).toBeUndefined()
  expect((await admin('GET', '/resources/notes')).json).toEqual(replaced.json)
  expect((await admin('GET', '/resources')).json.items).toEqual([replaced.json])
  expect((await admin('DELETE', '/resources/notes')).status).toBe(200)
  expect((await admin('GET', '/resources/notes')).status).toBe(404)
  expect((await admin('DELETE', '/resources/notes')).status).toBe(404)
})

test('its URI is kept in its canonical form', async () => {
  const { admin } = await withForge()
  const { json } = await admin('PUT', '/resources/notes', { ...notes, resource: 'HTTPS://Notes.Test:443/' })
  expect(json.resource).toBe('https://notes.test')
})

test.each([
  [{ resource: 'notes.test' }, '/resource'],
  [{ resource: 'https://notes.test/#top' }, '/resource'],
  [{ resource: 'https://user@notes.test' }, '/resource'],
  [{ resource: 'http://notes.test' }, '/resource'],
  [{ resource: 'http://localhost:8080' }, '/resource'],
  [{ resource: 'http://localhost:8080/' }, '/resource'],
  [{ providers: [{ provider: 'smithy', scopes: [] }] }, '/providers/0/provider'],
  [{ providers: [{ provider: 'forge', scopes: ['repo', 'admin'] }] }, '/providers/0/scopes/1'],
  [{ providers: [{ provider: 'forge', scopes: ['everything'] }] }, '/providers/0/scopes/0'],
  [{ providers: [{ provider: 'forge', scopes: [], for: ['notes.write'] }] }, '/providers/0/for/0'],
  [{ providers: [{ provider: 'forge', scopes: [], optional: true }] }, '/providers/0/optional'],
  [{ sign_in: ['smithy'] }, '/sign_in/0'],
  [{ default_scopes: ['notes.write'] }, '/default_scopes/0'],
  [{ scopes: { offline_access: 'x' }, default_scopes: [] }, '/scopes/offline_access'],
  [{ offline_retrieval: -1 }, '/offline_retrieval'],
  [{ owner: 'ada' }, '/owner'],
  [{ name: 'nul\0l' }, '/name'],
])('refuses %j', async (difference, pointer) => {
  const { admin } = await withForge()
  const { status, json } = await admin('PUT', '/resources/notes', { ...notes, ...difference })
  expect(status).toBe(400)
  expect(json.errors[0].pointer).toBe(pointer)
  expect((await admin('GET', '/resources')).json.items).toEqual([])
})

test('who may call a resource is another one that is there, by scopes that are there', async () => {
  const { admin } = await withForge()
  await admin('PUT', '/resources/notes', { ...notes, scopes: { 'notes.read': 'Read', 'a/b': 'Odd' } })
  const agenda = {
    ...notes,
    resource: 'https://agenda.test',
    scopes: { 'events.read': 'Read' },
    default_scopes: [],
  }
  const save = async (callers: unknown) => await admin('PUT', '/resources/agenda', { ...agenda, callers })
  const good = { resource: 'notes', for: { 'notes.read': ['events.read'], 'a/b': ['events.read'] } }
  const wrong: [unknown, string, string][] = [
    [{ ...good, resource: 'agenda' }, '/callers/0/resource', 'is this resource itself'],
    [{ ...good, resource: 'nobody' }, '/callers/0/resource', 'is not set up here'],
    [{ ...good, for: {} }, '/callers/0/for', 'opens nothing'],
    [{ ...good, for: { 'notes.read': [] } }, '/callers/0/for/notes.read', 'opens nothing'],
    [{ ...good, for: { 'notes.read': ['x'] } }, '/callers/0/for/notes.read/0', 'is not among scopes'],
    [{ ...good, for: { 'n/o~tes': ['events.read'] } }, '/callers/0/for/n~1o~0tes', 'is no scope there'],
    [
      { ...good, for: { offline_access: ['events.read'] } },
      '/callers/0/for/offline_access',
      'is no scope there',
    ],
    [{ resource: 'notes' }, '/callers/0/for', expect.any(String)],
    [{ ...good, scopes: ['events.read'] }, '/callers/0/scopes', expect.any(String)],
  ]
  for (const [caller, pointer, message] of wrong) {
    const { status, json } = await save([caller])
    expect([status, json.errors]).toEqual([400, [{ pointer, message }]])
  }
  expect((await save([good, good])).json.errors).toEqual([
    { pointer: '/callers/1/resource', message: 'stands here twice' },
  ])
  expect((await save([good])).status).toBe(201)
  expect((await admin('GET', '/resources/agenda')).json.callers).toEqual([good])
  // A resource without scopes is opened as a whole.
  const whole = { ...agenda, scopes: {}, callers: [{ resource: 'notes', for: { 'notes.read': [] } }] }
  expect((await admin('PUT', '/resources/agenda', whole)).status).toBe(200)
})

test('http is for loopback under a loopback issuer alone', async () => {
  const local = { ...notes, resource: 'http://127.0.0.1:3000/mcp' }
  const here = await withForge()
  expect((await here.admin('PUT', '/resources/notes', local)).status).toBe(201)
  const there = await withForge({ issuer: 'https://gateway.test' })
  expect((await there.admin('PUT', '/resources/notes', local)).json.errors).toMatchObject([
    { pointer: '/resource' },
  ])
})

test('two resources cannot have one URI, however it is spelled', async () => {
  const { admin } = await withForge()
  await admin('PUT', '/resources/notes', notes)
  const { status, json } = await admin('PUT', '/resources/twin', {
    ...notes,
    resource: 'https://NOTES.test/mcp',
  })
  expect(status).toBe(409)
  expect(json).toMatchObject({
    code: 'conflict',
    errors: [{ pointer: '/resource', message: 'is the URI of notes' }],
  })
})

/** Two administrators at once, who give one URI to two resources: neither there yet, then both. */
async function raceForOneUri(admin: AdminGateway['admin']): Promise<void> {
  const ids = ['first', 'second']
  const race = async (resource: string) => {
    const answers = await Promise.all(
      ids.map((id) => admin('PUT', `/resources/${id}`, { ...notes, resource })),
    )
    const refused = answers.filter(({ status }) => status >= 400)
    expect(refused).toMatchObject([
      { status: 409, json: { code: 'conflict', errors: [{ pointer: '/resource' }] } },
    ])
  }
  await race('https://one.test')
  for (const id of ids) await admin('PUT', `/resources/${id}`, { ...notes, resource: `https://${id}.test` })
  await race('https://another.test')
  const { items } = (await admin('GET', '/audit-events?event=resource.saved')).json
  const saved = items.filter(({ resource_id: id }: { resource_id: string }) => ids.includes(id))
  expect(saved).toHaveLength(4)
}

test('of two resources that are given one URI at the same instant one gets it, new or there already', async () => {
  const { admin } = await withForge()
  await raceForOneUri(admin)
})

test('one enabled resource is the default', async () => {
  const { admin } = await withForge()
  await admin('PUT', '/resources/notes', { ...notes, default: true })
  const second = { ...notes, resource: 'https://second.test', default: true }
  const { status, json } = await admin('PUT', '/resources/second', second)
  expect(status).toBe(409)
  expect(json.errors).toEqual([{ pointer: '/default', message: 'notes is the default already' }])
  await admin('PUT', '/resources/notes', { ...notes, default: true, enabled: false })
  expect((await admin('PUT', '/resources/second', second)).status).toBe(201)
  expect((await admin('PUT', '/resources/notes', { ...notes, default: true })).status).toBe(409)
})

test('the URI stays while people have sessions, and everything else may change', async () => {
  const gateway = await withForge()
  const { admin, time } = gateway
  await admin('PUT', '/resources/notes', notes)
  await seedPeople(gateway)
  const moved = { ...notes, resource: 'https://moved.test/mcp' }
  const { status, json } = await admin('PUT', '/resources/notes', moved)
  expect(status).toBe(409)
  expect(json.errors).toMatchObject([{ pointer: '/resource' }])
  expect((await admin('PUT', '/resources/notes', { ...notes, name: 'My notes' })).status).toBe(200)

  for (const id of ['grant_ada', 'grant_bob']) await admin('DELETE', `/token-sessions/${id}`)
  time.now += 1
  expect((await admin('PUT', '/resources/notes', moved)).json.resource).toBe('https://moved.test/mcp')
})

test('a provider that cannot sign people in is none to sign in with', async () => {
  const { admin } = await withForge()
  const identity = { ...forge.descriptor.identity, sign_in: false }
  await admin('PUT', '/providers/vault', { ...forge, descriptor: { ...forge.descriptor, identity } })
  const { json } = await admin('PUT', '/resources/notes', { ...notes, sign_in: ['forge', 'vault'] })
  expect(json.errors).toEqual([{ pointer: '/sign_in/1', message: 'cannot sign people in' }])
})

test('a credential is shown once, works as a hash only, and is deleted', async () => {
  const gateway = await withForge()
  const { admin } = gateway
  await admin('PUT', '/resources/notes', notes)
  const made = await admin('POST', '/resources/notes/credentials', {})
  expect(made.status).toBe(201)
  expect(made.json.client_id).toMatch(/^resource_/)
  expect(made.json.client_secret).toMatch(/^cc_secret_/)
  const listed = await admin('GET', '/resources/notes/credentials')
  expect(listed.json.items).toEqual([{ client_id: made.json.client_id, created_at: start }])
  const stored = JSON.stringify(await gateway.gateway.store.resources.findCredential(made.json.client_id))
  expect(stored).not.toContain(made.json.client_secret)

  const path = `/resources/notes/credentials/${made.json.client_id}`
  expect((await admin('DELETE', path.replace('notes', 'other'))).status).toBe(404)
  expect((await admin('DELETE', path)).json.deleted).toEqual({ resource_credential: made.json.client_id })
  expect((await admin('DELETE', path)).status).toBe(404)
  expect((await admin('GET', '/resources/notes/credentials')).json.items).toEqual([])
})

test('a credential needs no body, and may bring public keys or say where they are', async () => {
  const { admin } = await withForge()
  await admin('PUT', '/resources/notes', notes)
  const path = '/resources/notes/credentials'
  expect((await admin('POST', path)).status).toBe(201)
  const key = { kty: 'OKP', crv: 'Ed25519', x: 'x'.repeat(43), kid: 'one' }
  const keyed = await admin('POST', path, { jwks: { keys: [{ ...key, other: 1 }] } })
  expect([keyed.status, keyed.json.client_secret]).toEqual([201, undefined])
  expect(keyed.json.jwks).toEqual({ keys: [key] })
  const published = await admin('POST', path, { jwks_uri: 'https://notes.test/jwks' })
  expect([published.status, published.json.client_secret]).toEqual([201, undefined])
  expect((await admin('GET', path)).json.items).toEqual(expect.arrayContaining([keyed.json, published.json]))
  expect((await admin('POST', path, { client_secret: 'mine' })).status).toBe(400)
  expect((await admin('POST', '/resources/nothing/credentials', {})).status).toBe(404)
})

test.each([
  [{ jwks: { keys: [] } }, '/jwks'],
  [{ jwks: { keys: [{ kty: 'oct', k: 'c2VjcmV0' }] } }, '/jwks'],
  [{ jwks: { keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'x'.repeat(43), d: 'private' }] } }, '/jwks'],
  [{ jwks: 'https://notes.test/jwks' }, '/jwks'],
  [{ jwks_uri: 'http://notes.test/jwks' }, '/jwks_uri'],
  [{ jwks_uri: 'javascript:alert(1)' }, '/jwks_uri'],
])('a credential with keys that cannot be used is refused: %j', async (body, pointer) => {
  const { admin } = await withForge()
  await admin('PUT', '/resources/notes', notes)
  const { status, json } = await admin('POST', '/resources/notes/credentials', body)
  expect([status, json.errors?.[0]?.pointer]).toEqual([400, pointer])
})
