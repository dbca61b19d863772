import { eq } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { dumpAudit, openAdminGateway } from '../support/admin-gateway.ts'
import { forge, notes, seedPeople } from '../support/admin-rows.ts'
import { failingStore } from '../support/failing-store.ts'
import { until } from '../support/until.ts'

const { client_secret: secret, ...withoutSecret } = forge

test('a provider is created, read, listed, replaced and deleted', async () => {
  const { admin } = await openAdminGateway()
  const created = await admin('PUT', '/providers/forge', { ...forge, scopes: ['repo'] })
  expect(created.status).toBe(201)
  expect(created.json).toMatchObject({
    id: 'forge',
    origin: 'admin',
    client_id: 'coatcheck-at-forge',
    client_secret_stored: true,
    admit: 'anyone',
    enabled: true,
    scopes: ['repo'],
    redirect_uri: 'http://localhost:8080/oauth/callback/forge',
  })
  expect((await admin('GET', '/providers/forge')).json).toMatchObject({ id: 'forge', scopes: ['repo'] })
  const replaced = await admin('PUT', '/providers/forge', { ...withoutSecret, enabled: false })
  expect(replaced.status).toBe(200)
  expect(replaced.json.scopes).toBeUndefined()
  expect((await admin('GET', '/providers')).json.items).toMatchObject([{ id: 'forge', enabled: false }])
  expect((await admin('DELETE', '/providers/forge')).status).toBe(200)
  expect((await admin('GET', '/providers/forge')).status).toBe(404)
  expect((await admin('DELETE', '/providers/forge')).status).toBe(404)
})

test('a built-in descriptor is set up by its name, somewhere else by its variables', async () => {
  const { admin, gateway } = await openAdminGateway()
  const definition = { client_id: 'id', client_secret: 'secret', descriptor: 'oidc' }
  const missing = await admin('PUT', '/providers/work', definition)
  expect(missing.json.errors).toEqual([{ pointer: '/variables/issuer', message: 'is required (Issuer)' }])
  const made = await admin('PUT', '/providers/work', {
    ...definition,
    variables: { issuer: 'https://id.example.test' },
  })
  expect(made.status).toBe(201)
  const provider = await gateway.providers.find('work')
  expect(provider?.descriptor.server.issuer).toBe('https://id.example.test')
  expect(provider?.clientSecret).toBe('secret')
})

test('every mistake is named at once, where it stands', async () => {
  const { admin } = await openAdminGateway()
  const { status, json } = await admin('PUT', '/providers/forge', {
    ...forge,
    variables: { web: 'http://evil.test', wbe: 'https://typo.test' },
    scopes: ['repo', 'repo'],
  })
  expect(status).toBe(400)
  expect(json.errors).toEqual([
    { pointer: '/variables/wbe', message: 'is not a variable of this descriptor' },
    { pointer: '/variables/web', message: 'must be https' },
    { pointer: '/scopes/1', message: 'stands here twice' },
  ])
})

test.each([
  [{ colour: 'red' }, '/colour'],
  [{ enabled: 'yes' }, '/enabled'],
  [{ client_id: '' }, '/client_id'],
  [{ client_secret: null }, '/client_secret'],
  [{ descriptor: 'no-such-descriptor' }, '/descriptor'],
  [{ descriptor: 7 }, '/descriptor'],
  [{ descriptor: { ...forge.descriptor, colour: 'red' } }, '/descriptor'],
  [{ scopes: ['everything'] }, '/scopes/0'],
  [{ scopes: ['two words'] }, '/scopes/0'],
  [{ admit: {} }, '/admit'],
  [{ admit: 'nobody' }, '/admit'],
  [{ admit: { email_domains: [7] } }, '/admit/email_domains/0'],
  [{ client_id: 'nul\0l' }, '/client_id'],
  [{ client_id: 'half\ud800' }, '/client_id'],
])('refuses %j', async (difference, pointer) => {
  const gateway = await openAdminGateway()
  const { status, json } = await gateway.admin('PUT', '/providers/forge', { ...forge, ...difference })
  expect(status).toBe(400)
  expect(json.errors[0].pointer).toBe(pointer)
  expect((await gateway.admin('GET', '/providers')).json.items).toEqual([])
  expect(gateway.answers.join()).not.toContain(secret)
})

test.each([
  '__proto__',
  'constructor',
  '..',
  '%2e%2e',
  'a%2fb',
  'a%00b',
  'Forge',
  'a'.repeat(65),
  'f%C3%B6rge',
  '-x',
])('%s is no id of a provider', async (id) => {
  const { admin } = await openAdminGateway()
  const { status } = await admin('PUT', `/providers/${id}`, forge)
  expect([400, 404]).toContain(status)
  expect((await admin('GET', '/providers')).json.items).toEqual([])
})

