import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { auditEvent } from '../../audit/event.ts'
import { Problem } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { accept } from '../../http/problems.ts'
import type { Passwords } from '../../lib/passwords.ts'
import { registeredIdPattern } from '../../lib/registered-id.ts'
import type { Administrator } from '../../storage/administrators.ts'
import { authorOf } from './authenticate.ts'
import { noQuery } from './input.ts'
import { notFound, receipt } from './receipt.ts'

/** Actors of other kinds: the bearer token's, and the command line's without a gateway. */
const reserved = ['token', 'cli']

const administratorName = z
  .string()
  .regex(registeredIdPattern, 'is not an id')
  .refine((name) => !reserved.includes(name), 'means somebody else in the record')

const role = z.enum(['read', 'write'])
// NIST SP 800-63B: length is what counts. argon2 takes any, a caller's megabyte included.
const password = z.string().min(12, 'must have 12 characters or more').max(256)

const newAdministrator = z.strictObject({ name: administratorName, role, password })
const administratorChange = z
  .strictObject({ role: role.optional(), enabled: z.boolean().optional(), password: password.optional() })
  .refine((change) => Object.keys(change).length > 0, 'changes nothing')

/** Named administrators beside the token; only those who may write reach what changes them. */
export function administratorRoutes(
  api: FastifyInstance,
  gateway: Gateway,
  { passwords }: { passwords: Passwords },
): void {
  const { administrators } = gateway.store

  api.get('/administrators', async (request) => {
    accept(noQuery, request.query)
    return { items: (await administrators.list()).map(viewOf) }
  })

  api.get('/administrators/:name', async (request) => viewOf(await getAdministrator(gateway, request)))

  api.post('/administrators', async (request, reply) => {
    const wanted = accept(newAdministrator, request.body)
    const { actor, now } = authorOf(gateway, request)
    const row: Administrator = {
      name: wanted.name,
      role: wanted.role,
      passwordHash: await hashOf(passwords, wanted.password),
      enabled: true,
      createdAt: now,
      lastSeenAt: null,
    }
    const detail = { administrator: row.name, after: described(row) }
    const created = await administrators.create(
      row,
      auditEvent(now, { event: 'administrator.created', actor, detail }),
    )
    if (!created) throw new Problem(409, 'conflict', 'There is an administrator of that name')
    return reply.code(201).send(viewOf(created))
  })

  api.patch('/administrators/:name', async (request) => {
    const { password: given, role: newRole, enabled } = accept(administratorChange, request.body)
    const before = await getAdministrator(gateway, request)
    const change = {
      ...(newRole !== undefined && { role: newRole }),
      ...(enabled !== undefined && { enabled }),
      ...(given !== undefined && { passwordHash: await hashOf(passwords, given) }),
    }
    const { actor, now } = authorOf(gateway, request)
    const detail = {
      administrator: before.name,
      before: described(before),
      after: described({ ...before, ...change }),
      ...(given !== undefined && { password: 'changed' }),
    }
    const changed = await administrators.update(
      before.name,
      change,
      auditEvent(now, { event: 'administrator.changed', actor, detail }),
    )
    if (!changed) throw notFound('administrator')
    return viewOf(changed)
  })

  api.delete('/administrators/:name', async (request) => {
    const before = await getAdministrator(gateway, request)
    const { actor, now } = authorOf(gateway, request)
    const detail = { administrator: before.name, before: described(before) }
    const event = auditEvent(now, { event: 'administrator.deleted', actor, detail })
    if (!(await administrators.delete(before.name, event))) throw notFound('administrator')
    return receipt({ administrator: before.name }, { tokenSessionsEnded: 0, connectionsDeleted: [] })
  })
}

async function hashOf(passwords: Passwords, given: string): Promise<string> {
  const made = await passwords.hash(given)
  if (made === undefined) throw new Problem(503, 'busy', 'Too many passwords are being verified')
  return made
}

async function getAdministrator({ store }: Gateway, request: FastifyRequest): Promise<Administrator> {
  const { name } = accept(z.strictObject({ name: administratorName }), request.params)
  const row = await store.administrators.find(name)
  if (!row) throw notFound('administrator')
  return row
}

function described({ role: may, enabled }: Administrator) {
  return { role: may, enabled }
}

function viewOf({ name, role: may, enabled, createdAt, lastSeenAt }: Administrator) {
  return { name, role: may, enabled, created_at: createdAt, last_seen_at: lastSeenAt }
}
