import fc from 'fast-check'
import { expect, test } from 'vitest'
import { auditEvent } from '../../src/audit/event.ts'
import { type HeldRole, judge, type PolicyVerdict, type ToolPolicy } from '../../src/policy/decision.ts'
import type { Conditions, ToolRule } from '../../src/storage/documents.ts'
import { type AdminGateway, type Json, openAdminGateway, start } from '../support/admin-gateway.ts'
import { forge, seedPeople } from '../support/admin-rows.ts'
import { runs } from '../support/database.ts'
import { publishTools, tracker } from '../support/tracker.ts'

const names = ['read_issue', 'write_issue', 'new_tool']
const scopes = Object.keys(tracker.scopes)

const conditions: fc.Arbitrary<Conditions> = fc.record(
  {
    cidrs: fc.constantFrom(['203.0.113.0/24'], ['10.0.0.0/8', '2001:db8::/32']),
    time_utc: fc.constantFrom(['00:00-12:00'], ['22:00-06:00']),
    allowed_tools: fc.subarray(names, { minLength: 1 }),
    denied_tools: fc.subarray(names, { minLength: 1 }),
    arguments: fc.constantFrom({ repo: { one_of: ['api'] } }, { repo: { one_of: ['api', 'web'] } }),
    max_authentication_age: fc.constantFrom(60, 3600),
    acr_values: fc.constantFrom(['gold'], ['gold', 'silver']),
  },
  { requiredKeys: [] },
)
const holder = fc.constantFrom(
  { everyone: true },
  { subject: 'sub_ada' },
  { subject: 'sub_bob' },
  { group: 'staff', provider: 'forge' },
  { group: 'board', provider: 'forge' },
)
const anyBinding = fc.record({
  scopes: fc.subarray(scopes),
  administrator: fc.boolean(),
  holder,
  conditions: fc.oneof({ weight: 1, arbitrary: fc.constant({}) }, { weight: 2, arbitrary: conditions }),
  ends: fc.constantFrom(undefined, start + 30, start + 7200),
})
/** The API keeps everyone from being an administrator. */
const binding = anyBinding.map((each) => ({
  ...each,
  administrator: each.administrator && !('everyone' in each.holder),
}))
const rule: fc.Arbitrary<ToolRule> = fc.record({
  access: fc.constant('scopes' as const),
  scopes: fc.subarray(scopes, { minLength: 1 }),
  match: fc.constantFrom('any' as const, 'all' as const),
})
const call = fc.record(
  {
    tool: fc.constantFrom(...names, 'lost'),
    scopes: fc.subarray([...scopes, 'other']),
    arguments: fc.constantFrom<Json>({}, { repo: 'api' }, { repo: 'web' }, { repo: ['api', 'web'] }),
    address: fc.constantFrom('203.0.113.7', '::ffff:10.1.2.3', '2001:db8::1', 'nowhere'),
    at: fc.constantFrom(start, start + 60, start + 40_000),
    auth_age: fc.constantFrom(0, 61, 4000),
    acr: fc.constantFrom('gold', 'bronze'),
  },
  { requiredKeys: ['tool', 'scopes'] },
)

/** Ada is in `staff` at the forge, and Bob in nothing. */
async function openTracker(): Promise<AdminGateway> {
  const gateway = await openAdminGateway()
  const { admin, database } = gateway
  await admin('PUT', '/providers/forge', { ...forge, admit: 'anyone' })
  await admin('PUT', '/resources/tracker', { ...tracker, access: 'bindings' })
  await seedPeople(gateway)
  const { db, tables } = database
  await db.update(tables.identities).set({ groups: [] }).returning()
  await db
    .insert(tables.identities)
    .values({
      provider: 'forge',
      issuer: 'https://forge.test',
      upstreamSubject: 'second',
      subjectId: 'sub_ada',
      label: 'ada at work',
      email: null,
      emailVerified: false,
      groups: ['staff'],
      createdAt: start,
      lastSignInAt: start,
    })
    .returning()
  await publishTools(gateway, names)
  return gateway
}

type Bound = { bound: Json; held: HeldRole }

