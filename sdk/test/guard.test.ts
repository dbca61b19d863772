import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { deny, type Guard, type Protection, protect } from '../src/index.ts'
import { type Issuer, startIssuer } from './support/issuer.ts'
import { claims, now, resource } from './support/tokens.ts'

let issuer: Issuer

beforeEach(async () => {
  issuer = await startIssuer()
})
afterEach(() => issuer.stop())

const guardWith = (options: Partial<Protection> = {}): Guard =>
  protect({ resource, issuer: issuer.issuer, clock: () => now, ...options })

/** The response to a request that is not let in. */
async function answer(guard: Guard, path: string, headers: Record<string, string> = {}): Promise<Response> {
  const checked = await guard.check(new Request(`https://inside.example${path}`, { headers }))
  if (checked instanceof Response) return checked
  throw new Error('it was let in')
}

const challengeOf = async (guard: Guard, authorization?: string) =>
  (await answer(guard, '/mcp', authorization === undefined ? {} : { authorization })).headers.get(
    'www-authenticate',
  )

test('three lines are enough', async () => {
  const checked = await guardWith().check(
    new Request(resource, { headers: { authorization: `Bearer ${await issuer.sign(claims)}` } }),
  )
  expect(checked).toMatchObject({ authInfo: { clientId: 'a-client' } })
})

test('without a token, clients are told to ask for what is required, or else for all there is', async () => {
  const scopes = ['a', 'b', 'c', 'offline_access']
  const metadata = 'resource_metadata="https://notes.example/.well-known/oauth-protected-resource/mcp"'
  expect(await challengeOf(guardWith())).toBe(`Bearer ${metadata}`)
  expect(await challengeOf(guardWith({ scopes }))).toBe(`Bearer scope="a b c", ${metadata}`)
  expect(await challengeOf(guardWith({ scopes, requiredScopes: ['b'] }))).toBe(
    `Bearer scope="b", ${metadata}`,
  )
  expect(await challengeOf(guardWith({ scopes, requiredScopes: ['b'], initialScopes: ['a', 'b'] }))).toBe(
    `Bearer scope="a b", ${metadata}`,
  )
  expect(await challengeOf(guardWith({ realm: 'notes' }), 'Basic YWRhOg==')).toBe(
    `Bearer ${metadata}, realm="notes"`,
  )
})

test('a scope that is between clients and the authorization server is in none of our documents', async () => {
  const guard = guardWith({ scopes: ['a', 'offline_access'], requiredScopes: ['a', 'offline_access'] })
  expect(await challengeOf(guard)).toContain('scope="a"')
  const document = await answer(guard, '/.well-known/oauth-protected-resource')
  expect(await document.json()).toMatchObject({ scopes_supported: ['a'] })
})

test('a header that cannot be read is a bad request and not a reason to sign in', async () => {
  const guard = guardWith()
  for (const authorization of ['Bearer', 'Bearer a b', 'Bearer a, Bearer b']) {
    expect((await answer(guard, '/mcp', { authorization })).status).toBe(400)
  }
})

test('what one request needs is added to what all need, and asked for together with what is held', async () => {
  const guard = guardWith({ requiredScopes: ['notes.read'] })
  const verdict = await guard.decide(`Bearer ${await issuer.sign(claims)}`, { scopes: ['notes.write'] })
  if (verdict.outcome !== 'denied') throw new Error('it was let in')
  expect(verdict.denial.details).toEqual({
    requiredScopes: ['notes.read', 'notes.write'],
    grantedScopes: ['notes.read'],
  })
  const refused = guard.refuse(verdict.denial)
  expect(refused.status).toBe(403)
  expect(refused.headers.get('www-authenticate')).toContain('scope="notes.read notes.write"')
})

test('a token in the query opens nothing', async () => {
  const token = await issuer.sign(claims)
  expect((await answer(guardWith(), `/mcp?access_token=${token}`)).status).toBe(401)
})

test('metadata can be read while no authorization server can be', async () => {
  const guard = guardWith({
    issuer: 'https://down.example',
    metadata: { resource_documentation: 'https://d.example' },
  })
  const document = await answer(guard, '/.well-known/oauth-protected-resource/mcp')
  expect(await document.json()).toEqual({
    resource,
    authorization_servers: ['https://down.example'],
    bearer_methods_supported: ['header'],
    resource_documentation: 'https://d.example',
  })
})