test('with a public issuer it must be written who may sign in, and http and loopback are refused', async () => {
  const { admin } = await openAdminGateway({ issuer: 'https://gateway.test' })
  const silent = await admin('PUT', '/providers/forge', forge)
  expect(silent.json.errors).toMatchObject([{ pointer: '/admit' }])
  const loopback = { ...forge, admit: 'anyone', variables: { web: 'http://127.0.0.1:9' } }
  expect((await admin('PUT', '/providers/forge', loopback)).json.errors).toMatchObject([
    { pointer: '/variables/web' },
  ])
  const said = await admin('PUT', '/providers/forge', { ...forge, admit: { email_domains: ['work.test'] } })
  expect(said.status).toBe(201)
  expect(said.json.admit).toEqual({ email_domains: ['work.test'] })
})

test('an omitted secret keeps the stored one', async () => {
  const { admin, gateway } = await openAdminGateway()
  await admin('PUT', '/providers/forge', forge)
  await admin('PUT', '/providers/forge', { ...withoutSecret, scopes: ['repo'] })
  expect((await gateway.providers.find('forge'))?.clientSecret).toBe(secret)
  await admin('PUT', '/providers/forge', { ...withoutSecret, client_secret: 'another' })
  expect((await gateway.providers.find('forge'))?.clientSecret).toBe('another')
})

const moves = {
  'another client id': { client_id: 'another-client' },
  'another host by a variable': { variables: { web: 'https://evil.test' } },
  'another port': { variables: { web: 'https://forge.test:8443' } },
  'another tenant by a variable': { variables: { web: 'https://forge.test/other-tenant' } },
  'another path of the token endpoint': {
    descriptor: {
      ...forge.descriptor,
      server: { ...forge.descriptor.server, token_endpoint: 'https://forge.test/other-tenant/token' },
    },
  },
  'another path of the issuer': {
    descriptor: {
      ...forge.descriptor,
      server: { ...forge.descriptor.server, issuer: 'https://forge.test/other-tenant' },
    },
  },
  'another token endpoint': {
    descriptor: {
      ...forge.descriptor,
      server: { ...forge.descriptor.server, token_endpoint: 'https://evil.test/token' },
    },
  },
  'another issuer': {
    descriptor: { ...forge.descriptor, server: { ...forge.descriptor.server, issuer: 'https://evil.test' } },
  },
  'another place that is shown access tokens': {
    descriptor: {
      ...forge.descriptor,
      server: { ...forge.descriptor.server, userinfo_endpoint: 'https://evil.test/user' },
    },
  },
  'another authorization endpoint': {
    descriptor: {
      ...forge.descriptor,
      server: { ...forge.descriptor.server, authorization_endpoint: 'https://evil.test/authorize' },
    },
  },
}

test.each(Object.entries(moves))(
  '%s needs the secret again, and ends the connections made before',
  async (_, difference) => {
    const gateway = await openAdminGateway()
    const { admin, time } = gateway
    await admin('PUT', '/providers/forge', forge)
    await seedPeople(gateway)
    time.now += 100

    const refused = await admin('PUT', '/providers/forge', { ...withoutSecret, ...difference })
    expect(refused.status).toBe(400)
    expect(refused.json.errors).toMatchObject([{ pointer: '/client_secret' }])
    expect((await admin('GET', '/connections?status=live')).json.items).toHaveLength(2)

    const moved = await admin('PUT', '/providers/forge', { ...forge, ...difference })
    expect(moved.status).toBe(200)
    expect(moved.json.connections_needing_reauthorization).toBe(2)
    const { items } = (await admin('GET', '/connections')).json
    expect(items).toHaveLength(2)
    for (const item of items) {
      expect(item).toMatchObject({
        status: 'needs_reauthorization',
        status_reason: 'provider_changed',
        status_since: time.now,
      })
    }
  },
)

test('other changes end no connection', async () => {
  const gateway = await openAdminGateway()
  await gateway.admin('PUT', '/providers/forge', forge)
  await seedPeople(gateway)
  const changes = [
    { enabled: false },
    { client_secret: 'rotated' },
    { scopes: ['repo'] },
    { admit: { subjects: ['4711'] } },
    { variables: { web: 'https://forge.test/' } },
  ]
  for (const change of changes) {
    const { json } = await gateway.admin('PUT', '/providers/forge', { ...withoutSecret, ...change })
    expect(json.connections_needing_reauthorization, JSON.stringify(change)).toBe(0)
  }
  expect((await gateway.admin('GET', '/connections?status=live')).json.items).toHaveLength(2)
})

