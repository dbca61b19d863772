import { randomUUID } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { NodeStreamableHTTPServerTransport } from '@modelcontextprotocol/node'
import { McpServer as McpServer1 } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import { createMcpHandler, McpServer as McpServer2 } from '@modelcontextprotocol/server'
import express from 'express'
import Fastify from 'fastify'
import { Hono } from 'hono'
import { expressGuard } from '../../src/adapters/express.ts'
import { fastifyGuard } from '../../src/adapters/fastify.ts'
import { honoGuard } from '../../src/adapters/hono.ts'
import type { AuthInfo, Guard } from '../../src/index.ts'

/** The text `whoami` answers: what the tool was told of its caller. */
function whoami(authInfo: unknown) {
  const { clientId, scopes, extra } = authInfo as AuthInfo
  return {
    content: [{ type: 'text' as const, text: `${extra.subject} with ${clientId}: ${scopes.join(' ')}` }],
  }
}

/** An MCP server of the official SDK 1.x. */
function mcp1() {
  const server = new McpServer1({ name: 'notes', version: '1.0.0' })
  server.registerTool('whoami', {}, ({ authInfo }) => whoami(authInfo))
  return server
}

/** The same of 2.x. */
function mcp2() {
  const server = new McpServer2({ name: 'notes', version: '1.0.0' })
  server.registerTool('whoami', {}, ({ http }) => whoami(http?.authInfo))
  return server
}

/** One transport per session, made by its first request; `make` connects it to a server. */
function sessions<Transport extends { sessionId?: string | undefined }>(make: () => Promise<Transport>) {
  const known = new Map<string, Transport>()
  return async (id: unknown) => {
    const transport = (typeof id === 'string' && known.get(id)) || (await make())
    return { transport, keep: () => transport.sessionId && known.set(transport.sessionId, transport) }
  }
}

// The SDK's own types disagree about what may be undefined.
type Connectable = Parameters<McpServer1['connect']>[0]

/** What an MCP server may be made of. Each is protected by the guard as an author would do it. */
export const builders = {
  'Express, SDK 1.x, stateless'(guard: Guard) {
    const app = express()
    app.use(expressGuard(guard))
    app.post('/mcp', express.json(), async (request, response) => {
      const transport = new StreamableHTTPServerTransport({})
      await mcp1().connect(transport as Connectable)
      await transport.handleRequest(request, response, request.body)
    })
    app.all('/mcp', (_request, response) => void response.status(405).end())
    return createServer(app)
  },
  'Express, SDK 1.x, stateful, mounted'(guard: Guard) {
    const sessionOf = sessions(async () => {
      const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: randomUUID })
      await mcp1().connect(transport as Connectable)
      return transport
    })
    const app = express()
    app.use(['/.well-known', '/mcp'], expressGuard(guard))
    app.all('/mcp', async (request, response) => {
      const { transport, keep } = await sessionOf(request.headers['mcp-session-id'])
      await transport.handleRequest(request, response)
      keep()
    })
    app.get('/health', (_request, response) => void response.send('well'))
    return createServer(app)
  },
  'Fastify, SDK 1.x, stateless'(guard: Guard) {
    const app = Fastify()
    app.register(fastifyGuard(guard))
    app.post('/mcp', async (request, reply) => {
      const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
      await mcp1().connect(transport as Connectable)
      reply.hijack()
      await transport.handleRequest(request.raw, reply.raw, request.body)
    })
    return app
  },
  'Fastify, SDK 2.x, stateful, in a scope'(guard: Guard) {
    const sessionOf = sessions(async () => {
      const transport = new NodeStreamableHTTPServerTransport({ sessionIdGenerator: randomUUID })
      await mcp2().connect(transport)
      return transport
    })
    const app = Fastify()
    app.get('/health', async () => 'well')
    app.register(async (scope) => {
      scope.register(fastifyGuard(guard))
      scope.all('/mcp', async (request, reply) => {
        const { transport, keep } = await sessionOf(request.headers['mcp-session-id'])
        reply.hijack()
        await transport.handleRequest(request.raw, reply.raw, request.body)
        keep()
      })
    })
    return app
  },
  'Hono, SDK 2.x'(guard: Guard) {
    const handler = createMcpHandler(mcp2)
    const app = new Hono<{ Variables: { auth: AuthInfo } }>()
    app.use(honoGuard(guard))
    app.all('/mcp', (c) => handler.fetch(c.req.raw, { authInfo: c.get('auth') }))
    return app.fetch
  },
  'a Web Request, SDK 2.x'(guard: Guard) {
    const handler = createMcpHandler(mcp2)
    return async (request: Request) => {
      const checked = await guard.check(request)
      return checked instanceof Response ? checked : await handler.fetch(request, checked)
    }
  },
  'a Web Request, SDK 1.x'(guard: Guard) {
    return async (request: Request) => {
      const checked = await guard.check(request)
      if (checked instanceof Response) return checked
      const transport = new WebStandardStreamableHTTPServerTransport({})
      await mcp1().connect(transport as Connectable)
      const admitted: object = checked
      return await transport.handleRequest(request, admitted)
    }
  },
}

export type Kind = keyof typeof builders
export const kinds = Object.keys(builders) as Kind[]

/** Starts one at a port of this machine, which clients may know under another name. */
export async function startServer(kind: Kind, guard: Guard, port = 0) {
  const built = builders[kind](guard)
  const server = await listen(built, port)
  const { port: taken } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${taken}/mcp`,
    origin: `http://127.0.0.1:${taken}`,
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function listen(built: ReturnType<(typeof builders)[Kind]>, port: number): Promise<Server> {
  if ('listen' in built && 'server' in built) {
    await built.listen({ host: '127.0.0.1', port })
    return built.server
  }
  if (typeof built === 'function') {
    // It would put a Response of its own into the global scope, which other tests share.
    const options = { fetch: built, hostname: '127.0.0.1', port, overrideGlobalObjects: false }
    return await new Promise((resolve) => {
      const server = serve(options, () => resolve(server as Server))
    })
  }
  await new Promise<void>((resolve) => built.listen(port, '127.0.0.1', resolve))
  return built
}
