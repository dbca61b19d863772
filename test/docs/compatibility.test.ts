import { readFileSync } from 'node:fs'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { expect, onTestFinished, test } from 'vitest'
import { buildApp } from '../../src/app.ts'
import { mcpServerRules, serverRules } from '../../src/tester/test-url.ts'
import { mintAccessToken } from '../../src/tokens/access-token.ts'
import { openAdminGateway } from '../support/admin-gateway.ts'

const page = readFileSync('docs/compatibility.md', 'utf8')
const [metadata, client] = [...page.matchAll(/```json\n(.*?)```/gs)].map(([, text = '']) => JSON.parse(text))

/** The gateway of the page, with one MCP server. */
async function openIt() {
  const { admin, gateway } = await openAdminGateway({ issuer: 'https://auth.example.com' })
  const { status } = await admin('PUT', '/resources/notes', {
    resource: 'https://notes.example.com/mcp',
    name: 'Notes',
    scopes: { 'notes.read': 'Read your notes' },
    default_scopes: ['notes.read'],
  })
  expect(status).toBe(201)
  const app = await buildApp(gateway, { level: 'silent' })
  onTestFinished(() => app.close())
  return app
}

test('the metadata are those of a gateway, to the member and in its order', async () => {
  const app = await openIt()
  const { body, headers } = await app.inject('/.well-known/oauth-authorization-server')
  expect(JSON.stringify(metadata, null, 2)).toBe(JSON.stringify(JSON.parse(body), null, 2))
  expect(headers['access-control-allow-origin']).toBe('*')
  expect((await app.inject('/.well-known/openid-configuration')).body).toBe(body)
})

test('the client registers as it stands there', async () => {
  const app = await openIt()
  const response = await app.inject({ method: 'POST', url: '/oauth/register', payload: client })
  expect([response.statusCode, response.json()]).toEqual([201, expect.objectContaining(client)])
})

test('the claims are those of a token that has them all', async () => {
  const token = mintAccessToken({
    key: { kid: 'one', sign: () => 'signature' },
    issuer: 'https://auth.example.com',
    audience: 'https://notes.example.com/mcp',
    subject: 'sub_ada',
    clientId: 'client_1',
    scopes: ['notes.read'],
    jti: 'jti_1',
    tsid: 'ts_1',
    authTime: 1,
    acr: 'strong',
    act: { sub: 'https://other.example.com/mcp' },
    now: 1,
    lifetime: 1,
  })
  const rows = [...page.matchAll(/^\| (`\w+`(?:, `\w+`)*) \|/gm)].map(([, names = '']) => names)
  const shown = rows.flatMap((names) => names.replaceAll('`', '').split(', '))
  expect(shown.toSorted()).toEqual(Object.keys(decodeJwt(token)).toSorted())
  expect(decodeProtectedHeader(token)).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: 'one' })
})

test('the figures are those of the testers', () => {
  const figures = [...page.matchAll(/ \| (\w+) \| (\d+) \| (\d+) \|$/gm)].map(([, ...each]) => each)
  // That all of them are successes, other tests see at running servers.
  expect(figures).toEqual([
    ['6', '0', '0'],
    [String(serverRules.length), '0', '0'],
    [String(mcpServerRules.length), '0', '0'],
    ['all', '0', '0'],
  ])
})
