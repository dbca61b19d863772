import { isDeepStrictEqual } from 'node:util'
import { type Author, auditEvent, type EventFacts } from '../audit/event.ts'
import type { DeclaredClient } from '../clients/declared-client.ts'
import type { Client } from '../storage/clients.ts'
import type { Store } from '../storage/store.ts'
import { type DeclarationParts, type DeclarationPlan, takenByApi } from './declaration-plan.ts'

export async function planDeclaredClients(
  { config, store }: DeclarationParts,
  by: Author,
): Promise<DeclarationPlan> {
  const declared = config.declarations.clients
  const stored = await listDeclared(store.clients)
  const plan: DeclarationPlan = { errors: [], writes: [] }

  for (const [index, client] of declared.entries()) {
    const before = stored.find(({ id }) => id === client.id)
    if (declared.findIndex(({ id }) => id === client.id) !== index) {
      plan.errors.push(`clients.${index}.client_id: stands here twice`)
    } else if (!before && (await store.clients.find(client.id, by.now))) {
      plan.errors.push(`clients.${index}: ${takenByApi}`)
    } else if (!before || !isDeepStrictEqual(contentOf(before), contentOf(client))) {
      plan.writes.push(() => save(store.clients, client, before, by))
    }
  }

  const undeclared = stored.filter((row) => row.enabled && !declared.some(({ id }) => id === row.id))
  plan.writes.push(...undeclared.map((row) => () => disable(store.clients, row, by)))
  return plan
}

function contentOf({ metadata, secretHash, trusted, enabled }: DeclaredClient | Client) {
  return { metadata, secretHash, trusted, enabled }
}

async function listDeclared(clients: Store['clients']): Promise<Client[]> {
  const all: Client[] = []
  let cursor: string | undefined
  do {
    const page = await clients.list({ origin: 'config' }, { limit: 200, ...(cursor && { cursor }) })
    all.push(...page.rows)
    cursor = page.nextCursor
  } while (cursor !== undefined)
  return all
}

async function save(
  clients: Store['clients'],
  client: DeclaredClient,
  before: Client | undefined,
  { actor, now }: Author,
): Promise<void> {
  const row: Client = {
    ...client,
    origin: 'config',
    createdAt: before?.createdAt ?? now,
    invited: true,
    lastUsedAt: before?.lastUsedAt ?? null,
    registrationTokenHash: null,
    freshUntil: null,
    expiresAt: null,
  }
  const facts: EventFacts = {
    event: before ? 'client.changed' : 'client.registered',
    actor,
    clientId: client.id,
    detail: { ...(before && { before: described(before) }), after: described(row) },
  }
  await clients.save(row, auditEvent(now, facts))
}

async function disable(clients: Store['clients'], { id }: Client, { actor, now }: Author): Promise<void> {
  const detail = { enabled: false, reason: 'no longer declared' }
  await clients.update(
    id,
    { enabled: false },
    auditEvent(now, { event: 'client.changed', actor, clientId: id, detail }),
  )
}

function described({ metadata, trusted, enabled }: Client) {
  return { metadata, trusted, enabled }
}
