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
import { z as zod } from 'zod'
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

/** Tools beside `whoami`, by their names; each is told of when it is run. */
export type MoreTools = { readonly names: readonly string[]; ran(tool: string): void }
const noMore: MoreTools = { names: [], ran() {} }

const done = (tool: string, { ran }: MoreTools) => {
  ran(tool)
  return { content: [{ type: 'text' as const, text: `did ${tool}` }] }
}

const described = <Schema>(name: string, inputSchema: Schema) => ({
  description: `Does ${name}`,
  inputSchema,
  annotations: { readOnlyHint: name.startsWith('read') },
})

/** An MCP server of the official SDK 1.x. */
export function mcp1(more: MoreTools = noMore) {
  const server = new McpServer1({ name: 'notes', version: '1.0.0' })
  server.registerTool('whoami', {}, ({ authInfo }) => whoami(authInfo))
  for (const name of more.names) {
    const inputSchema = zod.object({ folder: zod.string().optional() }).loose()
    server.registerTool(name, described(name, inputSchema), () => done(name, more))
  }
  return server
}

/** The same of 2.x. */
export function mcp2(more: MoreTools = noMore) {
  const server = new McpServer2({ name: 'notes', version: '1.0.0' })
  server.registerTool('whoami', {}, ({ http }) => whoami(http?.authInfo))
  for (const name of more.names) {
    const inputSchema = zod.object({ folder: zod.string().optional() }).loose()
    server.registerTool(name, described(name, inputSchema), () => done(name, more))
  }
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
  'Express, SDK 1.x, stateless'(guard: Guard, more: MoreTools) {
    const app = express()
    app.use(expressGuard(guard))
    app.post('/mcp', express.json(), async (request, response) => {
      const transport = new StreamableHTTPServerTransport({})
      await mcp1(more).connect(transport as Connectable)
      await transport.handleRequest(request, response, request.body)
    })
    app.all('/mcp', (_request, response) => void response.status(405).end())
    return createServer(app)
  },
  'Express, SDK 1.x, stateful, mounted'(guard: Guard, more: MoreTools) {
    const sessionOf = sessions(async () => {
      const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: randomUUID })
      await mcp1(more).connect(transport as Connectable)
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
  'Fastify, SDK 1.x, stateless'(guard: Guard, more: MoreTools) {
    const app = Fastify()
    app.register(fastifyGuard(guard))
    app.post('/mcp', async (request, reply) => {
      const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
      await mcp1(more).connect(transport as Connectable)
      reply.hijack()
      await transport.handleRequest(request.raw, reply.raw, request.body)
    })
    return app
  },
  'Fastify, SDK 2.x, stateful, in a scope'(guard: Guard, more: MoreTools) {
    const sessionOf = sessions(async () => {
      const transport = new NodeStreamableHTTPServerTransport({ sessionIdGenerator: randomUUID })
      await mcp2(more).connect(transport)
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
  'Hono, SDK 2.x'(guard: Guard, more: MoreTools) {
    const handler = createMcpHandler(() => mcp2(more))
    const app = new Hono<{ Variables: { auth: AuthInfo } }>()
    app.use(honoGuard(guard))
    app.all('/mcp', (c) => handler.fetch(c.req.raw, { authInfo: c.get('auth') }))
    return app.fetch
  },
  'a Web Request, SDK 2.x'(guard: Guard, more: MoreTools) {
    const handler = createMcpHandler(() => mcp2(more))
    return (request: Request) =>
      guard.handle(request, (admitted, by) => handler.fetch(admitted, by), { address: '127.0.0.1' })
  },
  'a Web Request, SDK 1.x'(guard: Guard, more: MoreTools) {
    return (request: Request) =>
      guard.handle(request, async (admitted, by) => {
        const transport = new WebStandardStreamableHTTPServerTransport({})
        await mcp1(more).connect(transport as Connectable)
        const its: object = by
        return await transport.handleRequest(admitted, its)
      })
  },
}

export type Kind = keyof typeof builders
export const kinds = Object.keys(builders) as Kind[]

/** Starts one at a port of this machine, which clients may know under another name. */
export async function startServer(kind: Kind, guard: Guard, port = 0, more: MoreTools = noMore) {
  const built = builders[kind](guard, more)
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