async function bindAll({ admin }: AdminGateway, wishes: readonly Json[]): Promise<Bound[]> {
  for (const { id } of (await admin('GET', '/resources/tracker/bindings')).json.items) {
    await admin('DELETE', `/resources/tracker/bindings/${id}`)
  }
  const made: Bound[] = []
  for (const [index, { ends, holder, conditions, ...document }] of wishes.entries()) {
    const role = `role-${index}`
    await admin('PUT', `/resources/tracker/roles/${role}`, document)
    const { status, json } = await admin('POST', '/resources/tracker/bindings', {
      role,
      holder,
      conditions,
      expires_at: ends,
    })
    expect(status).toBe(201)
    made.push({ bound: json, held: { bindingId: json.id, role, document, conditions } })
  }
  return made
}

/** What a model of the matter says Ada holds at a time. */
function heldByAda(bound: readonly Bound[], at: number): HeldRole[] {
  return bound
    .filter(({ bound: { holder, expires_at: ends } }) => {
      const isHers = holder.everyone === true || holder.subject === 'sub_ada' || holder.group === 'staff'
      return isHers && (ends === null || ends > at)
    })
    .map(({ held }) => held)
}

/** Nobody in this test can prove a sign-in. */
function said(verdict: PolicyVerdict) {
  if (verdict.allowed) return { allowed: true }
  const code = verdict.code === 'step_up_required' ? 'step_up_unavailable' : verdict.code
  return { allowed: false, code, reason: verdict.reason }
}

test('a simulation, what is shown of somebody’s access, and the judgement agree, whatever the bindings are', async () => {
  const gateway = await openTracker()
  const {
    admin,
    gateway: { store },
  } = gateway
  const event = () => auditEvent(start, { event: 'resource.activated', actor: 'admin:test' })
  const world = fc.record({
    wishes: fc.array(binding, { maxLength: 4 }),
    rules: fc.tuple(rule, rule),
    isActive: fc.boolean(),
    calls: fc.array(call, { minLength: 4, maxLength: 12 }),
  })
  await fc.assert(
    fc.asyncProperty(world, async ({ wishes, rules, isActive, calls }) => {
      for (const [index, each] of rules.entries()) {
        const path = `/resources/tracker/tools/${names[index]}`
        const { published_hash } = (await admin('GET', path)).json
        await admin('PUT', path, { ...each, published_hash })
      }
      const by = { activatedAt: start, activatedBy: 'admin:test' }
      if (isActive) await store.tools.activate('tracker', by, event())
      else await store.tools.deactivate('tracker', event())
      const bound = await bindAll(gateway, wishes)
      const policyAt = async (tool: string, at: number): Promise<ToolPolicy> => ({
        access: 'bindings',
        resourceScopes: scopes,
        isActive,
        tool: await store.tools.find('tracker', tool),
        roles: heldByAda(bound, at),
        quotas: [],
      })

      for (const wish of calls) {
        const { tool, at = start, auth_age: age = 0, acr, address, arguments: values = 'unknown' } = wish
        const caller = { subjectId: 'sub_ada', clientId: '', scopes: wish.scopes }
        const judged = judge(await policyAt(tool, at), caller, {
          now: at,
          tool,
          arguments: values,
          address,
          authTime: at - age,
          acr,
        })
        const { json } = await admin('POST', '/resources/tracker/simulations', {
          subject: 'sub_ada',
          ...wish,
        })
        expect(json).toMatchObject(said(judged))
        expect(new Set(json.bindings)).toEqual(new Set(judged.bindings))
      }

      const access = (await admin('GET', '/resources/tracker/access/sub_ada')).json
      for (const { name, allowed, reason } of access.tools) {
        const caller = { subjectId: 'sub_ada', clientId: '', scopes: access.scopes }
        const judged = judge(await policyAt(name, start), caller, {
          now: start,
          tool: name,
          arguments: 'unknown',
          authTime: start,
        })
        expect({ allowed, reason }).toEqual({
          allowed: judged.allowed,
          reason: judged.allowed ? undefined : judged.reason,
        })
      }
    }),
    { numRuns: runs(12) },
  )
})
