import { generateKeyPair } from 'jose'
import { expect, test } from 'vitest'
import { startProtectedServer } from './issuer.ts'

const everyScope = 'profile.read repositories.read events.read sites.read'
const metadataUrl = 'https://mcp.example/.well-known/oauth-protected-resource/mcp'

test('the metadata of the protected resource is served at the path form and at the root', async () => {
  const { send, issuer, url } = await startProtectedServer()
  for (const path of ['/.well-known/oauth-protected-resource/mcp', '/.well-known/oauth-protected-resource']) {
    expect(await (await send(path)).json()).toEqual({
      resource: url,
      authorization_servers: [issuer],
      scopes_supported: everyScope.split(' '),
      bearer_methods_supported: ['header'],
    })
  }
})

test.each(['GET', 'POST', 'DELETE'])(
  '%s without a token is told where to get one, and of no error',
  async (method) => {
    const { send } = await startProtectedServer()
    const response = await send('/mcp', { method })
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toBe(
      `Bearer scope="${everyScope}", resource_metadata="${metadataUrl}"`,
    )
  },
)

test('a token is checked before the body is read', async () => {
  const { send } = await startProtectedServer()
  const headers = { 'content-type': 'application/json' }
  expect((await send('/mcp', { method: 'POST', headers, body: '{' })).status).toBe(401)
})

const refused: [string, Parameters<Awaited<ReturnType<typeof startProtectedServer>>['token']>[0]][] = [
  ['for another audience', { claims: { aud: 'https://other.example/mcp' } }],
  ['for the parent of this MCP server', { claims: { aud: 'https://mcp.example' } }],
  ['of another issuer', { claims: { iss: 'https://other.example' } }],
  ['that has ended', { claims: { exp: 1_000_000_000 } }],
  ['that never ends', { claims: { exp: undefined } }],
  ['that is an ID token', { header: { typ: 'JWT' } }],
  ['without a ticket', { claims: { tsid: undefined } }],
  ['signed with a secret', { header: { alg: 'HS256' }, key: new Uint8Array(32) }],
  ['with an unknown key', { header: { kid: 'two' } }],
]

test.each(refused)('a token %s is an invalid one', async (_what, change) => {
  const { call, token } = await startProtectedServer()
  const response = await call('whoami', `Bearer ${await token(change)}`)
  expect(response.status).toBe(401)
  expect(response.headers.get('www-authenticate')).toBe(
    `Bearer error="invalid_token", scope="${everyScope}", resource_metadata="${metadataUrl}"`,
  )
})

test('a token that somebody else signed is an invalid one', async () => {
  const { call, token } = await startProtectedServer()
  const { privateKey } = await generateKeyPair('ES256')
  expect((await call('whoami', `Bearer ${await token({ key: privateKey })}`)).status).toBe(401)
})

test.each(['Basic abc', 'Bearer', 'Bearer not-a-jwt', 'Bearer a b'])('%s is no token', async (header) => {
  const { call } = await startProtectedServer()
  expect((await call('whoami', header)).status).toBe(401)
})

test('while the keys cannot be fetched nobody is told to sign in again', async () => {
  const { call, token, stopIssuer } = await startProtectedServer()
  const authorization = `Bearer ${await token()}`
  await stopIssuer()
  expect((await call('whoami', authorization)).status).toBe(500)
})

const batch = (message: unknown) => [{ jsonrpc: '2.0', method: 'notifications/initialized' }, message]

test.each([
  ['alone', (message: unknown) => message],
  ['in a batch', batch],
])(
  'a tool beyond the scopes of the token, called %s, is refused with all that is needed',
  async (_how, wrap) => {
    const { call, token, asked } = await startProtectedServer()
    const response = await call('list_repositories', `Bearer ${await token()}`, wrap)
    expect(response.status).toBe(403)
    expect(response.headers.get('www-authenticate')).toBe(
      `Bearer error="insufficient_scope", scope="profile.read repositories.read", resource_metadata="${metadataUrl}"`,
    )
    expect(asked).toEqual(['/.well-known/jwks.json'])
  },
)

test.each([[null], [[null]], [7], ['text']])(
  'the message %j is refused and harms nobody',
  async (message) => {
    const { call, token } = await startProtectedServer()
    expect((await call('whoami', `Bearer ${await token()}`, () => message)).status).toBe(400)
  },
)

test('there is no stream to listen to', async () => {
  const { send, token } = await startProtectedServer()
  const response = await send('/mcp', { headers: { authorization: `Bearer ${await token()}` } })
  expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST'])
})
