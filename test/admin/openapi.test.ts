import { expect, test } from 'vitest'
import { buildApp } from '../../src/app.ts'
import { type AdminGateway, type Json, type Method, openAdminGateway } from '../support/admin-gateway.ts'
import { forge, notes, seedPeople } from '../support/admin-rows.ts'
import { createAnswerCheck, operationsOf, responsesOf, validator } from '../support/openapi.ts'
import { publishTools, recordDecision, tracker } from '../support/tracker.ts'

/** Every object in a document, however deep, with the way to it. */
function everyObject(value: Json, way = '#'): { way: string; object: Json }[] {
  if (typeof value !== 'object' || value === null) return []
  const inside = Object.entries(value).flatMap(([key, member]) => everyObject(member, `${way}/${key}`))
  return [{ way, object: value }, ...inside]
}

test('every route there is stands in the document, and none that is not', async () => {
  const { routes, document } = await openAdminGateway()
  const mounted = routes.map(({ method, url }) => `${method} ${url.replaceAll(/:(\w+)/g, '{$1}')}`)
  const described = operationsOf(document).map(({ method, path }) => `${method} /admin/v1${path}`)
  expect(mounted.length).toBeGreaterThan(30)
  expect(described.toSorted()).toEqual(mounted.toSorted())
})

test('it is an OpenAPI 3.1 document that a client can be made from', async () => {
  const { document } = await openAdminGateway()
  expect(document.openapi).toMatch(/^3\.1\.\d+$/)
  expect(document.info).toMatchObject({ title: expect.any(String), version: expect.any(String) })
  expect(document.servers).toEqual([{ url: 'http://localhost:8080/admin/v1' }])
  expect(Object.keys(document.components.schemas)).toEqual(
    expect.arrayContaining(['Problem', 'Provider', 'Resource', 'Client', 'Receipt', 'Time']),
  )
  for (const name of Object.keys(document.components.schemas)) expect(name).toMatch(/^[a-zA-Z0-9._-]+$/)
  for (const scheme of Object.values<Json>(document.components.securitySchemes)) {
    expect(scheme).toMatchObject({ type: 'http', scheme: expect.stringMatching(/^(bearer|basic)$/) })
  }
})

test('every reference leads somewhere', async () => {
  const { document } = await openAdminGateway()
  const references = everyObject(document).filter(({ object }) => typeof object.$ref === 'string')
  expect(references.length).toBeGreaterThan(100)
  for (const { way, object } of references) {
    const [, ...keys] = object.$ref.split('/')
    const target = keys.reduce((place: Json, key: string) => place?.[key], document)
    expect(target, `${way} -> ${object.$ref}`).toBeTypeOf('object')
  }
})

test('every operation says what OpenAPI asks for, once and in its own words', async () => {
  const { document } = await openAdminGateway()
  const operations = operationsOf(document)
  for (const members of ['operationId', 'summary']) {
    const all = operations.map(({ operation }) => operation[members])
    expect(new Set(all).size, members).toBe(operations.length)
  }
  for (const { method, path, operation } of operations) {
    const what = `${method} ${path}`
    expect(operation.operationId, what).toMatch(/^[a-z][A-Za-z]+$/)
    expect(operation.summary, what).toMatch(/^[A-Z][^\n]{5,100}[^.]$/)
    const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    const inPath = operation.parameters.filter((each: Json) => each.in === 'path')
    expect(
      inPath.map(({ name }: Json) => name),
      what,
    ).toEqual(names)
    for (const parameter of operation.parameters) {
      expect(parameter.schema, `${what} ${parameter.name}`).toHaveProperty('type')
      expect(parameter.required, `${what} ${parameter.name}`).toBe(parameter.in === 'path')
    }
    const statuses = Object.keys(operation.responses)
    expect(statuses, what).toEqual(expect.arrayContaining(['400', '401', '429', '500', '503']))
    expect(statuses.filter((status) => status.startsWith('2')).length, what).toBeGreaterThan(0)
    for (const [status, response] of Object.entries(responsesOf(operation, document))) {
      expect(response.description, `${what} ${status}`).toMatch(/./)
      const success = path === '/audit-events/export' ? 'application/x-ndjson' : 'application/json'
      const media = Number(status) < 400 ? success : 'application/problem+json'
      expect(Object.keys(response.content), `${what} ${status}`).toEqual([media])
    }
  }
})

