import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../../src/config/config.ts'
import { configuredSecrets } from '../../src/config/generated-secrets.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { startGateway } from '../../src/main.ts'
import { administer } from './administer.ts'
import { demoTools, runMcpServer } from './mcp-server.ts'
import { startPage } from './page.ts'
import { freePorts } from './ports.ts'
import { startUpstreams, type Upstreams } from './upstreams.ts'

/** Does one thing of many, and may tell about it. */
export type Step = <Result>(what: string, work: () => Promise<Result>) => Promise<Result>

export type Demo = {
  issuer: string
  mcpUrl: string
  /** The page to click through. */
  pageUrl: string
  upstreams: Upstreams
  /** The gateway's folder, its administrator's token included. */
  folder: string
  stop(): Promise<void>
}

/**
 * Starts everything in a folder of its own that goes with it: the providers, a real gateway, an MCP server and a page
 * that is its client. The ports are the first ones from `firstPort` on; without one, or where somebody has them
 * already, any others.
 */
export async function startDemo(step: Step, firstPort?: number): Promise<Demo> {
  const cleanups: (() => unknown)[] = []
  const stop = async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  }
  try {
    const [pagePort = 0, gatewayPort = 0, mcpPort = 0, ...others] = await freePorts(8, firstPort)
    const [github = 0, githubApi = 0, google = 0, atlassian = 0, atlassianApi = 0] = others
    const issuer = `http://localhost:${gatewayPort}`
    const mcpUrl = `http://localhost:${mcpPort}/mcp`

    const upstreams = await step('GitHub, Google and Atlassian stand in', () =>
      startUpstreams(issuer, { github, githubApi, google, atlassian, atlassianApi }),
    )
    cleanups.push(upstreams.stop)

    const folder = mkdtempSync(join(tmpdir(), 'coatcheck-demo-'))
    cleanups.push(() => rmSync(folder, { recursive: true, force: true }))
    const config = loadConfig(
      {
        COATCHECK_ISSUER: issuer,
        COATCHECK_PORT: String(gatewayPort),
        COATCHECK_DATABASE_URL: `sqlite:${join(folder, 'coatcheck.db')}`,
        COATCHECK_ALLOW_LOOPBACK_UPSTREAMS: 'true',
      },
      () => '',
    )
    const secrets = configuredSecrets(config)
    const gateway = await step('Coatcheck opens', () =>
      startGateway(config, secrets, { clock: systemClock, log: { level: 'error' } }),
    )
    cleanups.push(gateway.stop)

    const credential = await step('its administrator registers them, and an MCP server', () =>
      administer({ issuer, adminToken: secrets.adminToken ?? '', mcpUrl, upstreams }),
    )
    const tools = demoTools({
      github: upstreams.github.api,
      google: upstreams.google.url,
      atlassian: upstreams.atlassian.api,
    })
    const mcpServer = await step('the MCP server starts', () =>
      runMcpServer(
        {
          COATCHECK_ISSUER: issuer,
          MCP_URL: mcpUrl,
          PORT: String(mcpPort),
          RESOURCE_CLIENT_ID: credential.clientId,
          RESOURCE_CLIENT_SECRET: credential.clientSecret,
        },
        tools,
      ),
    )
    cleanups.push(mcpServer.stop)

    const page = await startPage({ port: pagePort, mcpUrl, revokeAtGithub: upstreams.revokeAtGithub })
    cleanups.push(page.stop)
    return { issuer, mcpUrl, pageUrl: page.url, upstreams, folder, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
