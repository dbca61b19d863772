/** What a client really sends: its registration, then the parts of its requests in which clients differ. */
export type KnownClient = {
  name: string
  registration: Record<string, unknown>
  /** The redirect URIs that it gets, where those are fewer. */
  registered?: string[]
  /** Where it wants the answer; a loopback port is whatever was free. */
  redirectUri: string
  /** Parameters of the authorization request beside those every client sends; no `resource` unless it is here. */
  asks: Record<string, string>
  /** What it is granted in the end. */
  granted: string
  refresh?: Record<string, string>
}

const resource = 'https://notes.test/mcp'
const both = ['authorization_code', 'refresh_token']
const browserless = { grant_types: both, response_types: ['code'], token_endpoint_auth_method: 'none' }
const everything = 'notes.read notes.write offline_access'

/** By what was seen of them on the wire, and reported by others, in 2025 and 2026. */
export const knownClients: readonly KnownClient[] = [
  {
    name: 'Claude, an old build',
    registration: {
      client_name: 'Claude',
      redirect_uris: ['https://claude.ai/api/mcp/auth_callback', 'https://claude.com/api/mcp/auth_callback'],
      ...browserless,
      scope: 'claudeai',
    },
    redirectUri: 'https://claude.ai/api/mcp/auth_callback',
    asks: { resource, scope: 'claudeai' },
    granted: 'notes.read',
  },
  {
    name: 'Claude Code',
    registration: {
      client_name: 'Claude Code (coatcheck)',
      redirect_uris: ['http://localhost:52127/callback'],
      ...browserless,
    },
    redirectUri: 'http://localhost:61009/callback',
    asks: { resource, scope: 'notes.read offline_access' },
    granted: 'notes.read offline_access',
    refresh: { resource },
  },
  {
    name: 'ChatGPT',
    registration: {
      client_name: 'ChatGPT',
      redirect_uris: ['https://chatgpt.com/connector_platform_oauth_redirect'],
      ...browserless,
    },
    redirectUri: 'https://chatgpt.com/connector_platform_oauth_redirect',
    asks: { resource, scope: 'openid email offline_access profile' },
    granted: 'notes.read offline_access',
  },
  {
    name: 'Codex, without a resource',
    registration: {
      client_name: 'Codex',
      redirect_uris: ['http://127.0.0.1:1455/callback/x1Yz'],
      ...browserless,
      application_type: 'native',
    },
    redirectUri: 'http://127.0.0.1:40711/callback/x1Yz',
    asks: {},
    granted: 'notes.read',
  },
  {
    name: 'VS Code on a random port',
    registration: {
      client_name: 'Visual Studio Code',
      client_uri: 'https://code.visualstudio.com',
      redirect_uris: [
        'https://insiders.vscode.dev/redirect',
        'https://vscode.dev/redirect',
        'http://127.0.0.1/',
        'http://127.0.0.1:33418/',
      ],
      ...browserless,
      grant_types: [...both, 'urn:ietf:params:oauth:grant-type:device_code'],
      application_type: 'native',
    },
    redirectUri: 'http://127.0.0.1:49513/',
    asks: { resource, scope: 'notes.read' },
    granted: 'notes.read',
    refresh: { scope: 'notes.read', resource },
  },
  {
    name: 'Cursor with its three addresses',
    registration: {
      client_name: 'Cursor',
      redirect_uris: [
        'cursor://anysphere.cursor-mcp/oauth/callback',
        'https://www.cursor.com/agents/mcp/oauth/callback',
        'http://localhost:8787/callback',
      ],
      ...browserless,
    },
    redirectUri: 'cursor://anysphere.cursor-mcp/oauth/callback',
    asks: { resource },
    granted: 'notes.read',
  },
  {
    name: 'Cursor where it listens on this computer',
    registration: {
      client_name: 'Cursor',
      redirect_uris: [
        'cursor://anysphere.cursor-mcp/oauth/callback',
        'https://www.cursor.com/agents/mcp/oauth/callback',
        'http://localhost:8787/callback',
      ],
      ...browserless,
    },
    redirectUri: 'http://localhost:8787/callback',
    asks: { resource, scope: 'notes.read' },
    granted: 'notes.read',
    refresh: { resource },
  },
  {
    name: 'Cursor, an old one',
    registration: {
      client_name: 'Cursor',
      redirect_uris: ['cursor://anysphere.cursor-mcp/oauth/user-notes/callback'],
      ...browserless,
    },
    redirectUri: 'cursor://anysphere.cursor-mcp/oauth/user-notes/callback',
    asks: { resource },
    granted: 'notes.read',
  },
  {
    name: 'an editor made from another, whose own scheme is not known here',
    registration: {
      client_name: 'Some Editor',
      redirect_uris: [
        'some-editor://anysphere.cursor-mcp/oauth/callback',
        'https://some-editor.test/agents/mcp/oauth/callback',
        'http://localhost:8787/callback',
      ],
      ...browserless,
    },
    registered: ['https://some-editor.test/agents/mcp/oauth/callback', 'http://localhost:8787/callback'],
    redirectUri: 'http://localhost:8787/callback',
    asks: { resource },
    granted: 'notes.read',
  },
  {
    name: 'VS Code in a browser, which registers scopes of an OpenID Provider',
    registration: {
      client_name: 'Visual Studio Code',
      client_uri: 'https://code.visualstudio.com',
      grant_types: both,
      response_types: ['code'],
      redirect_uris: [
        'https://insiders.vscode.dev/redirect',
        'https://vscode.dev/redirect',
        'http://127.0.0.1/',
        'http://127.0.0.1:33418/',
      ],
      scope: 'openid',
      token_endpoint_auth_method: 'none',
      application_type: 'native',
    },
    redirectUri: 'https://insiders.vscode.dev/redirect',
    asks: { resource, scope: 'openid' },
    granted: 'notes.read',
    refresh: { scope: 'notes.read' },
  },
  {
    name: 'Windsurf',
    registration: {
      client_name: 'Windsurf',
      redirect_uris: ['windsurf://codeium.windsurf-mcp/oauth/callback'],
      ...browserless,
    },
    redirectUri: 'windsurf://codeium.windsurf-mcp/oauth/callback',
    asks: { resource },
    granted: 'notes.read',
  },
  {
    name: 'JetBrains',
    registration: {
      client_name: 'JetBrains AI Assistant',
      redirect_uris: ['jetbrains://gateway/mcp/oauth/callback'],
      ...browserless,
    },
    redirectUri: 'jetbrains://gateway/mcp/oauth/callback',
    asks: { resource },
    granted: 'notes.read',
  },
  {
    name: 'Goose',
    registration: {
      client_name: 'goose',
      redirect_uris: ['http://127.0.0.1:51234/oauth_callback'],
      ...browserless,
      scope: 'notes.read notes.write',
    },
    redirectUri: 'http://127.0.0.1:51234/oauth_callback',
    asks: { resource, scope: 'notes.read notes.write' },
    granted: 'notes.read notes.write',
    refresh: { resource },
  },
  {
    name: 'Antigravity',
    registration: {
      client_name: 'Antigravity',
      redirect_uris: ['https://antigravity.google/oauth-callback'],
      ...browserless,
    },
    redirectUri: 'https://antigravity.google/oauth-callback',
    asks: { resource, scope: 'notes.read' },
    granted: 'notes.read',
  },
  {
    name: 'Zed',
    registration: { client_name: 'Zed', redirect_uris: ['http://127.0.0.1/callback'], ...browserless },
    redirectUri: 'http://127.0.0.1:38761/callback',
    asks: { resource, scope: 'notes.read notes.write' },
    granted: 'notes.read notes.write',
  },
  {
    name: 'opencode',
    registration: {
      client_name: 'OpenCode',
      client_uri: 'https://opencode.ai',
      redirect_uris: ['http://127.0.0.1:19876/mcp/oauth/callback'],
      ...browserless,
    },
    redirectUri: 'http://127.0.0.1:19876/mcp/oauth/callback',
    asks: { resource },
    granted: 'notes.read',
  },
  {
    name: 'Gemini CLI',
    registration: {
      client_name: 'Gemini CLI MCP Client',
      redirect_uris: ['http://localhost:7777/oauth/callback'],
      ...browserless,
      scope: '',
    },
    redirectUri: 'http://localhost:7777/oauth/callback',
    asks: { resource: 'https://NOTES.test/mcp' },
    granted: 'notes.read',
  },
  {
    name: 'mcp-remote, which asks for the whole catalogue',
    registration: {
      client_name: 'MCP CLI Proxy',
      client_uri: 'https://github.com/geelen/mcp-remote',
      software_id: '2e6dc280-f3c3-4e01-99a7-8181dbd1d23d',
      software_version: '0.15.1',
      redirect_uris: ['http://localhost:19541/oauth/callback'],
      ...browserless,
      scope: `${everything} openid email profile`,
    },
    redirectUri: 'http://localhost:19541/oauth/callback',
    asks: { resource, scope: `${everything} openid email profile` },
    granted: everything,
    refresh: { scope: everything, resource },
  },
  {
    name: 'MCP Inspector',
    registration: {
      client_name: 'MCP Inspector',
      client_uri: 'https://github.com/modelcontextprotocol/inspector',
      redirect_uris: ['http://127.0.0.1:6276/oauth/callback'],
      ...browserless,
      scope: '',
      application_type: 'native',
    },
    redirectUri: 'http://127.0.0.1:6276/oauth/callback',
    asks: {
      resource,
      prompt: 'consent',
      audience: resource,
      access_type: 'offline',
      nonce: 'n',
      ui_locales: 'en',
    },
    granted: 'notes.read',
  },
  {
    name: 'the official SDK 1.x, which says nothing of how it authenticates',
    registration: {
      client_name: 'An application',
      redirect_uris: ['http://localhost:8090/callback'],
      grant_types: both,
      response_types: ['code'],
      scope: 'notes.read',
    },
    redirectUri: 'http://localhost:8090/callback',
    asks: { resource, scope: 'notes.read' },
    granted: 'notes.read',
    refresh: { resource },
  },
  {
    name: 'the official SDK 2.x',
    registration: {
      client_name: 'An application',
      redirect_uris: ['http://localhost:8090/callback'],
      ...browserless,
      application_type: 'native',
    },
    redirectUri: 'http://localhost:8090/callback',
    asks: { resource, scope: 'notes.read offline_access', prompt: 'consent' },
    granted: 'notes.read offline_access',
    refresh: { resource },
  },
]