test('it says of every route which administrators may take it', async () => {
  const { document, admin, send } = await openAdminGateway()
  const password = 'correct horse battery'
  await admin('POST', '/administrators', { name: 'ada', role: 'read', password })
  const authorization = `Basic ${Buffer.from(`ada:${password}`).toString('base64')}`
  for (const { method, path, operation } of operationsOf(document)) {
    const [token, { administrator }] = operation.security
    expect(token).toEqual({ token: [] })
    const url = `/admin/v1${path.replaceAll(/\{\w+\}/g, 'nothing')}`
    const { statusCode } = await send(method as Method, url, { headers: { authorization } })
    expect(statusCode === 403, `${method} ${path}`).toBe(administrator[0] === 'write')
    expect('403' in operation.responses).toBe(administrator[0] === 'write')
  }
})

test('every administrator may read it, and nobody else', async () => {
  const { admin, send } = await openAdminGateway()
  const password = 'correct horse battery'
  const readAs = async (authorization?: string) =>
    (await send('GET', '/admin/v1/openapi.json', { headers: authorization ? { authorization } : {} }))
      .statusCode
  for (const role of ['read', 'write']) {
    await admin('POST', '/administrators', { name: role, role, password })
    expect(await readAs(`Basic ${Buffer.from(`${role}:${password}`).toString('base64')}`)).toBe(200)
  }
  expect((await admin('GET', '/openapi.json')).status).toBe(200)
  expect(await readAs()).toBe(401)
  expect(await readAs('Bearer wrong')).toBe(401)
})

test('an issuer with a path has it in the server', async () => {
  const { document } = await openAdminGateway({ issuer: 'https://gateway.test/tenant' })
  expect(document.servers).toEqual([{ url: 'https://gateway.test/tenant/admin/v1' }])
})

test('what a body must be is what it says: members, bounds, and whether there must be one', async () => {
  const { document } = await openAdminGateway()
  const bodyOf = (path: string, method: string) => document.paths[path][method].requestBody
  const takes = (path: string, method: string, body: unknown) =>
    validator(bodyOf(path, method).content['application/json'].schema, document).safeParse(body).success
  expect(bodyOf('/clients', 'post').required).toBe(true)
  expect(
    takes('/clients', 'post', { redirect_uris: ['https://a.test'], token_endpoint_auth_method: 'none' }),
  ).toBe(true)
  expect(takes('/clients', 'post', { redirect_uris: [] })).toBe(false)
  expect(takes('/clients', 'post', { redirect_uris: ['https://a.test'], skip_consent: true })).toBe(false)
  expect(bodyOf('/registration-tokens', 'post').required).toBe(false)
  expect(takes('/registration-tokens', 'post', { uses: 0 })).toBe(false)
  expect(takes('/providers/{id}', 'put', { descriptor: 'oidc', client_id: 'x' })).toBe(true)
  expect(takes('/providers/{id}', 'put', { client_id: 'x' })).toBe(false)
  expect(document.paths['/providers/{id}/check'].post.requestBody).toBeUndefined()
})

test('a query says what its text means', async () => {
  const { document } = await openAdminGateway()
  const parameters = Object.fromEntries(
    ['/subjects', '/audit-events', '/token-sessions'].flatMap((path) =>
      document.paths[path].get.parameters.map(({ name, schema }: Json) => [name, schema]),
    ),
  )
  expect(parameters).toMatchObject({
    limit: { type: 'integer', minimum: 1, maximum: 200, default: 50 },
    cursor: { type: 'string' },
    enabled: { type: 'boolean' },
    since: { type: 'integer' },
    state: { enum: ['live', 'any'], default: 'live' },
  })
})