test('clients of the revision 2025-03-26 find the authorization server at this origin, where that is wanted', async () => {
  const path = '/.well-known/oauth-authorization-server'
  expect((await answer(guardWith(), path)).status).toBe(404)
  const guard = guardWith({ authorizationServerMetadata: 'serve' })
  expect(guard.documentPaths).toContain(path)
  const document = await answer(guard, path)
  expect(document.headers.get('access-control-allow-origin')).toBe('*')
  expect(await document.json()).toEqual(issuer.metadata)
  issuer.routes[path] = () => ({ status: 500, body: {} })
  expect((await answer(guardWith({ authorizationServerMetadata: 'serve' }), path)).status).toBe(503)
})

test('metadata are read and not written', async () => {
  const request = new Request('https://x.example/.well-known/oauth-protected-resource', { method: 'POST' })
  const response = await guardWith().check(request)
  expect(response).toMatchObject({ status: 405 })
})

test('a denial of policy is told in band where a call is known, and by HTTP where not or where that is wanted', async () => {
  const denial = deny('policy_denied', { decisionId: 'd-1', failedConditions: ['allowed_repos'] })
  const call = { id: 3, method: 'tools/call' }
  const told = guardWith().refuse(denial, call)
  expect(told.status).toBe(200)
  expect(await told.json()).toMatchObject({ id: 3, result: { isError: true } })
  const refusals = [
    guardWith().refuse(denial),
    guardWith().refuse(denial, { method: 'notifications/cancelled' }),
    guardWith({ delivery: { policy_denied: 'http' } }).refuse(denial, call),
  ]
  for (const refused of refusals) {
    expect(refused.status).toBe(403)
    expect(refused.headers.has('www-authenticate')).toBe(false)
    expect(await refused.json()).toMatchObject({ code: 'policy_denied', decision_id: 'd-1' })
  }
  const inband = guardWith({ delivery: { invalid_token: 'inband' } }).refuse(deny('invalid_token'), call)
  expect(inband.status).toBe(200)
})

test('while nobody can be asked the answer says when to come back', async () => {
  issuer.routes['/jwks'] = () => ({ status: 500, body: {} })
  const response = await answer(guardWith(), '/mcp', { authorization: `Bearer ${await issuer.sign(claims)}` })
  expect(response.status).toBe(503)
  expect(response.headers.get('retry-after')).toBe('5')
  expect(response.headers.has('www-authenticate')).toBe(false)
})

test('whatever comes is answered or let in, and nothing made up is let in', async () => {
  const guard = protect({
    resource,
    authorizationServers: [{ issuer: issuer.issuer, metadata: issuer.metadata }],
    clock: () => now,
  })
  const anyJson = fc.oneof(
    fc.string(),
    fc.integer(),
    fc.constantFrom(null, true, [], {}, [resource], { a: 1 }),
  )
  const encoded = anyJson.map((json) => Buffer.from(JSON.stringify(json)).toString('base64url'))
  const header = fc.record({
    alg: fc.constantFrom('ES256', 'none', 'HS256', 'x'),
    typ: fc.constantFrom('at+jwt', 'JWT'),
    kid: fc.string(),
  })
  const payload = fc.record({
    iss: fc.constantFrom(issuer.issuer, 'x'),
    aud: anyJson,
    exp: anyJson,
    scope: anyJson,
  })
  const part = fc.oneof(
    encoded,
    fc.oneof(header, payload).map((value) => Buffer.from(JSON.stringify(value)).toString('base64url')),
  )
  const token = fc.oneof(
    fc.base64String(),
    fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('.')),
  )
  const authorization = fc.oneof(
    fc.string({ unit: 'binary' }),
    token.map((each) => `Bearer ${each}`),
  )
  const anyVisitor = fc.record({
    method: fc.string(),
    path: fc.webPath(),
    authorization: fc.oneof(authorization, fc.array(authorization)),
  })
  await fc.assert(
    fc.asyncProperty(anyVisitor, async (visitor) => {
      const answered = await guard.admit(visitor)
      const status = answered instanceof Response ? answered.status : 'let in'
      expect([200, 204, 400, 401, 404, 405]).toContain(status)
    }),
    { numRuns: 200 },
  )
})
