import { publishedHash } from '../../src/policy/tool.ts'
import type { Decision } from '../../src/storage/decisions.ts'
import type { PublishedTool } from '../../src/storage/documents.ts'
import type { AdminGateway } from './admin-gateway.ts'

/** An MCP server with tools, as an administrator sets it up. */
export const tracker = {
  resource: 'https://tracker.test/mcp',
  name: 'Tracker',
  scopes: { 'issues.read': 'Read issues', 'issues.write': 'Write issues' },
  default_scopes: ['issues.read'],
}

export function toolOf(name: string): PublishedTool {
  return {
    name,
    description: `What ${name} does`,
    input_schema: { type: 'object', properties: { repo: { type: 'string' } } },
    suggested_scopes: ['issues.read'],
  }
}

/** Publishes these tools and no other, as the MCP server would. */
export async function publishTools(
  { gateway, time }: Pick<AdminGateway, 'gateway' | 'time'>,
  tools: readonly (string | PublishedTool)[],
  resourceId = 'tracker',
): Promise<void> {
  const rows = tools.map((tool) => {
    const published = typeof tool === 'string' ? toolOf(tool) : tool
    return {
      resourceId,
      name: published.name,
      published,
      publishedHash: publishedHash(published),
      isPublished: true,
      rule: null,
      reviewedHash: null,
      reviewed: null,
      reviewedAt: null,
      reviewedBy: null,
      createdAt: time.now,
      changedAt: time.now,
    }
  })
  await gateway.store.tools.publish(resourceId, rows, time.now, undefined)
}

/** What was decided about a call, as it is kept. */
export async function recordDecision(
  { gateway, time }: Pick<AdminGateway, 'gateway' | 'time'>,
  id: string,
  changes: Partial<Decision> = {},
): Promise<void> {
  const decision = {
    id,
    at: time.now,
    resourceId: 'tracker',
    subjectId: 'sub_ada',
    clientId: 'editor',
    tool: 'read_issue',
    allowed: true,
    code: null,
    detail: { bindings: [] },
    expiresAt: time.now + 1000,
    ...changes,
  }
  await gateway.store.decisions.record([decision])
}