test.each<[string, Json]>([
  ['a member too many', { tsid: 'ts_1' }],
  ['a member too few', { subject_id: undefined }],
  ['another type', { created_at: 'yesterday' }],
  ['a state nobody knows', { state: 'dead' }],
])('the check of answers sees %s', async (_, difference) => {
  const check = createAnswerCheck((await openAdminGateway()).document)
  const session = {
    id: 'a',
    state: 'live',
    subject_id: 'sub_a',
    client_id: 'client_a',
    resource_id: null,
    parent_id: null,
    audience: 'https://a.test',
    scopes: [],
    created_at: 1,
    last_used_at: 1,
    access_ends_at: null,
    expires_at: 2,
    absolute_ends_at: 2,
    revoked_at: null,
    revoked_reason: null,
  }
  const answer = (item: object) => ({
    method: 'GET',
    url: '/admin/v1/token-sessions?limit=1',
    status: 200,
    type: 'application/json; charset=utf-8',
    body: JSON.stringify({ items: [item] }),
  })
  expect(() => check(answer(session))).not.toThrow()
  expect(() => check(answer({ ...session, ...difference }))).toThrow('token-sessions?limit=1 answered 200')
})

test.each([204, 409])('the check of answers sees that %d is none of this route', async (status) => {
  const check = createAnswerCheck((await openAdminGateway()).document)
  const answer = { method: 'GET', url: '/admin/v1/providers', type: 'application/json', body: '{"items":[]}' }
  expect(() => check({ ...answer, status })).toThrow(/knows nothing/)
})

test('every route has been seen to succeed, and to answer what it says, empty or not', async () => {
  const gateway = await openAdminGateway()
  const { admin, document } = gateway
  const seen = new Set<string>()
  const call = async (method: Method, path: string, body?: unknown) => {
    const { status, json } = await admin(method, path, body)
    expect(status, `${method} ${path}: ${JSON.stringify(json)}`).toBeLessThan(300)
    const { pathname } = new URL(`/admin/v1${path}`, 'http://localhost')
    for (const each of operationsOf(document)) {
      if (each.method === method && each.pattern.test(pathname)) seen.add(each.operation.operationId)
    }
    return json
  }
  const lists = operationsOf(document).filter(
    ({ method, path }) => method === 'GET' && !path.includes('{') && path !== '/audit-events',
  )
  for (const { path } of lists) await call('GET', path)

  await call('PUT', '/providers/forge', forge)
  await call('PUT', '/providers/forge', { ...forge, scopes: ['repo'], admit: { subjects: ['4711'] } })
  await call('PUT', '/providers/lost', { ...forge, variables: { web: 'https://lost.test' } })
  await call('GET', '/providers/forge')
  await call('POST', '/providers/forge/check')
  await call('PUT', '/resources/notes', { ...notes, offline_retrieval: 60, sign_in: ['forge'] })
  await call('PUT', '/resources/notes', { ...notes, require_user_token: true, default: true })
  await call('GET', '/resources/notes')
  const credential = await call('POST', '/resources/notes/credentials', {})
  await call('POST', '/resources/notes/credentials', { jwks_uri: 'https://notes.test/jwks' })
  await call('GET', '/resources/notes/credentials')
  await call('DELETE', `/resources/notes/credentials/${credential.client_id}`)
  await seedPeople(gateway)
  await callPolicyRoutes(gateway, call)
  const key = { kty: 'OKP', crv: 'Ed25519', x: 'x'.repeat(43), kid: 'one' }
  const client = await call('POST', '/clients', {
    redirect_uris: ['https://client.test/cb'],
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: 'EdDSA',
    jwks: { keys: [key] },
    contacts: ['ada@client.test'],
    application_type: 'web',
  })
  await call('GET', `/clients/${client.client_id}`)
  await call('PATCH', `/clients/${client.client_id}`, { enabled: false })
  const token = await call('POST', '/registration-tokens')
  await call('PATCH', '/subjects/sub_ada', { enabled: false })
  const rotated = await call('POST', '/signing-keys/rotate')
  await call('DELETE', `/signing-keys/${rotated.kid}`)
  await gateway.gateway.store.keyChecks.create({ masterKeyId: 'former', sealedCheck: 'x', createdAt: 0 })
  await call('POST', '/master-keys/reseal')
  await call('GET', '/master-keys')
  await call('DELETE', '/master-keys/former')
  const [{ kid }] = (await call('GET', '/signing-keys')).items
  await call('DELETE', `/signing-keys/${kid}`)
  const { store } = gateway.gateway
  await store.keyChecks.create({ masterKeyId: 'old', sealedCheck: 'sealed', createdAt: gateway.time.now })
  await call('DELETE', '/master-keys/old')
  await call('POST', '/master-keys/reseal')
  await call('POST', '/administrators', { name: 'ada', role: 'read', password: 'correct horse battery' })
  await call('GET', '/administrators/ada')
  await call('PATCH', '/administrators/ada', { role: 'write' })
  await call('POST', '/tests', { url: 'http://localhost:1' })

  for (const { path } of lists) await call('GET', path)
  await call('GET', '/audit-events?limit=1')
  for (const path of [
    '/token-sessions/grant_ada',
    '/connections/con_ada',
    '/subjects/sub_bob',
    '/resources/notes',
    '/providers/forge',
    `/clients/${client.client_id}`,
    `/registration-tokens/${token.id}`,
    '/administrators/ada',
  ]) {
    await call('DELETE', path)
  }
  await call('GET', '/token-sessions?state=any')
  await call('GET', '/audit-events')

  const all = operationsOf(document).map(({ operation }) => operation.operationId)
  expect(all.filter((id) => !seen.has(id))).toEqual([])
})