test('a move of a provider without a secret ends its connections too', async () => {
  const gateway = await openAdminGateway()
  await gateway.admin('PUT', '/providers/forge', withoutSecret)
  await seedPeople(gateway)
  const { json } = await gateway.admin('PUT', '/providers/forge', { ...withoutSecret, client_id: 'other' })
  expect(json.connections_needing_reauthorization).toBe(2)
})

test('what changes nothing is not written', async () => {
  const { admin, gateway, time } = await openAdminGateway()
  await admin('PUT', '/providers/forge', forge)
  time.now += 10
  expect((await admin('PUT', '/providers/forge', forge)).status).toBe(200)
  expect((await admin('PUT', '/providers/forge', withoutSecret)).status).toBe(200)
  expect((await gateway.store.providers.find('forge'))?.version).toBe(1)
  expect((await admin('GET', '/audit-events?event=provider.saved')).json.items).toHaveLength(1)
})

test('of two changes decided on the same state one is refused', async () => {
  const { admin, gateway } = await openAdminGateway()
  await admin('PUT', '/providers/forge', forge)
  const store = failingStore(gateway.store)
  const goOn = store.hold(['providers.replace'])
  const changes = ['one', 'two'].map((id) => admin('PUT', '/providers/forge', { ...forge, client_id: id }))
  await until(() => store.calls().filter((name) => name === 'providers.replace').length === 2)
  goOn()
  const answers = await Promise.all(changes)
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 409])
  expect((await gateway.store.providers.find('forge'))?.version).toBe(2)
})

test('each change is audited with before, after and what became of the secret, never the secret', async () => {
  const gateway = await openAdminGateway()
  await gateway.admin('PUT', '/providers/forge', forge)
  await gateway.admin('PUT', '/providers/forge', {
    ...forge,
    client_id: 'other',
    client_secret: 'other-secret',
  })
  await gateway.admin('DELETE', '/providers/forge')
  const { items } = (await gateway.admin('GET', '/audit-events?provider=forge')).json
  expect(items).toMatchObject([
    { event: 'provider.deleted', actor: 'admin:token', detail: { before: { client_id: 'other' } } },
    {
      event: 'provider.saved',
      actor: 'admin:token',
      detail: {
        before: { client_id: 'coatcheck-at-forge' },
        after: { client_id: 'other' },
        client_secret: 'new',
        connections: 'need reauthorization',
      },
    },
    { event: 'provider.saved', detail: { after: { client_id: 'coatcheck-at-forge' }, client_secret: 'new' } },
  ])
  const audit = await dumpAudit(gateway)
  expect(audit).not.toContain(secret)
  expect(audit).not.toContain('other-secret')
})

test('a change whose audit row cannot be written does not happen', async () => {
  const { admin, database, gateway } = await openAdminGateway()
  await admin('PUT', '/providers/forge', forge)
  const { auditEvents } = database.tables
  const { id, ...taken } = (await gateway.store.auditEvents.list({}, { limit: 1 })).rows[0] ?? { id: '' }
  expect(taken).toMatchObject({ event: 'provider.saved' })
  // A row of the same id is in the way of the next one.
  const row = await gateway.store.providers.find('forge')
  if (!row) throw new Error('the provider is missing')
  const { version: _, ...same } = row
  const doomed = gateway.store.providers.replace(
    row,
    { ...same, clientId: 'other' },
    { id, at: 0, event: 'provider.saved', actor: 'admin:token', outcome: 'ok', detail: {} },
  )
  await expect(doomed).rejects.toThrow()
  expect((await gateway.store.providers.find('forge'))?.clientId).toBe('coatcheck-at-forge')
  expect(
    await database.db.select().from(auditEvents).where(eq(auditEvents.event, 'provider.saved')),
  ).toHaveLength(1)
})

test('a deleted provider takes its connections and the sessions that draw on them along', async () => {
  const gateway = await openAdminGateway()
  const { admin, database } = gateway
  await admin('PUT', '/providers/forge', forge)
  await admin('PUT', '/resources/notes', notes)
  await seedPeople(gateway)
  const { json } = await admin('DELETE', '/providers/forge')
  expect(json).toEqual({
    deleted: { provider: 'forge' },
    token_sessions_ended: 2,
    connections_deleted: 2,
    revoked_upstream: [],
    queued_upstream: [],
    remaining_upstream: [
      { provider: 'forge', client_id: 'coatcheck-at-forge', connections: 2, reason: 'unsupported' },
    ],
  })
  expect(await database.db.select().from(database.tables.connections)).toEqual([])
  expect((await admin('GET', '/token-sessions')).json.items).toEqual([])
  const ended = (await admin('GET', '/token-sessions?state=any')).json.items
  expect(ended).toMatchObject([
    { id: 'grant_bob', state: 'revoked', revoked_reason: 'provider_deleted' },
    { id: 'grant_ada', state: 'revoked', revoked_reason: 'provider_deleted' },
  ])
})
