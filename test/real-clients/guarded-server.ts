import { onTestFinished } from 'vitest'
import { runMcpServer } from '../../examples/demo/mcp-server.ts'
import { freePorts } from '../../examples/demo/ports.ts'
import { type Browser, createBrowser } from '../support/browser.ts'
import { createTestClock, startTestGateway, type TestGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstreams.ts'
import { createCredential } from '../support/world.ts'

/** The example MCP server behind a gateway, for clients that know nothing but its address. */
export type GuardedServer = {
  gateway: TestGateway
  mcpUrl: string
  /** Signs Ada in and allows everything that is asked; answers the address her client is called back at. */
  approve(authorizationUrl: string, redirectUri: string, browser?: Browser): Promise<URL>
  /** Both start again, and no access token from before is good any more; refresh tokens are. */
  restart(): Promise<void>
  /** An administrator deletes every client that registered itself. */
  forgetClients(): Promise<void>
  /** The clients that are registered now. */
  clients(): Promise<{ client_id: string; client_name?: string }[]>
}

export async function startGuardedServer(): Promise<GuardedServer> {
  const clock = createTestClock()
  const gateway = await startTestGateway({ clock })
  onTestFinished(gateway.stop)
  const github = await startUpstream('github', { issuer: gateway.issuer, clock: clock.now })
  onTestFinished(github.stop)
  github.approveAs('ada')
  const { api } = github.definition.variables as { api: string }
  const [port = 0] = await freePorts(1)
  const mcpUrl = `http://localhost:${port}/mcp`
  await gateway.admin('PUT', '/providers/github', github.definition)
  await gateway.admin('PUT', '/resources/example', {
    resource: mcpUrl,
    name: 'Example',
    scopes: { 'profile.read': 'See who you are', 'repositories.read': 'List your repositories' },
    default_scopes: ['profile.read'],
    providers: [{ provider: 'github', scopes: [github.scope], required: true }],
  })
  const credential = await createCredential(gateway, 'example')
  const start = () =>
    runMcpServer({
      COATCHECK_ISSUER: gateway.issuer,
      MCP_URL: mcpUrl,
      PORT: String(port),
      RESOURCE_CLIENT_ID: credential.id,
      RESOURCE_CLIENT_SECRET: credential.secret,
      GITHUB_API: api,
    })
  let mcpServer = await start()
  onTestFinished(() => mcpServer.stop())

  const clients = async () =>
    (await gateway.admin<{ items: { client_id: string; client_name?: string }[] }>('GET', '/clients')).items
  return {
    gateway,
    mcpUrl,
    clients,
    async approve(authorizationUrl, redirectUri, browser = createBrowser({ redirectUris: [redirectUri] })) {
      const stop = await browser.walk(authorizationUrl, ['Allow'])
      if (!stop.left) throw new Error(`no way back to the client from ${stop.status} "${stop.text}"`)
      return new URL(stop.url)
    },
    async restart() {
      await mcpServer.stop()
      await gateway.admin('POST', '/signing-keys/rotate', { emergency: true })
      await gateway.restart()
      mcpServer = await start()
    },
    async forgetClients() {
      for (const { client_id: id } of await clients()) await gateway.admin('DELETE', `/clients/${id}`)
    },
  }
}
