import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import type { Caller } from './access-token.ts'
import type { Settings } from './settings.ts'
import { callUpstream, type Provider, type UpstreamRefusal } from './upstream.ts'

/** The scope each tool needs, as they are registered with Coatcheck. */
export const toolScopes = new Map([
  ['whoami', 'profile.read'],
  ['list_repositories', 'repositories.read'],
  ['list_events', 'events.read'],
  ['list_sites', 'sites.read'],
])

const providerNames = { github: 'GitHub', google: 'Google', atlassian: 'Atlassian' }

/** The tools, for one caller. */
export function createTools(settings: Settings, caller: Caller): McpServer {
  const server = new McpServer({ name: 'coatcheck-example', version: '1.0.0' })
  const annotations = { readOnlyHint: true }

  async function ask<Body>(
    provider: Provider,
    path: string,
    tell: (body: Body) => string,
  ): Promise<CallToolResult> {
    const answer = await callUpstream(settings, caller, provider, path)
    if (answer.outcome === 'answered') return { content: [{ type: 'text', text: tell(answer.body as Body) }] }
    return { isError: true, content: [{ type: 'text', text: explain(provider, answer) }] }
  }

  server.registerTool('whoami', { description: 'Who you are at GitHub', annotations }, () =>
    ask<{ login: string; name: string | null }>('github', '/user', ({ login, name }) =>
      name === null ? login : `${login} (${name})`,
    ),
  )
  server.registerTool('list_repositories', { description: 'Your repositories at GitHub', annotations }, () =>
    ask<{ full_name: string; private: boolean }[]>('github', '/user/repos', (repositories) =>
      lines(repositories.map((each) => `${each.full_name}${each.private ? ' (private)' : ''}`)),
    ),
  )
  server.registerTool('list_events', { description: 'What is in your Google calendar', annotations }, () =>
    ask<{ items: { summary: string; start: { dateTime?: string; date?: string } }[] }>(
      'google',
      '/calendar/v3/calendars/primary/events',
      ({ items }) => lines(items.map(({ summary, start }) => `${start.dateTime ?? start.date} ${summary}`)),
    ),
  )
  server.registerTool('list_sites', { description: 'Your Atlassian sites', annotations }, () =>
    ask<{ name: string; url: string }[]>('atlassian', '/oauth/token/accessible-resources', (sites) =>
      lines(sites.map(({ name, url }) => `${name} ${url}`)),
    ),
  )
  return server
}

const lines = (found: string[]) => (found.length === 0 ? 'Nothing.' : found.join('\n'))

/** For the model to pass on: the person can act on a link, and on nothing else. */
function explain(provider: Provider, { reason, connectUrl }: UpstreamRefusal): string {
  if (connectUrl === undefined) return `${reason}.`
  return `${reason}. To connect ${providerNames[provider]}, open ${connectUrl} in the browser, then try again.`
}
