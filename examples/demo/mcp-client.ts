import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { decodeJwt } from 'jose'
import { createOAuthMemory } from './oauth-memory.ts'

export type ToolAnswer = { text: string; isError: boolean }

export type McpClient = {
  /** Connects; answers where to send the person first, if they have to allow it. */
  connect(): Promise<URL | undefined>
  /** Goes on with what the authorization server sent the person back with. */
  finish(callback: URL): Promise<void>
  tools(): Promise<string[]>
  /** Calls a tool without arguments; answers where to send the person, if they have to allow it again. */
  call(tool: string): Promise<ToolAnswer | URL>
  /** What its access token says. Clients have no use for it, but people are curious. */
  claims(): Record<string, unknown>
  close(): Promise<void>
}

export type McpClientOptions = { mcpUrl: string; redirectUrl: string; grantTypes?: string[] | undefined }

/** An MCP client as the official SDK makes it: it finds Coatcheck, registers itself, and keeps its tokens in memory. */
export function createMcpClient({ mcpUrl, redirectUrl, grantTypes }: McpClientOptions): McpClient {
  const memory = createOAuthMemory(redirectUrl, grantTypes)
  const client = () => new Client({ name: 'coatcheck-demo', version: '1.0.0' })
  const transport = () =>
    new StreamableHTTPClientTransport(new URL(mcpUrl), { authProvider: memory.provider })
  let current = { client: client(), transport: transport() }

  /** Does what needs a token, and answers where to get one if there is none. */
  async function authorized<Result>(work: () => Promise<Result>): Promise<Result | URL> {
    try {
      return await work()
    } catch (error) {
      const url = memory.authorizationUrl()
      if (error instanceof UnauthorizedError && url) return url
      throw error
    }
  }

  async function connect(): Promise<URL | undefined> {
    current = { client: client(), transport: transport() }
    return await authorized(async () => {
      // The SDK's own types disagree about what may be undefined.
      await current.client.connect(current.transport as Parameters<Client['connect']>[0])
      return undefined
    })
  }

  return {
    connect,
    async finish({ searchParams }) {
      if (searchParams.get('state') !== memory.state())
        throw new Error('This is not the answer to what was asked.')
      const code = searchParams.get('code')
      if (code === null) throw new Error(`Coatcheck answered ${searchParams.get('error')}.`)
      await current.transport.finishAuth(code)
      if (await connect()) throw new Error('The MCP server refuses the token it asked for.')
    },
    tools: async () => (await current.client.listTools()).tools.map(({ name }) => name),
    call: (tool) =>
      authorized(async () => {
        const { content, isError } = await current.client.callTool({ name: tool })
        const parts = content as { text?: string }[]
        return { text: parts.map(({ text }) => text ?? '').join('\n'), isError: isError === true }
      }),
    claims: () => decodeJwt(memory.accessToken()),
    close: () => current.client.close(),
  }
}
