import { expect, test } from 'vitest'
import { type AdminGateway, dumpAudit, type Method, openAdminGateway } from '../support/admin-gateway.ts'
import { forge } from '../support/admin-rows.ts'

const password = 'correct horse battery'

function as({ send }: AdminGateway, name: string, given = password) {
  const authorization = `Basic ${Buffer.from(`${name}:${given}`).toString('base64')}`
  return async (method: Method, path: string, body?: unknown) =>
    await send(method, `/admin/v1${path}`, { headers: { authorization }, body })
}

async function withAda(role: 'read' | 'write') {
  const gateway = await openAdminGateway()
  const created = await gateway.admin('POST', '/administrators', { name: 'ada', role, password })
  expect(created.status).toBe(201)
  return gateway
}

test('a named administrator does what the token does, under their own name', async () => {
  const gateway = await withAda('write')
  const ada = as(gateway, 'ada')
  expect((await ada('PUT', '/providers/forge', forge)).statusCode).toBe(201)
  const { json } = await gateway.admin('GET', '/audit-events?event=provider.saved')
  expect(json.items[0].actor).toBe('admin:ada')
  const { json: seen } = await gateway.admin('GET', '/administrators/ada')
  expect(seen).toEqual({
    name: 'ada',
    role: 'write',
    enabled: true,
    created_at: gateway.time.now,
    last_seen_at: gateway.time.now,
  })
})

test('who may only read gets every list and no change, not of themselves either', async () => {
  const gateway = await withAda('read')
  await gateway.admin('PUT', '/providers/forge', forge)
  const ada = as(gateway, 'ada')
  const routes = gateway.routes.map(({ method, url }) => ({ method, url: url.slice('/admin/v1'.length) }))
  for (const { method, url } of routes) {
    const path = url.replaceAll(/:\w+/g, 'forge')
    const { statusCode } = await ada(method as Method, path, method === 'GET' ? undefined : {})
    if (method === 'GET') expect([200, 404], `GET ${path}`).toContain(statusCode)
    // It asks, and has too much to say for a query.
    else if (url.endsWith('/simulations')) expect(statusCode).toBe(400)
    else expect(statusCode, `${method} ${path}`).toBe(403)
  }
  const raised = await ada('PATCH', '/administrators/ada', { role: 'write' })
  expect(raised.json()).toMatchObject({ status: 403, code: 'forbidden' })
  expect((await gateway.admin('GET', '/administrators/ada')).json.role).toBe('read')
})

test('a wrong name, a wrong password and a disabled administrator are one answer', async () => {
  const gateway = await withAda('write')
  await gateway.admin('POST', '/administrators', { name: 'bob', role: 'write', password })
  await gateway.admin('PATCH', '/administrators/bob', { enabled: false })
  const answers = await Promise.all([
    as(gateway, 'ada', 'wrong password')('GET', '/providers'),
    as(gateway, 'nobody')('GET', '/providers'),
    as(gateway, 'bob')('GET', '/providers'),
  ])
  const [first] = answers
  expect(first?.statusCode).toBe(401)
  for (const { statusCode, body, headers } of answers) {
    expect([statusCode, body, headers['www-authenticate']]).toEqual([401, first?.body, 'Bearer'])
  }
})

test('what is changed about an administrator counts from the next request on', async () => {
  const gateway = await withAda('write')
  const ada = as(gateway, 'ada')
  const status = async () => (await ada('GET', '/providers')).statusCode
  const patch = async (change: object) => await gateway.admin('PATCH', '/administrators/ada', change)
  expect(await status()).toBe(200)
  await patch({ enabled: false })
  expect(await status()).toBe(401)
  await patch({ enabled: true })
  expect(await status()).toBe(200)
  await patch({ role: 'read' })
  expect((await ada('PUT', '/providers/forge', forge)).statusCode).toBe(403)
  await patch({ password: 'another password' })
  expect(await status()).toBe(401)
  expect((await as(gateway, 'ada', 'another password')('GET', '/providers')).statusCode).toBe(200)
  const { json } = await gateway.admin('DELETE', '/administrators/ada')
  expect(json.deleted).toEqual({ administrator: 'ada' })
  expect((await as(gateway, 'ada', 'another password')('GET', '/providers')).statusCode).toBe(401)
})

test('who guesses is told to stop, and no password is then verified for them but one known to be right', async () => {
  const gateway = await withAda('write')
  await gateway.admin('POST', '/administrators', { name: 'bob', role: 'write', password })
  const ada = as(gateway, 'ada')
  expect((await ada('GET', '/providers')).statusCode).toBe(200)
  const statuses: number[] = []
  for (let guess = 0; guess < 40; guess++) {
    statuses.push((await as(gateway, 'ada', `guess number ${guess}`)('GET', '/providers')).statusCode)
  }
  // The right one counted as well, as nobody knew that it was.
  expect(statuses.slice(0, 29)).toEqual(Array(29).fill(401))
  expect(statuses.slice(29)).toEqual(Array(11).fill(429))
  // Right, but nobody knows that yet.
  expect((await as(gateway, 'bob')('GET', '/providers')).statusCode).toBe(429)
  expect((await ada('GET', '/providers')).statusCode).toBe(200)
  gateway.time.now += 61
  expect((await as(gateway, 'bob')('GET', '/providers')).statusCode).toBe(200)
})

test.each([
  [{ name: 'ada', role: 'read', password: 'too short' }, '/password'],
  [{ name: 'ada', role: 'read', password: 'x'.repeat(257) }, '/password'],
  [{ name: 'ada', role: 'admin', password }, '/role'],
  [{ name: 'token', role: 'write', password }, '/name'],
  [{ name: 'Ada L', role: 'write', password }, '/name'],
  [{ name: 'ada', role: 'write', password, enabled: false }, '/enabled'],
])('%j is refused', async (body, pointer) => {
  const gateway = await openAdminGateway()
  const { status, json } = await gateway.admin('POST', '/administrators', body)
  expect(status).toBe(400)
  expect(json.errors[0].pointer).toBe(pointer)
})

test('a name is given once', async () => {
  const gateway = await withAda('read')
  const again = await gateway.admin('POST', '/administrators', { name: 'ada', role: 'write', password })
  expect(again.status).toBe(409)
  expect((await gateway.admin('GET', '/administrators')).json.items).toMatchObject([{ role: 'read' }])
})

test('no password and no hash of one is in any answer or in the record', async () => {
  const gateway = await withAda('write')
  await gateway.admin('PATCH', '/administrators/ada', { password: 'another password' })
  await as(gateway, 'ada', 'another password')('GET', '/administrators')
  const said = gateway.answers.join('\n') + (await dumpAudit(gateway))
  for (const secret of [password, 'another password', 'argon2']) expect(said).not.toContain(secret)
  expect(said).toContain('administrator.changed')
})
