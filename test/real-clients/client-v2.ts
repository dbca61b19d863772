import { randomBytes } from 'node:crypto'
import {
  Client,
  type OAuthClientInformationMixed,
  type OAuthClientProvider,
  type OAuthDiscoveryState,
  type OAuthTokens,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from '@modelcontextprotocol/client'
import type { McpClientOptions } from '../../examples/demo/mcp-client.ts'

const usualGrants = ['authorization_code', 'refresh_token']

/** A client as the second generation of the official SDK makes it, with what it stores in plain sight. */
export function createClientV2({ mcpUrl, redirectUrl, grantTypes = usualGrants }: McpClientOptions) {
  const stored: {
    url?: URL
    state?: string
    verifier?: string
    client?: OAuthClientInformationMixed | undefined
    tokens?: OAuthTokens | undefined
    discovery?: OAuthDiscoveryState | undefined
  } = {}
  const provider: OAuthClientProvider = {
    redirectUrl,
    clientMetadata: {
      client_name: 'Second generation',
      redirect_uris: [redirectUrl],
      grant_types: grantTypes,
      token_endpoint_auth_method: 'none',
    },
    state: () => {
      stored.state = randomBytes(16).toString('base64url')
      return stored.state
    },
    redirectToAuthorization(url) {
      stored.url = url
    },
    saveCodeVerifier(verifier) {
      stored.verifier = verifier
    },
    codeVerifier: () => stored.verifier ?? '',
    clientInformation: () => stored.client,
    saveClientInformation(client) {
      stored.client = client
    },
    tokens: () => stored.tokens,
    saveTokens(tokens) {
      stored.tokens = tokens
    },
    // It compares the issuer it set out to with the one that answers (SEP-2352).
    discoveryState: () => stored.discovery,
    saveDiscoveryState(discovery) {
      stored.discovery = discovery
    },
    invalidateCredentials(what) {
      if (what === 'all' || what === 'client') stored.client = undefined
      if (what === 'all' || what === 'tokens') stored.tokens = undefined
      if (what === 'all' || what === 'discovery') stored.discovery = undefined
    },
  }
  let transport: StreamableHTTPClientTransport
  let client: Client

  async function authorized<Result>(work: () => Promise<Result>): Promise<Result | URL> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof UnauthorizedError && stored.url) return stored.url
      throw error
    }
  }
  const connect = async () => {
    client = new Client({ name: 'second-generation', version: '1.0.0' })
    transport = new StreamableHTTPClientTransport(new URL(mcpUrl), { authProvider: provider })
    return await authorized(async () => {
      await client.connect(transport)
      return undefined
    })
  }
  return {
    connect,
    async finish(callback: URL): Promise<void> {
      // The whole answer: it compares the `iss` in it (RFC 9207).
      await transport.finishAuth(callback.searchParams)
      if (await connect()) throw new Error('The MCP server refuses the token it asked for.')
    },
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: (tool: string) =>
      authorized(async () => {
        const { content, isError } = await client.callTool({ name: tool })
        const parts = content as { text?: string }[]
        return { text: parts.map(({ text }) => text ?? '').join('\n'), isError: isError === true }
      }),
    close: () => client.close(),
  }
}
