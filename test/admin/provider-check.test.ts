import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { openAdminGateway } from '../support/admin-gateway.ts'
import { forge } from '../support/admin-rows.ts'

/** A server whose discovery document can be changed. */
async function openIssuer() {
  const answer: { document: Record<string, unknown>; status: number } = { document: {}, status: 200 }
  const server = createServer((_request, response) => {
    response.writeHead(answer.status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(answer.document))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  answer.document = {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    userinfo_endpoint: `${issuer}/userinfo`,
    jwks_uri: `${issuer}/jwks`,
  }
  return { issuer, answer }
}

const oidc = (issuer: string) => ({
  descriptor: 'oidc',
  variables: { issuer },
  client_id: 'id',
  client_secret: 'a-secret-to-be-kept',
})

test('a provider that can be used is found so, with what to register there', async () => {
  const { issuer } = await openIssuer()
  const gateway = await openAdminGateway()
  await gateway.admin('PUT', '/providers/work', oidc(issuer))
  const { status, json } = await gateway.admin('POST', '/providers/work/check')
  expect(status).toBe(200)
  expect(json).toEqual({
    ok: true,
    redirect_uri: 'http://localhost:8080/oauth/callback/work',
    authorization_endpoint: `${issuer}/authorize`,
    problems: [],
    warnings: [],
  })
})

test.each([
  ['of another issuer', { issuer: 'https://evil.test' }],
  ['without a token endpoint', { token_endpoint: undefined }],
  ['with an endpoint that is not https', { token_endpoint: 'http://evil.test/token' }],
])('a metadata document %s is a problem, and looked at anew each time', async (_, difference) => {
  const { issuer, answer } = await openIssuer()
  const { admin } = await openAdminGateway()
  await admin('PUT', '/providers/work', oidc(issuer))
  const good = answer.document
  answer.document = { ...good, ...difference }
  const { json } = await admin('POST', '/providers/work/check')
  expect(json.ok).toBe(false)
  expect(json.problems).toMatchObject([{ code: 'metadata_invalid', pointer: '/descriptor/server/issuer' }])
  answer.document = good
  expect((await admin('POST', '/providers/work/check')).json.ok).toBe(true)
})

test('an issuer nobody answers for is a problem in words', async () => {
  const { admin } = await openAdminGateway()
  await admin('PUT', '/providers/work', oidc('http://127.0.0.1:1'))
  const { json } = await admin('POST', '/providers/work/check')
  expect(json.problems).toMatchObject([{ code: 'unreachable' }])
  expect(json.problems[0].message).toContain('http://127.0.0.1:1 cannot be reached')
})

test('what an administrator may have forgotten is a warning', async () => {
  const { admin } = await openAdminGateway()
  const { client_secret: _, ...withoutSecret } = forge
  await admin('PUT', '/providers/forge', { ...withoutSecret, enabled: false, scopes: ['repo', 'gist'] })
  const { json } = await admin('POST', '/providers/forge/check')
  expect(json.ok).toBe(true)
  expect(json.warnings.map(({ code }: { code: string }) => code)).toEqual([
    'disabled',
    'no_client_secret',
    'scope_without_words',
  ])
})

test('a provider that no longer resolves says why, here and where it is read', async () => {
  const gateway = await openAdminGateway()
  await gateway.admin('PUT', '/providers/forge', forge)
  const { database } = gateway
  const { providers } = database.tables
  const document = { descriptor: 'gone', variables: {}, admit: 'anyone' as const }
  await database.db.update(providers).set({ document }).returning()
  const { json } = await gateway.admin('POST', '/providers/forge/check')
  expect(json).toMatchObject({
    ok: false,
    problems: [{ code: 'broken', message: 'is not a built-in descriptor' }],
  })
  expect((await gateway.admin('GET', '/providers/forge')).json.broken).toHaveLength(1)
  expect((await gateway.admin('GET', '/providers')).json.items[0].broken).toHaveLength(1)
  expect((await gateway.admin('POST', '/providers/nothing/check')).status).toBe(404)
})
