import { randomBytes } from 'node:crypto'
import cookie from '@fastify/cookie'
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import { createMcpClient, type McpClient, type ToolAnswer } from './mcp-client.ts'
import { connectedView, failedView, type Html, startView } from './page-views.ts'

export type Page = { url: string; stop(): Promise<void> }

export type PageOptions = { port: number; mcpUrl: string; revokeAtGithub(): void }

/** One browser's MCP client, and what it answered last. */
type Visit = {
  client: McpClient
  /** Absent until it is connected. */
  tools?: string[]
  last?: { tool: string; answer: ToolAnswer }
}

const cookieName = 'coatcheck-demo-client'

/** A page that plays the part of an MCP client, so that the whole way can be clicked through. */
export async function startPage({ port, mcpUrl, revokeAtGithub }: PageOptions): Promise<Page> {
  const url = `http://localhost:${port}`
  const visits = new Map<string, Visit>()
  const visitOf = (request: FastifyRequest) => visits.get(request.cookies[cookieName] ?? '')
  const app = Fastify()
  await app.register(cookie)
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    async (_request: unknown, body: string) => Object.fromEntries(new URLSearchParams(body)),
  )
  app.setErrorHandler(async (error: Error, _request, reply) =>
    send(reply.code(400), failedView(error.message)),
  )

  app.get('/', async (request, reply) => {
    const visit = visitOf(request)
    if (!visit?.tools) return send(reply, startView({ mcpUrl }))
    const { client, tools, last } = visit
    return send(reply, connectedView({ mcpUrl, tools, claims: client.claims(), ...(last && { last }) }))
  })

  app.post('/connect', async (_request, reply) => {
    const client = createMcpClient({ mcpUrl, redirectUrl: `${url}/callback` })
    const authorizationUrl = await client.connect()
    const id = randomBytes(16).toString('base64url')
    visits.set(id, { client })
    reply.setCookie(cookieName, id, { path: '/', httpOnly: true, sameSite: 'lax' })
    return reply.redirect(authorizationUrl?.href ?? '/', 303)
  })

  app.get('/callback', async (request, reply) => {
    const visit = visitOf(request)
    if (!visit) return reply.redirect('/', 303)
    await visit.client.finish(new URL(request.url, url))
    visit.tools = await visit.client.tools()
    return reply.redirect('/', 303)
  })

  app.post<{ Body: { tool?: string } }>('/call', async (request, reply) => {
    const visit = visitOf(request)
    const { tool } = request.body
    if (!visit?.tools || tool === undefined) return reply.redirect('/', 303)
    const answer = await visit.client.call(tool)
    if (answer instanceof URL) return reply.redirect(answer.href, 303)
    visit.last = { tool, answer }
    return reply.redirect('/', 303)
  })

  app.post('/revoke', async (request, reply) => {
    revokeAtGithub()
    const visit = visitOf(request)
    if (visit)
      visit.last = {
        tool: 'At GitHub',
        answer: { text: 'Access taken back. Now call whoami.', isError: false },
      }
    return reply.redirect('/', 303)
  })

  app.post('/forget', async (request, reply) => {
    visits.delete(request.cookies[cookieName] ?? '')
    return reply.clearCookie(cookieName, { path: '/' }).redirect('/', 303)
  })

  await app.listen({ host: '127.0.0.1', port })
  return {
    url,
    async stop() {
      await Promise.all([...visits.values()].map(({ client }) => client.close()))
      await app.close()
    },
  }
}

function send(reply: FastifyReply, page: Html): FastifyReply {
  return reply
    .headers({ 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' })
    .send(String(page))
}
