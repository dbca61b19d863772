import { registration, type Upstreams, upstreamScopes } from './upstreams.ts'

export type ResourceCredential = { clientId: string; clientSecret: string }

type Administration = { issuer: string; adminToken: string; mcpUrl: string; upstreams: Upstreams }

/** What an administrator does once: three providers, one MCP server, and a credential for it. */
export async function administer(administration: Administration): Promise<ResourceCredential> {
  const { github, google, atlassian } = administration.upstreams
  const put = (path: string, body: unknown) => callAdminApi(administration, 'PUT', path, body)
  const registered = {
    client_id: registration.clientId,
    client_secret: registration.clientSecret,
    admit: 'anyone',
  }

  await put('/providers/github', {
    ...registered,
    descriptor: 'github',
    variables: { web: github.web, api: github.api },
  })
  await put('/providers/google', {
    ...registered,
    descriptor: 'google',
    variables: { issuer: google.issuer },
  })
  await put('/providers/atlassian', {
    ...registered,
    descriptor: 'atlassian',
    variables: { auth: atlassian.auth, api: atlassian.api },
  })

  await put('/resources/demo', {
    resource: administration.mcpUrl,
    name: 'Demo MCP server',
    scopes: {
      'profile.read': 'See who you are',
      'repositories.read': 'List your repositories',
      'events.read': 'List what is in your calendar',
      'sites.read': 'List your sites',
    },
    default_scopes: ['profile.read', 'repositories.read', 'events.read', 'sites.read'],
    providers: [
      { provider: 'github', scopes: upstreamScopes.github, required: true },
      { provider: 'google', scopes: upstreamScopes.google, required: false, for: ['events.read'] },
      { provider: 'atlassian', scopes: upstreamScopes.atlassian, required: false, for: ['sites.read'] },
    ],
  })
  const credential = await callAdminApi(administration, 'POST', '/resources/demo/credentials', {})
  return { clientId: String(credential.client_id), clientSecret: String(credential.client_secret) }
}

async function callAdminApi(
  { issuer, adminToken }: Administration,
  method: 'PUT' | 'POST',
  path: string,
  body: unknown,
): Promise<Record<string, unknown>> {
  const response = await fetch(`${issuer}/admin/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const answer = await response.text()
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${answer}`)
  return JSON.parse(answer) as Record<string, unknown>
}
