import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import Fastify, { type FastifyRequest } from 'fastify'
import { type Caller, createAuthentication } from './access-token.ts'
import { describeResource } from './protected-resource.ts'
import type { Settings } from './settings.ts'
import { createTools, toolScopes } from './tools.ts'

export type RunningMcpServer = { url: string; stop(): Promise<void> }

/** An MCP server over streamable HTTP, with Coatcheck in front of its tools. */
export async function startMcpServer(settings: Settings): Promise<RunningMcpServer> {
  const { metadata, metadataPaths, challenge } = describeResource(settings)
  const authenticate = createAuthentication(settings)
  const callers = new WeakMap<FastifyRequest, Caller>()
  const app = Fastify()

  for (const path of metadataPaths) app.get(path, async () => metadata)

  app.route({
    method: ['GET', 'POST', 'DELETE'],
    url: new URL(settings.url).pathname,
    onRequest: async (request, reply) => {
      const header = request.headers.authorization
      const caller = await authenticate(header)
      if (caller) {
        callers.set(request, caller)
        return
      }
      // RFC 6750 section 3.1: who sent no token made no mistake.
      const error = header === undefined ? undefined : 'invalid_token'
      return reply.code(401).header('www-authenticate', challenge({ error })).send()
    },
    handler: async (request, reply) => {
      const caller = callers.get(request)
      if (!caller) throw new Error('onRequest lets nobody through without a token')
      // It keeps no sessions, so there is nothing to listen to and nothing to end.
      if (request.method !== 'POST') return reply.code(405).header('allow', 'POST').send()

      const missing = missingScopes(request.body, caller)
      if (missing.length > 0) {
        const header = challenge({ error: 'insufficient_scope', scope: [...caller.scopes, ...missing] })
        return reply.code(403).header('www-authenticate', header).send()
      }
      const tools = createTools(settings, caller)
      const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
      reply.hijack()
      reply.raw.once('close', () => void tools.close())
      await tools.connect(transport)
      await transport.handleRequest(request.raw, reply.raw, request.body)
    },
  })

  await app.listen({ host: settings.host, port: settings.port })
  return { url: settings.url, stop: () => app.close() }
}

/** What the called tools need beyond what the person allowed this client. */
function missingScopes(body: unknown, { scopes }: Caller): string[] {
  const messages = [body].flat() as ({ method?: string; params?: { name?: string } } | null | undefined)[]
  return messages
    .filter((message) => message?.method === 'tools/call')
    .flatMap((message) => toolScopes.get(message?.params?.name ?? '') ?? [])
    .filter((scope) => !scopes.includes(scope))
}
