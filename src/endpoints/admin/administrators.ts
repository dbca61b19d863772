import { z } from 'zod'
import { auditEvent } from '../../audit/event.ts'
import { Problem } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import type { Passwords } from '../../lib/passwords.ts'
import type { Administrator } from '../../storage/administrators.ts'
import { listOf, notFound, time } from './answer.ts'
import { givenId } from './input.ts'
import { receipt, receiptSchema } from './receipt.ts'
import { created, ok, type Route, route } from './route.ts'

/** Actors of other kinds: the bearer token's, and the command line's without a gateway. */
const reserved = ['token', 'cli']

const name = givenId.refine((given) => !reserved.includes(given), 'means somebody else in the record')
const byName = z.strictObject({ name })

const role = z.enum(['read', 'write'])
// NIST SP 800-63B: length is what counts. argon2 takes any, a caller's megabyte included.
const password = z.string().min(12, 'must have 12 characters or more').max(256)

const newAdministrator = z.strictObject({ name, role, password })
const administratorChange = z
  .strictObject({ role: role.optional(), enabled: z.boolean().optional(), password: password.optional() })
  .refine((change) => Object.keys(change).length > 0, 'changes nothing')

const administratorView = z
  .strictObject({
    name: z.string(),
    role,
    enabled: z.boolean(),
    created_at: time,
    last_seen_at: time.nullable(),
  })
  .meta({ id: 'Administrator' })

/** Named administrators beside the token; only those who may write reach what changes them. */
export function administratorRoutes(gateway: Gateway, passwords: Passwords): Route[] {
  const { administrators } = gateway.store
  return [
    route({
      method: 'GET',
      path: '/administrators',
      role: 'read',
      operationId: 'listAdministrators',
      summary: 'List the named administrators',
      answers: { 200: listOf(administratorView) },
      handle: async () => ok({ items: (await administrators.list()).map(viewOf) }),
    }),

    route({
      method: 'GET',
      path: '/administrators/{name}',
      role: 'read',
      operationId: 'getAdministrator',
      summary: 'Show one administrator',
      params: byName,
      answers: { 200: administratorView },
      problems: ['not_found'],
      handle: async ({ params }) => ok(viewOf(await getAdministrator(gateway, params.name))),
    }),

    route({
      method: 'POST',
      path: '/administrators',
      role: 'write',
      operationId: 'createAdministrator',
      summary: 'Make somebody an administrator',
      body: newAdministrator,
      answers: { 201: administratorView },
      problems: ['conflict'],
      handle: async ({ body, by: { actor, now } }) => {
        const row: Administrator = {
          name: body.name,
          role: body.role,
          passwordHash: await hashOf(passwords, body.password),
          enabled: true,
          createdAt: now,
          lastSeenAt: null,
        }
        const detail = { administrator: row.name, after: described(row) }
        const event = auditEvent(now, { event: 'administrator.created', actor, detail })
        const made = await administrators.create(row, event)
        if (!made) throw new Problem(409, 'conflict', 'There is an administrator of that name')
        return created(viewOf(made))
      },
    }),

    route({
      method: 'PATCH',
      path: '/administrators/{name}',
      role: 'write',
      operationId: 'changeAdministrator',
      summary: 'Change the role or the password of an administrator, or enable or disable them',
      params: byName,
      body: administratorChange,
      answers: { 200: administratorView },
      problems: ['not_found'],
      handle: async ({ params, body: { password: given, role: newRole, enabled }, by: { actor, now } }) => {
        const before = await getAdministrator(gateway, params.name)
        const change = {
          ...(newRole !== undefined && { role: newRole }),
          ...(enabled !== undefined && { enabled }),
          ...(given !== undefined && { passwordHash: await hashOf(passwords, given) }),
        }
        const detail = {
          administrator: before.name,
          before: described(before),
          after: described({ ...before, ...change }),
          ...(given !== undefined && { password: 'changed' }),
        }
        const event = auditEvent(now, { event: 'administrator.changed', actor, detail })
        const changed = await administrators.update(before.name, change, event)
        if (!changed) throw notFound('administrator')
        return ok(viewOf(changed))
      },
    }),

    route({
      method: 'DELETE',
      path: '/administrators/{name}',
      role: 'write',
      operationId: 'deleteAdministrator',
      summary: 'Delete an administrator',
      params: byName,
      answers: { 200: receiptSchema },
      problems: ['not_found'],
      handle: async ({ params, by: { actor, now } }) => {
        const before = await getAdministrator(gateway, params.name)
        const detail = { administrator: before.name, before: described(before) }
        const event = auditEvent(now, { event: 'administrator.deleted', actor, detail })
        if (!(await administrators.delete(before.name, event))) throw notFound('administrator')
        return receipt({ administrator: before.name })
      },
    }),
  ]
}

async function hashOf(passwords: Passwords, given: string): Promise<string> {
  const made = await passwords.hash(given)
  if (made === undefined) throw new Problem(503, 'busy', 'Too many passwords are being verified')
  return made
}

async function getAdministrator({ store }: Gateway, given: string): Promise<Administrator> {
  const row = await store.administrators.find(given)
  if (!row) throw notFound('administrator')
  return row
}

function described({ role: may, enabled }: Administrator) {
  return { role: may, enabled }
}

function viewOf({ name: given, role: may, enabled, createdAt, lastSeenAt }: Administrator) {
  return { name: given, role: may, enabled, created_at: createdAt, last_seen_at: lastSeenAt }
}
