import { once } from 'node:events'
import { githubTools, startMcpServer, type Tool } from '../mcp-server/server.ts'

type Apis = { github: string; google: string; atlassian: string }

/** The example's tools, and one for each of the other providers. */
export const demoTools = (apis: Apis): Record<string, Tool> => ({
  ...githubTools(apis.github),
  list_events: {
    scopes: ['events.read'],
    description: 'What is in your Google calendar',
    provider: 'google',
    url: `${apis.google}/calendar/v3/calendars/primary/events`,
    shows: ['items', 'summary', 'start', 'dateTime', 'date'],
  },
  list_sites: {
    scopes: ['sites.read'],
    description: 'Your Atlassian sites',
    provider: 'atlassian',
    url: `${apis.atlassian}/oauth/token/accessible-resources`,
    shows: ['name', 'url'],
  },
})

export type RunningMcpServer = { stop(): Promise<void> }

/** The example MCP server, once it listens; with other tools, if they are given. */
export async function runMcpServer(...args: Parameters<typeof startMcpServer>): Promise<RunningMcpServer> {
  const server = await startMcpServer(...args)
  if (!server.listening) await once(server, 'listening')
  return {
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
