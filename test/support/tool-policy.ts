import { auditEvent } from '../../src/audit/event.ts'
import type { Conditions, QuotaDocument, RoleDocument, ToolRule } from '../../src/storage/documents.ts'
import type { TestGateway } from './gateway.ts'
import { basic, type ResourceCredential } from './world.ts'

type Asking = { gateway: TestGateway; credential: ResourceCredential }
export type Answered = { status: number; body: Record<string, unknown>; headers: Headers }

async function call(
  { gateway, credential }: Asking,
  method: string,
  path: string,
  { token, body }: { token?: string; body?: unknown } = {},
): Promise<Answered> {
  const response = await fetch(`${gateway.url}/v1${path}`, {
    method,
    headers: {
      authorization: basic(credential),
      ...(token !== undefined && { 'coatcheck-user-token': token }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const { status, headers } = response
  return { status, headers, body: (await response.json()) as Record<string, unknown> }
}

/** `POST /v1/decisions` as an MCP server asks it. */
export const askDecision = (asking: Asking, token: string, body: unknown) =>
  call(asking, 'POST', '/decisions', { token, body })

export const publishTools = (asking: Asking, tools: unknown) =>
  call(asking, 'PUT', '/tools', { body: { tools } })

export const listTools = (asking: Asking, token?: string) =>
  call(asking, 'GET', '/tools', token === undefined ? {} : { token })

export const explain = (asking: Asking, id: string) => call(asking, 'GET', `/decisions/${id}`)

export const tool = (name: string, properties: Record<string, unknown> = {}) => ({
  name,
  description: `Does ${name}`,
  input_schema: { type: 'object', properties },
})

/** What an administrator does to a resource, straight in the store. */
export function policyOf(gateway: TestGateway, resourceId: string) {
  const { store, clock } = gateway.running().gateway
  const event = () => auditEvent(clock(), { event: 'role.saved', actor: 'admin:test', resourceId })
  let made = 0
  return {
    async open(name: string, rule: Partial<ToolRule>) {
      const known = await store.tools.find(resourceId, name)
      if (!known) throw new Error(`no tool ${name}`)
      const review = { rule: { access: 'scopes', scopes: [], match: 'any', ...rule } as ToolRule }
      await store.tools.review(
        known,
        { ...review, reviewedHash: known.publishedHash, reviewedAt: clock(), reviewedBy: 'admin:test' },
        event(),
      )
    },
    activate: () =>
      store.tools.activate(resourceId, { activatedAt: clock(), activatedBy: 'admin:test' }, event()),
    async bind(
      document: RoleDocument,
      holder: { everyone: true } | { subject: string } | { group: string; provider: string },
      more: { conditions?: Conditions; expiresAt?: number; role?: string } = {},
    ) {
      const name = more.role ?? `role-${++made}`
      const times = { createdAt: clock(), updatedAt: clock() }
      const role = await store.roles.save(
        { id: `rol_${resourceId}_${name}`, resourceId, name, document, ...times },
        event(),
      )
      if (!role) throw new Error('no role')
      const id = `bnd_${resourceId}_${name}_${++made}`
      await store.roles.createBinding(
        {
          id,
          resourceId,
          roleId: role.id,
          holder: 'subject' in holder ? 'subject' : 'group' in holder ? 'group' : 'everyone',
          subjectId: 'subject' in holder ? holder.subject : null,
          groupProvider: 'group' in holder ? holder.provider : null,
          groupName: 'group' in holder ? holder.group : null,
          conditions: more.conditions ?? {},
          expiresAt: more.expiresAt ?? null,
          createdAt: clock(),
          createdBy: 'admin:test',
        },
        event(),
      )
      return id
    },
    async limit(document: QuotaDocument) {
      const id = `qta_${resourceId}_${++made}`
      await store.quotas.create({ id, resourceId, document, createdAt: clock() }, event())
      return id
    },
  }
}
