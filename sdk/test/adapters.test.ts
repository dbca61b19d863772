import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Guard, parseChallenge, protect } from '../src/index.ts'
import { callers } from './support/clients.ts'
import { type Issuer, startIssuer } from './support/issuer.ts'
import { kinds, startServer } from './support/servers.ts'
import { claims, now, resource } from './support/tokens.ts'

let issuer: Issuer
let guard: Guard
const metadataPath = '/.well-known/oauth-protected-resource'

beforeAll(async () => {
  issuer = await startIssuer()
  guard = protect({
    resource,
    issuer: issuer.issuer,
    scopes: ['notes.read', 'notes.write'],
    requiredScopes: ['notes.read'],
    name: 'Notes',
    clock: () => now,
  })
})
afterAll(() => issuer.stop())

const ping = (headers: Record<string, string> = {}) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
  body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
})

describe.each(kinds)('%s', (kind) => {
  let server: Awaited<ReturnType<typeof startServer>>
  beforeAll(async () => {
    server = await startServer(kind, guard)
  })
  afterAll(() => server.stop())

  test.each(Object.entries(callers))(
    'tells a tool who calls, to the client of the SDK %s',
    async (_, whoami) => {
      expect(await whoami(server.url, await issuer.sign(claims))).toBe('ada with a-client: notes.read')
    },
  )

  test('sends whoever has no token to the metadata, under its own name', async () => {
    const response = await fetch(
      server.url,
      ping({ host: 'evil.example', 'x-forwarded-host': 'evil.example' }),
    )
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toBe(
      `Bearer scope="notes.read", resource_metadata="https://notes.example${metadataPath}/mcp"`,
    )
    expect(await response.json()).toMatchObject({ code: 'no_token' })
  })

  test('refuses tokens that are not for it', async () => {
    const cases = [
      ['garbage', 401, 'invalid_token'],
      [await issuer.sign({ ...claims, aud: 'https://mail.example' }), 401, 'invalid_token'],
      [await issuer.sign({ ...claims, exp: now - 60 }), 401, 'invalid_token'],
      [await issuer.sign({ ...claims, scope: 'notes.write' }), 403, 'insufficient_scope'],
    ] as const
    for (const [token, status, error] of cases) {
      const response = await fetch(server.url, ping({ authorization: `Bearer ${token}` }))
      expect(response.status).toBe(status)
      const challenges = parseChallenge(response.headers.get('www-authenticate') ?? '')
      if (challenges.outcome !== 'parsed') throw new Error('malformed')
      expect(challenges.challenges.map(({ parameters }) => parameters.get('error'))).toEqual([error])
    }
  })

  test('refuses a request with two Authorization headers', async () => {
    const good = `Bearer ${await issuer.sign(claims)}`
    const lines = [
      [good, 'Bearer other'],
      ['Bearer other', good],
      [good, good],
      ['Basic YWRhOg==', good],
    ]
    for (const authorization of lines) {
      const status = await new Promise((resolve, reject) => {
        const { headers, body } = ping()
        const sent = request(server.url, { method: 'POST', headers }, (answer) => {
          answer.resume()
          resolve(answer.statusCode)
        })
        sent.setHeader('authorization', authorization)
        sent.on('error', reject)
        sent.end(body)
      })
      expect(status).toBe(400)
    }
  })

  test('serves its metadata to everybody, also in a browser', async () => {
    for (const path of [`${metadataPath}/mcp`, metadataPath, `${metadataPath}?x=y`]) {
      const response = await fetch(server.origin + path)
      expect(response.status).toBe(200)
      expect(response.headers.get('content-type')).toBe('application/json')
      expect(response.headers.get('access-control-allow-origin')).toBe('*')
      expect(await response.json()).toEqual({
        resource,
        resource_name: 'Notes',
        authorization_servers: [issuer.issuer],
        scopes_supported: ['notes.read', 'notes.write'],
        bearer_methods_supported: ['header'],
      })
    }
    const head = await fetch(`${server.origin}${metadataPath}/mcp`, { method: 'HEAD' })
    expect([head.status, await head.text()]).toEqual([200, ''])
    const preflight = await fetch(`${server.origin}${metadataPath}/mcp`, { method: 'OPTIONS' })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-headers')).toContain('mcp-protocol-version')
  })

  test('hides what it does not have behind a 404, not behind a sign-in', async () => {
    for (const path of ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration/mcp']) {
      expect((await fetch(server.origin + path)).status).toBe(404)
    }
  })

  test('cannot be got round by another spelling of its path', async () => {
    for (const path of [
      '/mcp/',
      '/MCP',
      '//mcp',
      '/%6dcp',
      '/mcp?a=b',
      '/x/../mcp',
      '/mcp/.well-known/oauth-protected-resource',
    ]) {
      const { status } = await fetch(server.origin + path, ping())
      expect([401, 404]).toContain(status)
    }
  })
})
