import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js'
import { requireBearerAuth as requireBearerAuth1 } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import {
  OAuthError,
  OAuthErrorCode,
  requireBearerAuth as requireBearerAuth2,
} from '@modelcontextprotocol/server'
import express, { type RequestHandler } from 'express'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { fetchServerConfig, MCPAuth } from 'mcp-auth'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { clients } from '../../sdk/test/support/clients.ts'
import { mcp1 } from '../../sdk/test/support/servers.ts'
import { signIn, startWorld, type World } from '../support/world.ts'

const resource = 'https://notes.test/mcp'

let world: World
let token: string
/** Good at the same gateway, for another MCP server. */
let foreign: string
/** By another gateway, for a server of the same name. */
let forged: string

beforeAll(async () => {
  world = await startWorld()
  token = (await signIn(world)).tokens.access_token
  await world.gateway.admin('PUT', '/resources/other', {
    resource: 'https://other.test/mcp',
    name: 'Other',
    scopes: { 'notes.read': 'Read' },
    default_scopes: ['notes.read'],
    providers: [],
    sign_in: [world.provider],
  })
  foreign = (await signIn(world, { parameters: { resource: 'https://other.test/mcp' } })).tokens.access_token
  const elsewhere = await startWorld()
  forged = (await signIn(elsewhere)).tokens.access_token
  await elsewhere.stop()
})
afterAll(() => world.stop())

/** As the authors of MCP servers write it, who have the metadata and jose. */
async function verified(text: string) {
  const { issuer } = world.gateway
  const metadata = await fetch(`${issuer}/.well-known/oauth-authorization-server`)
  const { jwks_uri } = (await metadata.json()) as { jwks_uri: string }
  const keys = createRemoteJWKSet(new URL(jwks_uri))
  const { payload } = await jwtVerify(text, keys, { issuer, typ: 'at+jwt' })
  return {
    token: text,
    // Of all there is, mcp-auth wants it where the SDK's own type has nothing.
    issuer,
    clientId: String(payload.client_id),
    scopes: String(payload.scope).split(' '),
    expiresAt: payload.exp ?? 0,
    resource: new URL(String(payload.aud)),
    extra: { subject: String(payload.sub), issuer },
  }
}

type Guarding = (requiredScopes: string[]) => Promise<RequestHandler>

const guards: [string, Guarding][] = [
  [
    'mcp-auth 0.2.0',
    async (requiredScopes) => {
      const authorizationServers = [await fetchServerConfig(world.gateway.issuer, { type: 'oauth' })]
      const metadata = { resource, authorizationServers, scopesSupported: ['notes.read', 'notes.write'] }
      const guard = new MCPAuth({ protectedResources: { metadata } })
      const admit = guard.bearerAuth('jwt', { resource, audience: resource, requiredScopes })
      return (request, response, next) =>
        admit(request, response, (error) => {
          // What its own tools read; ours asks where the subject is in `extra`.
          const auth = request.auth as { subject?: string } | undefined
          Object.assign(auth ?? {}, { extra: { subject: auth?.subject } })
          next(error)
        })
    },
  ],
  [
    'requireBearerAuth of the official SDK 1.x',
    async (requiredScopes) =>
      requireBearerAuth1({
        verifier: {
          verifyAccessToken: (text) =>
            verified(text).catch((): never => {
              throw new InvalidTokenError('It is not valid')
            }),
        },
        requiredScopes,
        expectedResource: new URL(resource),
      }),
  ],
  [
    'requireBearerAuth of the official SDK 2.x',
    async (requiredScopes) => {
      const admit = requireBearerAuth2({
        verifier: {
          verifyAccessToken: (text) =>
            verified(text).catch((): never => {
              throw new OAuthError(OAuthErrorCode.InvalidToken, 'It is not valid')
            }),
        },
        requiredScopes,
        expectedResource: new URL(resource),
      })
      return async (request, response, next) => {
        const { authorization = '' } = request.headers
        const admitted = await admit(new Request(resource, { headers: { authorization } }))
        if (admitted instanceof Response) {
          response.writeHead(admitted.status, Object.fromEntries(admitted.headers)).end(await admitted.text())
          return
        }
        Object.assign(request, { auth: admitted })
        next()
      }
    },
  ],
]

describe.each(guards)('an MCP server protected by %s', (_, guarding) => {
  async function start(requiredScopes: string[]): Promise<string> {
    const app = express().use(await guarding(requiredScopes))
    app.post('/mcp', express.json(), async (request, response) => {
      const transport = new StreamableHTTPServerTransport({})
      await mcp1().connect(transport as Parameters<ReturnType<typeof mcp1>['connect']>[0])
      await transport.handleRequest(request, response, request.body)
    })
    app.all('/mcp', (_request, response) => void response.status(405).end())
    const server = createServer(app)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`
  }
  const status = async (url: string, authorization?: string) =>
    (await fetch(url, { method: 'POST', headers: authorization === undefined ? {} : { authorization } }))
      .status

  test('accepts tokens of a gateway, and tells its tools who calls', async () => {
    const client = await clients['1.x'](await start(['notes.read']), token)
    const { content } = await client.callTool({ name: 'whoami' })
    expect(content).toEqual([{ type: 'text', text: expect.stringMatching(/^sub_\S+ with \S+: notes\.read/) }])
    await client.close()
  })

  test('refuses those for another server, of another gateway, without a scope, changed or absent', async () => {
    const url = await start(['notes.read'])
    const changed = `${token.slice(0, -6)}${token.slice(-6) === 'AAAAAA' ? 'BBBBBB' : 'AAAAAA'}`
    for (const each of [foreign, forged, changed, 'garbage'])
      expect(await status(url, `Bearer ${each}`)).toBe(401)
    expect(await status(url)).toBe(401)
    expect(await status(await start(['notes.write']), `Bearer ${token}`)).toBe(403)
  })
})