type Call = (method: Method, path: string, body?: unknown) => Promise<Json>

async function callPolicyRoutes(gateway: AdminGateway, call: Call): Promise<void> {
  await call('PUT', '/resources/tracker', tracker)
  await publishTools(gateway, ['read_issue', 'write_issue'])
  const path = '/resources/tracker'
  const { published_hash } = await call('GET', `${path}/tools/read_issue`)
  await call('PUT', `${path}/tools/read_issue`, {
    published_hash,
    scopes: ['issues.read'],
    step_up: { max_age: 60 },
  })
  // What nobody reviewed goes by itself once it is published no more.
  const other = await call('GET', `${path}/tools/write_issue`)
  const reviewed = { published_hash: other.published_hash, scopes: ['issues.read'] }
  await call('PUT', `${path}/tools/write_issue`, reviewed)
  await call('PUT', `${path}/roles/reader`, { scopes: ['issues.read'] })
  await call('GET', `${path}/roles/reader`)
  const binding = await call('POST', `${path}/bindings`, {
    role: 'reader',
    holder: { subject: 'sub_ada' },
    conditions: { time_utc: ['22:00-06:00'], arguments: { repo: { one_of: ['api'] } } },
  })
  const quota = await call('POST', `${path}/quotas`, { per: 'client', limit: 9, window: 'day' })
  await call('POST', `${path}/simulations`, { subject: 'sub_ada', tool: 'read_issue' })
  await call('GET', `${path}/access/sub_ada`)
  await recordDecision(gateway, 'decision_1')
  await call('GET', '/decisions/decision_1')
  await call('GET', `${path}/application`)
  await call('POST', `${path}/application/probe`)
  const { store } = gateway.gateway
  const passed = { probes: [], probedAt: gateway.time.now, probeDueAt: gateway.time.now }
  const before = (await store.tools.findApplication('tracker'))?.probedAt ?? null
  await store.tools.saveProbes('tracker', passed, before)
  await publishTools(gateway, ['read_issue'])
  await call('POST', `${path}/application/activate`)
  await call('POST', `${path}/application/deactivate`)
  for (const list of ['tools', 'roles', 'bindings', 'quotas']) await call('GET', `${path}/${list}`)
  await call('DELETE', `${path}/tools/write_issue`)
  await call('DELETE', `${path}/bindings/${binding.id}`)
  await call('DELETE', `${path}/roles/reader`)
  await call('DELETE', `${path}/quotas/${quota.id}`)
}

test('in the whole app what is refused before any route is a problem too', async () => {
  const { gateway, adminToken, document } = await openAdminGateway()
  const app = await buildApp(gateway, { level: 'silent' })
  const check = createAnswerCheck(document)
  const url = '/admin/v1/clients/a%00b'
  const { statusCode, body, headers } = await app.inject({
    url,
    headers: { authorization: `Bearer ${adminToken}` },
  })
  expect([statusCode, JSON.parse(body).code]).toEqual([400, 'invalid_request'])
  check({ method: 'GET', url, status: statusCode, type: String(headers['content-type']), body })
  await app.close()
})
