import { expect, test } from 'vitest'
import { newSecret } from '../../src/lib/secret.ts'
import { type AdminGateway, type Method, openAdminGateway } from '../support/admin-gateway.ts'
import { forge, notes } from '../support/admin-rows.ts'

const methods: Method[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/** Credentials that are good for something, and not for this. */
async function otherCredentials({ admin }: AdminGateway): Promise<Record<string, string | undefined>> {
  await admin('PUT', '/providers/forge', forge)
  await admin('PUT', '/resources/notes', notes)
  const resource = (await admin('POST', '/resources/notes/credentials', {})).json
  const client = (await admin('POST', '/clients', { redirect_uris: ['https://client.test/cb'] })).json
  const basic = (id: string, secret: string) => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
  return {
    none: undefined,
    'an empty bearer': 'Bearer ',
    'another token': `Bearer ${newSecret('admin_')}`,
    'a resource credential': basic(resource.client_id, resource.client_secret),
    'a resource secret': `Bearer ${resource.client_secret}`,
    'a client secret': `Bearer ${client.client_secret}`,
    'a client by basic': basic(client.client_id, client.client_secret),
    'two tokens': `Bearer ${newSecret('admin_')} ${newSecret('admin_')}`,
  }
}

test('no route answers anybody but the administrator', async () => {
  const gateway = await openAdminGateway()
  const credentials = await otherCredentials(gateway)
  const paths = [...new Set(gateway.routes.map(({ url }) => url.replaceAll(/:\w+/g, 'forge')))]
  expect(paths.length).toBeGreaterThan(15)
  for (const [name, authorization] of Object.entries(credentials)) {
    for (const path of [...paths, '/admin/v1', '/admin/v1/nothing']) {
      for (const method of methods) {
        const headers = authorization === undefined ? {} : { authorization }
        const { statusCode } = await gateway.send(method, path, { headers })
        expect(statusCode, `${method} ${path} with ${name}`).toBe(401)
        // Slow enough not to be told to stop.
        gateway.time.now += 3
      }
    }
  }
  const { json } = await gateway.admin('GET', '/providers')
  expect(json.items).toHaveLength(1)
})

test.each([
  '//admin/v1/providers',
  '/admin//v1/providers',
  '/admin/v1//providers',
  '/admin/./v1/providers',
  '/x/../admin/v1/providers',
  '/admin%2fv1/providers',
  '/admin/v1%2fproviders',
  '/ADMIN/v1/providers',
  '/admin/v1/Providers',
  '/admin/v1;x/providers',
  '/admin/v1/providers;x',
  '/admin/v1/providers/',
  '/admin/v1/providers?x=1',
  '/admin/v1/providers#x',
  '/admin/v1/%70roviders',
])('%s is no way around the token', async (path) => {
  const gateway = await openAdminGateway()
  const { statusCode, body } = await gateway.send('GET', path, {})
  expect([401, 404]).toContain(statusCode)
  expect(body).not.toContain('items')
})

test('a 401 asks for a bearer and says whether one was wrong', async () => {
  const gateway = await openAdminGateway()
  const none = await gateway.send('GET', '/admin/v1/providers', {})
  expect(none.headers['www-authenticate']).toBe('Bearer')
  const wrong = await gateway.send('GET', '/admin/v1/providers', {
    headers: { authorization: 'Bearer wrong' },
  })
  expect(wrong.headers['www-authenticate']).toBe('Bearer error="invalid_token"')
  expect(wrong.headers['content-type']).toContain('application/problem+json')
  expect(wrong.json()).toMatchObject({ status: 401, code: 'unauthenticated' })
})

test('the scheme may be written in any case, and the token stands in no other place', async () => {
  const gateway = await openAdminGateway()
  const { adminToken, send } = gateway
  const right = await send('GET', '/admin/v1/providers', {
    headers: { authorization: `bearer ${adminToken}` },
  })
  expect(right.statusCode).toBe(200)
  const query = await send('GET', `/admin/v1/providers?access_token=${adminToken}`, {})
  expect(query.statusCode).toBe(401)
  const cookie = await send('GET', '/admin/v1/providers', { headers: { cookie: `token=${adminToken}` } })
  expect(cookie.statusCode).toBe(401)
})

test('without a configured token nobody is let in', async () => {
  const gateway = await openAdminGateway()
  const { adminEndpoints } = await import('../../src/endpoints/admin/plugin.ts')
  const { default: Fastify } = await import('fastify')
  const app = Fastify()
  await app.register(adminEndpoints, { ...gateway.gateway, adminTokenHash: undefined })
  for (const authorization of ['Bearer undefined', 'Bearer null', `Bearer ${gateway.adminToken}`, 'Bearer']) {
    const response = await app.inject({ url: '/admin/v1/providers', headers: { authorization } })
    expect(response.statusCode).toBe(401)
  }
  await app.close()
})

test('an address that goes on with wrong tokens is told to stop, and the right token is served still', async () => {
  const gateway = await openAdminGateway()
  const wrong = () =>
    gateway.send('GET', '/admin/v1/providers', { headers: { authorization: 'Bearer wrong' } })
  const statuses: number[] = []
  for (let attempt = 0; attempt < 1000; attempt++) statuses.push((await wrong()).statusCode)
  expect(statuses[0]).toBe(401)
  expect(statuses.slice(100)).toEqual(Array(900).fill(429))
  expect((await wrong()).headers['retry-after']).toBe('2')
  expect((await gateway.admin('GET', '/providers')).status).toBe(200)
  gateway.time.now += 61
  expect((await wrong()).statusCode).toBe(401)
})

test('bodies are JSON, whatever a form of another page could send', async () => {
  const gateway = await openAdminGateway()
  const authorization = `Bearer ${gateway.adminToken}`
  const types = [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'text/json',
  ]
  for (const type of types) {
    const response = await gateway.send('POST', '/admin/v1/clients', {
      headers: { authorization, 'content-type': type },
      body: JSON.stringify({ redirect_uris: ['https://client.test/cb'] }),
    })
    expect(response.statusCode, type).toBe(415)
    expect(response.json().code).toBe('invalid_request')
  }
})

test('a content type without a body is no body', async () => {
  const gateway = await openAdminGateway()
  await gateway.admin('PUT', '/providers/forge', forge)
  const headers = { authorization: `Bearer ${gateway.adminToken}`, 'content-type': 'application/json' }
  expect((await gateway.send('POST', '/admin/v1/providers/forge/check', { headers })).statusCode).toBe(200)
  expect((await gateway.send('DELETE', '/admin/v1/providers/forge', { headers })).statusCode).toBe(200)
})

test('broken, poisoned and too large bodies are refused', async () => {
  const gateway = await openAdminGateway()
  const headers = { authorization: `Bearer ${gateway.adminToken}`, 'content-type': 'application/json' }
  const post = async (body: string) =>
    (await gateway.send('POST', '/admin/v1/clients', { headers, body })).statusCode
  expect(await post('{')).toBe(400)
  expect(await post('')).toBe(400)
  expect(await post('[]')).toBe(400)
  expect(await post('null')).toBe(400)
  expect(await post('{"__proto__":{"trusted":true},"redirect_uris":["https://client.test/cb"]}')).toBe(400)
  expect(await post('{"constructor":{"prototype":{"trusted":true}}}')).toBe(400)
  expect(await post(`{"contacts":${'['.repeat(30_000)}${']'.repeat(30_000)}}`)).toBe(400)
  expect(await post(`{"client_name":"${'x'.repeat(2_000_000)}"}`)).toBe(413)
  expect(({} as Record<string, unknown>).trusted).toBeUndefined()
})

test('what does not exist is a problem too', async () => {
  const gateway = await openAdminGateway()
  const { status, json, headers } = await gateway.admin('GET', '/nothing/here')
  expect(status).toBe(404)
  expect(json).toMatchObject({ type: 'urn:coatcheck:problem:not_found', status: 404, code: 'not_found' })
  expect(headers['content-type']).toContain('application/problem+json')
})

test('answers are stored nowhere, set no cookie and let no origin read them', async () => {
  const gateway = await openAdminGateway()
  for (const path of ['/providers', '/nothing']) {
    const { headers } = await gateway.admin('GET', path)
    expect(headers['cache-control']).toBe('no-store')
    expect(Object.keys(headers).filter((name) => /^(set-cookie|access-control-)/.test(name))).toEqual([])
  }
  const preflight = await gateway.send('OPTIONS', '/admin/v1/providers', {
    headers: { origin: 'https://evil.test', 'access-control-request-method': 'PUT' },
  })
  expect(preflight.headers['access-control-allow-origin']).toBeUndefined()
})

test('where the store does not answer, it is a 503 and says so', async () => {
  const gateway = await openAdminGateway()
  await gateway.database.close()
  const { status, json } = await gateway.admin('PUT', '/providers/forge', forge)
  expect(status).toBe(503)
  expect(json.code).toBe('gateway_unavailable')
})
