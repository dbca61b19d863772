import {
  type Credential,
  denialMessage,
  deny,
  personAction,
  protect,
  publishTools,
  type UpstreamOwner,
  upstreamOf,
} from '@coatcheck/mcp'
import { expressGuard } from '@coatcheck/mcp/express'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import express from 'express'

/** What the README shows. */
export async function ofReadme(resource: string, issuer: string, credential: Credential) {
  const { withUpstream } = upstreamOf({ issuer, credential })
  const app = express()
  const tools = { whoami: { scopes: ['profile.read'] }, list_repositories: { scopes: ['repositories.read'] } }
  app.use(expressGuard(protect({ resource, issuer, credential, tools })))
  return async (authInfo: UpstreamOwner) => {
    const response = await withUpstream(authInfo, 'github', ({ accessToken }) =>
      fetch('https://api.github.com/user', { headers: { authorization: `Bearer ${accessToken}` } }),
    )
    return response
  }
}

/** What the guides show and do not run whole, for the compiler to read; test/docs/guides.test.ts compares. */
export function guarded(issuer: string, credential: Credential) {
  const guard = protect({
    resource: 'http://localhost:3000/mcp',
    issuer,
    credential,
    tools: {
      whoami: 'public', // any valid token
      read_note: { scopes: ['notes.read', 'notes.write'] }, // any of them
      move_note: { scopes: ['notes.read', 'notes.write'], match: 'all' },
    },
  })
  return guard
}

export async function governed(issuer: string, credential: Credential, scopes: string[]) {
  const createServer = () => createNotes(issuer, credential)
  await publishTools({
    issuer,
    credential,
    tools: createServer, // it is asked for its tools, as a client would
    suggestedScopes: { read_note: ['notes.read'] },
  })
  const guard = protect({
    resource: 'http://localhost:3000/mcp',
    issuer,
    credential,
    tools: 'gateway',
    scopes,
  })
  return guard
}

export function createNotes(issuer: string, credential: Credential) {
  const server = new McpServer({ name: 'notes', version: '1.0.0' })
  const { withUpstream } = upstreamOf({ issuer, credential })

  server.registerTool('list_repositories', { description: 'Your repositories' }, async ({ authInfo }) => {
    try {
      const response = await withUpstream(authInfo, 'github', ({ accessToken }) =>
        fetch('https://api.github.com/user/repos?per_page=20', {
          headers: { authorization: `Bearer ${accessToken}`, 'user-agent': 'notes' },
        }),
      )
      return { content: [{ type: 'text', text: JSON.stringify(await response.json(), ['full_name']) }] }
    } catch (error) {
      return personAction(error).result
    }
  })
  return server
}

export function unpaid(id: number) {
  const denial = deny('payment_required', { message: 'This notebook needs the paid plan' })
  const answer = denialMessage(denial, { id, method: 'tools/call' })
  return answer
}
