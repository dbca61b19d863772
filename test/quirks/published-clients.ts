/** A client that publishes its metadata document, with what it sends. */
export type PublishedClient = {
  name: string
  /** As it was found at its `client_id` in August and September 2026. */
  document: Record<string, unknown> & { client_id: string; client_name: string }
  /** Where it wants the answer; a loopback port is whatever was free. */
  redirectUri: string
  /** What it must not be answered at: a mistake of its own, or somebody else's attempt. */
  refused: string[]
  /** Parameters of the authorization request beside those every client sends; no `resource` unless it is here. */
  asks: Record<string, string | string[]>
  granted: string
  /** A public client if absent. */
  signs?: 'RS256'
}

const resource = 'https://notes.test/mcp'
const code = { response_types: ['code'] }
const both = { grant_types: ['authorization_code', 'refresh_token'], ...code }
const everything = 'notes.read notes.write'

const openai = {
  client_uri: 'https://chatgpt.com/',
  ...both,
  client_name: 'ChatGPT',
  logo_uri: 'https://persistent.oaistatic.com/sonic/misc/openai-logo.png',
}
const openaiKeys = {
  token_endpoint_auth_methods_supported: ['none', 'private_key_jwt'],
  token_endpoint_auth_signing_alg: 'RS256',
  jwks_uri: 'https://chatgpt.com/oauth/jwks.json',
}
const stableCallback = 'https://chatgpt.com/connector_platform_oauth_redirect'
/** It asks for what it wants of any server, and repeats parameters of its own. */
const chatgptAsks = { resource, scope: 'openid email offline_access profile', ba_param: ['a', 'b'] }

const codex = {
  client_name: 'Codex',
  client_uri: 'https://chatgpt.com/',
  ...both,
  application_type: 'native',
  token_endpoint_auth_method: 'none',
}

