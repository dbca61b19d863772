import { personAction, protect, publishTools, type UpstreamOwner, upstreamOf } from '@coatcheck/mcp'
import { expressGuard } from '@coatcheck/mcp/express'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import express from 'express'

/** Asks an API as whoever calls it, and shows these members of the answer. Any of its scopes opens it. */
export type Tool = { scopes: string[]; description: string; provider: string; url: string; shows: string[] }

export const githubTools = (api = 'https://api.github.com'): Record<string, Tool> => ({
  whoami: {
    scopes: ['profile.read'],
    description: 'Who you are at GitHub',
    provider: 'github',
    url: `${api}/user`,
    shows: ['login', 'name'],
  },
  list_repositories: {
    scopes: ['repositories.read'],
    description: 'Your repositories at GitHub',
    provider: 'github',
    url: `${api}/user/repos`,
    shows: ['full_name', 'private'],
  },
})

export async function startMcpServer(env: NodeJS.ProcessEnv, tools = githubTools(env.GITHUB_API)) {
  const credential = { id: env.RESOURCE_CLIENT_ID ?? '', secret: env.RESOURCE_CLIENT_SECRET ?? '' }
  const gateway = { issuer: env.COATCHECK_ISSUER ?? 'http://localhost:8080', credential }
  const resource = env.MCP_URL ?? 'http://localhost:8081/mcp'
  const { withUpstream } = upstreamOf(gateway)
  async function call({ provider, url, shows }: Tool, authInfo: UpstreamOwner) {
    const response = await withUpstream(authInfo, provider, (token) => fetch(url, bearing(token.accessToken)))
    if (!response.ok) throw new Error(`${provider} answered ${response.status}`)
    return { content: [{ type: 'text' as const, text: JSON.stringify(await response.json(), shows) }] }
  }
  function createServer() {
    const server = new McpServer({ name: 'coatcheck-example', version: '1.0.0' })
    for (const [name, tool] of Object.entries(tools))
      server.registerTool(name, { ...tool, ...reads }, ({ authInfo }) => call(tool, authInfo).catch(inWords))
    return server
  }
  const policy = env.TOOL_POLICY === 'gateway' ? 'gateway' : tools
  if (policy === 'gateway') await publishTools({ ...gateway, tools: createServer })
  const app = express().use(expressGuard(protect({ ...gateway, resource, tools: policy })))
  app.post('/mcp', async (request, response) => {
    const transport = new StreamableHTTPServerTransport({})
    await createServer().connect(transport)
    await transport.handleRequest(request, response)
  })
  app.all('/mcp', (_, response) => void response.sendStatus(405))
  return app.listen(Number(env.PORT ?? 8081), env.HOST ?? '127.0.0.1')
}

const bearing = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
const reads = { annotations: { readOnlyHint: true } }
/** Where a person has to act before there is a token, the answer brings the link for it. */
const inWords = (error: unknown) => personAction(error).result
if (import.meta.main) await startMcpServer(process.env).then(() => console.log('Ctrl-C stops it.'))