export const publishedClients: readonly PublishedClient[] = [
  {
    name: 'Claude, which also says that it knows a grant type not served here',
    document: {
      client_id: 'https://claude.ai/oauth/mcp-oauth-client-metadata',
      client_name: 'Claude',
      client_uri: 'https://claude.ai',
      redirect_uris: ['https://claude.ai/api/mcp/auth_callback'],
      grant_types: [...both.grant_types, 'urn:ietf:params:oauth:grant-type:jwt-bearer'],
      ...code,
      token_endpoint_auth_method: 'none',
    },
    redirectUri: 'https://claude.ai/api/mcp/auth_callback',
    refused: ['https://claude.ai/api/mcp/auth_callback/', 'https://claude.com/api/mcp/auth_callback'],
    asks: { resource, scope: ' offline_access', prompt: 'consent' },
    granted: 'notes.read offline_access',
  },
  {
    name: 'Claude Code, on any port',
    document: {
      client_id: 'https://claude.ai/oauth/claude-code-client-metadata',
      client_name: 'Claude Code',
      client_uri: 'https://claude.ai',
      redirect_uris: ['http://localhost/callback', 'http://127.0.0.1/callback'],
      ...both,
      token_endpoint_auth_method: 'none',
    },
    redirectUri: 'http://localhost:58135/callback',
    refused: ['http://localhost:58135/', 'http://[::1]:58135/callback', 'claude://claude.ai/callback'],
    asks: { resource, scope: `${everything} offline_access` },
    granted: `${everything} offline_access`,
  },
  {
    name: 'Claude Code, by the number of this computer',
    document: {
      client_id: 'https://claude.ai/oauth/claude-code-client-metadata',
      client_name: 'Claude Code',
      client_uri: 'https://claude.ai',
      redirect_uris: ['http://localhost/callback', 'http://127.0.0.1/callback'],
      ...both,
      token_endpoint_auth_method: 'none',
    },
    redirectUri: 'http://127.0.0.1:52163/callback',
    refused: ['http://127.0.0.2:52163/callback', 'https://127.0.0.1:52163/callback'],
    asks: { resource },
    granted: 'notes.read',
  },
  {
    name: 'ChatGPT, which prefers to sign',
    document: {
      client_id: 'https://chatgpt.com/oauth/client.json',
      ...openai,
      redirect_uris: [stableCallback],
      token_endpoint_auth_method: 'private_key_jwt',
      ...openaiKeys,
    },
    redirectUri: stableCallback,
    refused: ['https://chatgpt.com/connector/oauth/x1Yz'],
    asks: chatgptAsks,
    granted: 'notes.read offline_access',
    signs: 'RS256',
  },
  {
    name: 'ChatGPT, which only lists what it can',
    document: {
      client_id: 'https://chatgpt.com/oauth/mcp/client.json',
      ...openai,
      redirect_uris: ['https://chatgpt.com/connector/oauth/mcp'],
      ...openaiKeys,
    },
    redirectUri: 'https://chatgpt.com/connector/oauth/mcp',
    refused: ['https://chatgpt.com/connector/oauth/other'],
    asks: chatgptAsks,
    granted: 'notes.read offline_access',
    signs: 'RS256',
  },
  {
    name: 'ChatGPT with an id for one connection, that says in its query how it authenticates',
    document: {
      client_id: 'https://chatgpt.com/oauth/x1YzDyp26IIu/client.json?token_endpoint_auth_method=none',
      ...openai,
      redirect_uris: ['https://chatgpt.com/connector/oauth/x1YzDyp26IIu'],
      token_endpoint_auth_method: 'none',
    },
    redirectUri: 'https://chatgpt.com/connector/oauth/x1YzDyp26IIu',
    refused: [stableCallback],
    asks: { ...chatgptAsks, resource: '' },
    granted: 'notes.read offline_access',
  },
  {
    name: 'Codex',
    document: {
      client_id: 'https://chatgpt.com/oauth/codex/client.json',
      ...codex,
      redirect_uris: ['http://127.0.0.1/callback', 'http://localhost/callback'],
    },
    redirectUri: 'http://127.0.0.1:40711/callback',
    refused: ['http://127.0.0.1:40711/callback/x1Yz'],
    asks: { resource, scope: 'notes.write' },
    granted: 'notes.write',
  },
  {
    name: 'Codex for one MCP server, without a resource',
    document: {
      client_id: 'https://chatgpt.com/oauth/codex/EDrLtgxAifwZ/client.json',
      ...codex,
      redirect_uris: ['http://127.0.0.1/callback/EDrLtgxAifwZ'],
    },
    redirectUri: 'http://127.0.0.1:49822/callback/EDrLtgxAifwZ',
    refused: ['http://127.0.0.1:49822/callback', 'http://127.0.0.1:49822/callback/EDrLtgxAifwz'],
    asks: {},
    granted: 'notes.read',
  },
  ...['http://127.0.0.1:33418/', 'http://127.0.0.1:49513/', 'https://vscode.dev/redirect'].map(
    (redirectUri): PublishedClient => ({
      name: `VS Code at ${redirectUri}`,
      document: {
        client_name: 'Visual Studio Code',
        logo_uri: 'https://code.visualstudio.com/assets/branding/code-stable.png',
        grant_types: [...both.grant_types, 'urn:ietf:params:oauth:grant-type:device_code'],
        ...code,
        token_endpoint_auth_method: 'none',
        application_type: 'native',
        client_id: 'https://vscode.dev/oauth/client-metadata.json',
        client_uri: 'https://vscode.dev/product',
        redirect_uris: ['http://127.0.0.1:33418/', 'https://vscode.dev/redirect'],
      },
      redirectUri,
      refused: [
        'http://127.0.0.1:33418',
        'http://localhost:33418/',
        'https://insiders.vscode.dev/redirect',
        'vscode://vscode.microsoft-authentication',
      ],
      asks: { resource, scope: 'notes.read', state: 'gXVXo0/iMD8WMolDHKxSTg==' },
      granted: 'notes.read',
    }),
  ),
  {
    name: 'Zed',
    document: {
      client_id: 'https://zed.dev/oauth/client-metadata.json',
      client_name: 'Zed',
      client_uri: 'https://zed.dev',
      redirect_uris: ['http://127.0.0.1/callback'],
      ...both,
      token_endpoint_auth_method: 'none',
      logo_uri: 'https://cdn.zed.dev/images/logo-dark.png',
    },
    redirectUri: 'http://127.0.0.1:38761/callback',
    refused: ['http://localhost:38761/callback'],
    asks: { resource, scope: everything },
    granted: everything,
  },
  {
    name: 'opencode, where it does as its document says',
    document: {
      client_id: 'https://opencode.ai/oauth/opencode/client.json',
      client_name: 'opencode',
      client_uri: 'https://opencode.ai',
      logo_uri: 'https://opencode.ai/web-app-manifest-512x512.png',
      application_type: 'native',
      redirect_uris: ['http://127.0.0.1/callback', 'http://localhost/callback'],
      ...both,
      token_endpoint_auth_method: 'none',
      token_endpoint_auth_methods_supported: ['none'],
    },
    redirectUri: 'http://127.0.0.1:51675/callback',
    // What it used at first, by a mistake of its own.
    refused: ['http://127.0.0.1:19876/mcp/oauth/callback'],
    asks: { resource },
    granted: 'notes.read',
  },
  {
    name: 'goose, which listens on the IPv6 loopback',
    document: {
      client_id: 'https://goose-docs.ai/oauth/client-metadata.json',
      client_name: 'goose',
      logo_uri: 'https://goose-docs.ai/img/logo_light.png',
      redirect_uris: ['http://127.0.0.1/oauth_callback', 'http://[::1]/oauth_callback'],
      ...both,
      token_endpoint_auth_method: 'none',
      code_challenge_methods_supported: ['S256'],
    },
    redirectUri: 'http://[::1]:60123/oauth_callback',
    refused: ['http://localhost:60123/oauth_callback'],
    asks: { resource: 'https://Notes.test:443/mcp', scope: 'notes.read' },
    granted: 'notes.read',
  },
  {
    name: 'a client that names every port it may take',
    document: {
      client_id: 'https://nousresearch.github.io/hermes-agent/docs/oauth/client-metadata.json',
      client_name: 'Hermes Agent',
      redirect_uris: [27890, 27891, 27892, 27893, 27894].flatMap((port) => [
        `http://127.0.0.1:${port}/callback`,
        `http://localhost:${port}/callback`,
      ]),
      ...both,
      token_endpoint_auth_method: 'none',
    },
    redirectUri: 'http://127.0.0.1:27892/callback',
    refused: ['http://[::1]:27892/callback'],
    asks: { resource, scope: 'notes.read', prompt: 'consent' },
    granted: 'notes.read',
  },
]
