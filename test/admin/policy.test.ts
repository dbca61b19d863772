import { describe, expect, test } from 'vitest'
import { auditEvent } from '../../src/audit/event.ts'
import type { Decision } from '../../src/storage/decisions.ts'
import { type AdminGateway, type Json, openAdminGateway, start } from '../support/admin-gateway.ts'
import { seedPeople } from '../support/admin-rows.ts'
import { publishTools, recordDecision, toolOf, tracker } from '../support/tracker.ts'

async function withTools(...names: string[]) {
  const gateway = await openAdminGateway()
  await gateway.admin('PUT', '/resources/tracker', tracker)
  await publishTools(gateway, names.length > 0 ? names : ['read_issue', 'write_issue'])
  return gateway
}

const toolPath = (name: string) => `/resources/tracker/tools/${encodeURIComponent(name)}`

/** Reviews a tool as it is published now. */
async function review({ admin }: AdminGateway, name: string, rule: Json) {
  const { json } = await admin('GET', toolPath(name))
  return await admin('PUT', toolPath(name), { ...rule, published_hash: json.published_hash })
}

async function lastEvent({ admin }: AdminGateway, event: string) {
  return (await admin('GET', `/audit-events?event=${event}&limit=1`)).json.items[0]
}

describe('tools', () => {
  test('wait for review until somebody says how they open, and what that was before stands in the record', async () => {
    const gateway = await withTools()
    const { admin } = gateway
    const [unreviewed] = (await admin('GET', '/resources/tracker/tools')).json.items
    expect(unreviewed).toMatchObject({
      name: 'read_issue',
      state: 'unreviewed',
      rule: null,
      reviewed_by: null,
    })
    const reviewed = await review(gateway, 'read_issue', { scopes: ['issues.read'] })
    const rule = { access: 'scopes', scopes: ['issues.read'], match: 'any' }
    expect(reviewed.json).toMatchObject({ state: 'approved', rule, protection_weakened: false })
    expect(reviewed.json).toMatchObject({ reviewed_at: start, reviewed_by: 'admin:token' })
    await review(gateway, 'read_issue', { scopes: ['issues.write'] })
    expect((await lastEvent(gateway, 'tool.reviewed')).detail).toMatchObject({
      tool: 'read_issue',
      before: { rule },
      after: { rule: { scopes: ['issues.write'] } },
      protection_weakened: true,
    })
  })

  test('say what is not any more as it was reviewed', async () => {
    const gateway = await withTools()
    await review(gateway, 'read_issue', { scopes: ['issues.read'] })
    await publishTools(gateway, [{ ...toolOf('read_issue'), description: 'Reads and forwards it' }])
    const { json } = await gateway.admin('GET', toolPath('read_issue'))
    expect(json).toMatchObject({
      state: 'changed',
      changed_members: ['description'],
      rule: { scopes: ['issues.read'] },
    })
    await review(gateway, 'read_issue', { scopes: ['issues.read'] })
    const again = await gateway.admin('GET', toolPath('read_issue'))
    expect(again.json).toMatchObject({ state: 'approved', changed_members: [] })
  })

  test('are not reviewed as something else than what was looked at', async () => {
    const gateway = await withTools()
    const { json } = await gateway.admin('GET', toolPath('read_issue'))
    await publishTools(gateway, [{ ...toolOf('read_issue'), description: 'Another' }])
    const late = { scopes: ['issues.read'], published_hash: json.published_hash }
    const answer = await gateway.admin('PUT', toolPath('read_issue'), late)
    expect([answer.status, answer.json.code]).toEqual([409, 'overtaken'])
    expect((await gateway.admin('GET', toolPath('read_issue'))).json.rule).toBeNull()
    expect(await lastEvent(gateway, 'tool.reviewed')).toBeUndefined()
  })

  test.each<[string, Json, string]>([
    ['a scope of another resource', { scopes: ['issues.read', 'notes.read'] }, '/scopes/1'],
    ['a public tool whose name was not typed', { access: 'public' }, '/confirm'],
    ['a public tool whose name was typed wrong', { access: 'public', confirm: 'read_isue' }, '/confirm'],
    ['a rule that opens with nothing', { scopes: [] }, '/scopes'],
    [
      'a public tool with scopes',
      { access: 'public', scopes: ['issues.read'], confirm: 'read_issue' },
      '/scopes',
    ],
    ['a sign-in that demands nothing', { scopes: ['issues.read'], step_up: {} }, '/step_up'],
    ['a member nobody knows', { scopes: ['issues.read'], is_public: true }, '/is_public'],
  ])('refuse %s', async (_, rule, pointer) => {
    const gateway = await withTools()
    const { status, json } = await review(gateway, 'read_issue', rule)
    expect([status, json.errors?.[0].pointer]).toEqual([400, pointer])
  })

  test.each<[string, Json, Json, boolean]>([
    ['closed by another scope', { scopes: ['issues.read'] }, { scopes: ['issues.write'] }, true],
    [
      'any becomes all',
      { scopes: ['issues.read', 'issues.write'] },
      { scopes: ['issues.read', 'issues.write'], match: 'all' },
      false,
    ],
    [
      'all becomes any',
      { scopes: ['issues.read', 'issues.write'], match: 'all' },
      { scopes: ['issues.read', 'issues.write'] },
      true,
    ],
    ['one of any goes', { scopes: ['issues.read', 'issues.write'] }, { scopes: ['issues.read'] }, false],
    ['public', { scopes: ['issues.read'] }, { access: 'public', confirm: 'read_issue' }, true],
    ['not public any more', { access: 'public', confirm: 'read_issue' }, { scopes: ['issues.read'] }, false],
    [
      'a sign-in is asked for',
      { scopes: ['issues.read'] },
      { scopes: ['issues.read'], step_up: { max_age: 60 } },
      false,
    ],
    [
      'an older one does',
      { scopes: ['issues.read'], step_up: { max_age: 60 } },
      { scopes: ['issues.read'], step_up: { max_age: 61 } },
      true,
    ],
    [
      'none is asked for',
      { scopes: ['issues.read'], step_up: { max_age: 60 } },
      { scopes: ['issues.read'] },
      true,
    ],
    [
      'a weaker one does',
      { scopes: ['issues.read'], step_up: { acr_values: ['gold'] } },
      { scopes: ['issues.read'], step_up: { acr_values: ['gold', 'tin'] } },
      true,
    ],
    [
      'it must be newer as well',
      { scopes: ['issues.read'], step_up: { acr_values: ['gold'] } },
      { scopes: ['issues.read'], step_up: { acr_values: ['gold'], max_age: 5 } },
      false,
    ],
  ])('are weaker or not: %s', async (_, before, after, weaker) => {
    const gateway = await withTools()
    await review(gateway, 'read_issue', before)
    expect((await review(gateway, 'read_issue', after)).json.protection_weakened).toBe(weaker)
  })

  test.each(['löschen/alles %2F?#', 'a b', '工具', `${'long'.repeat(50)}`, '"quoted"', 'constructor', '%'])(
    'are found by whatever name they have: %s',
    async (name) => {
      const gateway = await withTools(name)
      expect((await review(gateway, name, { scopes: ['issues.read'] })).json).toMatchObject({
        name,
        state: 'approved',
      })
      await publishTools(gateway, [])
      expect((await gateway.admin('DELETE', toolPath(name))).json.deleted).toEqual({ tool: name })
      expect((await gateway.admin('GET', toolPath(name))).status).toBe(404)
    },
  )

  test('are forgotten once they are withdrawn, and not before', async () => {
    const gateway = await withTools()
    await review(gateway, 'read_issue', { scopes: ['issues.read'] })
    expect((await gateway.admin('DELETE', toolPath('read_issue'))).status).toBe(409)
    await publishTools(gateway, ['write_issue'])
    expect((await gateway.admin('GET', toolPath('read_issue'))).json.state).toBe('withdrawn')
    expect((await gateway.admin('DELETE', toolPath('read_issue'))).status).toBe(200)
    expect((await lastEvent(gateway, 'tool.forgotten')).detail).toMatchObject({ tool: 'read_issue' })
    expect((await gateway.admin('DELETE', toolPath('read_issue'))).status).toBe(404)
  })

  test('and roles keep the scopes they use from going', async () => {
    const gateway = await withTools()
    const { admin } = gateway
    await review(gateway, 'read_issue', { scopes: ['issues.read'] })
    await admin('PUT', '/resources/tracker/roles/writer', { scopes: ['issues.write'] })
    const bare = { ...tracker, scopes: { 'issues.admin': 'Everything' }, default_scopes: [] }
    const { status, json } = await admin('PUT', '/resources/tracker', bare)
    expect([status, json.code]).toEqual([409, 'conflict'])
    expect(json.errors).toEqual([
      { pointer: '/scopes/issues.read', message: 'cannot go while used by tool read_issue' },
      { pointer: '/scopes/issues.write', message: 'cannot go while used by role writer' },
    ])
    await admin('DELETE', '/resources/tracker/roles/writer')
    const { 'issues.write': _, ...fewer } = tracker.scopes
    expect((await admin('PUT', '/resources/tracker', { ...tracker, scopes: fewer })).status).toBe(200)
  })
})

describe('roles', () => {
  test('are created, replaced, listed and deleted, each with what was before', async () => {
    const gateway = await withTools()
    const { admin } = gateway
    const path = '/resources/tracker/roles/reader'
    expect((await admin('PUT', path, { scopes: ['issues.read'] })).status).toBe(201)
    const replaced = await admin('PUT', path, { scopes: [], description: 'Nothing yet', administrator: true })
    expect(replaced.status).toBe(200)
    expect(replaced.json).toEqual({
      name: 'reader',
      scopes: [],
      description: 'Nothing yet',
      administrator: true,
      created_at: start,
      updated_at: start,
    })
    expect((await lastEvent(gateway, 'role.saved')).detail).toEqual({
      role: 'reader',
      before: { scopes: ['issues.read'] },
      after: { scopes: [], description: 'Nothing yet', administrator: true },
    })
    expect((await admin('GET', path)).json).toEqual(replaced.json)
    expect((await admin('GET', '/resources/tracker/roles')).json.items).toEqual([replaced.json])
    expect((await admin('DELETE', path)).json.deleted).toEqual({ role: 'reader' })
    expect((await lastEvent(gateway, 'role.deleted')).detail).toMatchObject({
      before: { administrator: true },
    })
    expect((await admin('GET', path)).status).toBe(404)
  })

  test('give scopes of their resource alone', async () => {
    const { admin } = await withTools()
    const { status, json } = await admin('PUT', '/resources/tracker/roles/reader', { scopes: ['notes.read'] })
    expect([status, json.errors]).toEqual([
      400,
      [{ pointer: '/scopes/0', message: 'is no scope of this resource' }],
    ])
  })

  test('stay while somebody is bound', async () => {
    const { admin } = await withTools()
    await admin('PUT', '/resources/tracker/roles/reader', { scopes: ['issues.read'] })
    const bound = await admin('POST', '/resources/tracker/bindings', {
      role: 'reader',
      holder: { everyone: true },
    })
    const refused = await admin('DELETE', '/resources/tracker/roles/reader')
    expect([refused.status, refused.json.code]).toEqual([409, 'conflict'])
    await admin('DELETE', `/resources/tracker/bindings/${bound.json.id}`)
    expect((await admin('DELETE', '/resources/tracker/roles/reader')).status).toBe(200)
  })
})

test('a resource for those who are bound is opened to everyone by word alone', async () => {
  const { admin } = await withTools()
  const bound = { ...tracker, access: 'bindings' }
  expect((await admin('PUT', '/resources/tracker', bound)).json.access).toBe('bindings')
  const { status, json } = await admin('PUT', '/resources/tracker', tracker)
  expect([status, json.errors[0].pointer]).toEqual([400, '/access'])
  expect((await admin('GET', '/resources/tracker')).json.access).toBe('bindings')
  const opened = await admin('PUT', '/resources/tracker', { ...tracker, access: 'everyone' })
  expect(opened.json.access).toBe('everyone')
})

describe('bindings', () => {
  async function withRole() {
    const gateway = await withTools()
    await seedPeople(gateway)
    await gateway.admin('PUT', '/resources/tracker/roles/reader', { scopes: ['issues.read'] })
    const bind = async (wish: Json) =>
      await gateway.admin('POST', '/resources/tracker/bindings', { role: 'reader', ...wish })
    return { ...gateway, bind }
  }

  test('say who has which role, and under what conditions', async () => {
    const gateway = await withRole()
    const conditions = {
      cidrs: ['10.0.0.0/8'],
      denied_tools: ['write_issue'],
      arguments: { repo: { one_of: ['api'] } },
    }
    const made = await gateway.bind({ holder: { subject: 'sub_ada' }, conditions, expires_at: start + 60 })
    expect(made.status).toBe(201)
    expect(made.json).toMatchObject({
      role: 'reader',
      holder: { subject: 'sub_ada' },
      conditions,
      expires_at: start + 60,
    })
    expect(made.json.created_by).toBe('admin:token')
    const everyone = await gateway.bind({ holder: { everyone: true } })
    expect(everyone.json).toMatchObject({ holder: { everyone: true }, conditions: {}, expires_at: null })
    const { items } = (await gateway.admin('GET', '/resources/tracker/bindings')).json
    expect(items).toEqual([made.json, everyone.json])
    expect(await lastEvent(gateway, 'binding.created')).toMatchObject({ detail: { after: everyone.json } })
    expect((await gateway.admin('DELETE', `/resources/tracker/bindings/${made.json.id}`)).status).toBe(200)
    expect(await lastEvent(gateway, 'binding.deleted')).toMatchObject({
      subject_id: 'sub_ada',
      detail: { before: made.json },
    })
    expect((await gateway.admin('DELETE', `/resources/tracker/bindings/${made.json.id}`)).status).toBe(404)
  })

  const ada = { subject: 'sub_ada' }
  test.each<[string, Json, string]>([
    ['a role that is not there', { role: 'writer', holder: ada }, '/role'],
    ['somebody who is not there', { holder: { subject: 'sub_eve' } }, '/holder/subject'],
    [
      'a group of a provider that is not there',
      { holder: { group: 'staff', provider: 'corp' } },
      '/holder/provider',
    ],
    [
      'a condition nobody knows',
      { holder: ada, conditions: { allowed_ips: ['10.0.0.1'] } },
      '/conditions/allowed_ips',
    ],
    [
      'a tool nobody published',
      { holder: ada, conditions: { denied_tools: ['delete_all'] } },
      '/conditions/denied_tools/0',
    ],
    [
      'an argument no tool takes',
      { holder: ada, conditions: { arguments: { repos: { one_of: ['api'] } } } },
      '/conditions/arguments/repos',
    ],
    ['an end that has passed', { holder: ada, expires_at: start }, '/expires_at'],
  ])('refuse %s', async (_, wish, pointer) => {
    const { bind, admin } = await withRole()
    const { status, json } = await bind(wish)
    expect([status, json.errors?.[0].pointer]).toEqual([400, pointer])
    expect((await admin('GET', '/resources/tracker/bindings')).json.items).toEqual([])
  })

  test('make nobody an administrator by making everyone one', async () => {
    const { bind, admin } = await withRole()
    await admin('PUT', '/resources/tracker/roles/owner', { scopes: [], administrator: true })
    const { status, json } = await bind({ role: 'owner', holder: { everyone: true } })
    expect([status, json.errors[0].pointer]).toEqual([400, '/holder'])
    expect((await bind({ role: 'owner', holder: ada })).status).toBe(201)
    await bind({ holder: { everyone: true } })
    const raised = await admin('PUT', '/resources/tracker/roles/reader', { scopes: [], administrator: true })
    expect([raised.status, raised.json.errors[0].pointer]).toEqual([409, '/administrator'])
    expect((await admin('GET', '/resources/tracker/roles/reader')).json.administrator).toBeUndefined()
  })

  test('of another resource are none of this one', async () => {
    const { bind, admin } = await withRole()
    const { json } = await bind({ holder: ada })
    await admin('PUT', '/resources/second', { ...tracker, resource: 'https://second.test' })
    expect((await admin('DELETE', `/resources/second/bindings/${json.id}`)).status).toBe(404)
    expect((await admin('GET', '/resources/tracker/bindings')).json.items).toHaveLength(1)
  })
})

describe('quotas', () => {
  test('are listed with how they stand in the present window', async () => {
    const gateway = await withTools()
    const made = await gateway.admin('POST', '/resources/tracker/quotas', {
      per: 'subject',
      limit: 3,
      window: 'hour',
      tools: ['read_issue'],
    })
    expect(made.status).toBe(201)
    const { id } = made.json
    const { store } = gateway.gateway
    const endsAt = made.json.use.ends_at
    const draw = (whose: string) => ({ id: `${id}:${endsAt - 3600}:${whose}`, quotaId: id, limit: 3, endsAt })
    for (const whose of ['ada', 'ada', 'bob']) await store.quotas.draw([draw(whose)])
    const [shown] = (await gateway.admin('GET', '/resources/tracker/quotas')).json.items
    expect(shown).toEqual({ ...made.json, use: { ends_at: endsAt, counts: 2, calls: 3, most: 2 } })
    gateway.time.now = endsAt
    const [later] = (await gateway.admin('GET', '/resources/tracker/quotas')).json.items
    expect(later.use).toEqual({ ends_at: endsAt + 3600, counts: 0, calls: 0, most: 0 })
    expect((await gateway.admin('DELETE', `/resources/tracker/quotas/${id}`)).json.deleted).toEqual({
      quota: id,
    })
    expect((await lastEvent(gateway, 'quota.deleted')).detail).toMatchObject({
      quota: id,
      before: { limit: 3 },
    })
    expect((await gateway.admin('DELETE', `/resources/tracker/quotas/${id}`)).status).toBe(404)
  })

  test.each<[string, Json, string]>([
    ['a role that is not there', { per: 'role', role: 'reader', limit: 1, window: 'day' }, '/role'],
    ['a count per role of none', { per: 'role', limit: 1, window: 'day' }, '/role'],
    [
      'a tool nobody published',
      { per: 'client', limit: 1, window: 'day', tools: ['delete_all'] },
      '/tools/0',
    ],
    ['a window of the moon', { per: 'client', limit: 1, window: 'moon' }, '/window'],
  ])('refuse %s', async (_, wish, pointer) => {
    const { admin } = await withTools()
    const { status, json } = await admin('POST', '/resources/tracker/quotas', wish)
    expect([status, json.errors?.[0].pointer]).toEqual([400, pointer])
  })
})

test('what a file declares is governed through the API all the same', async () => {
  const gateway = await openAdminGateway({ file: { resources: { tracker } } })
  await publishTools(gateway, ['read_issue'])
  expect((await review(gateway, 'read_issue', { scopes: ['issues.read'] })).status).toBe(200)
  expect((await gateway.admin('PUT', '/resources/tracker/roles/reader', { scopes: [] })).status).toBe(201)
})

describe('a simulation', () => {
  async function withAda() {
    const gateway = await openAdminGateway()
    const { admin } = gateway
    await admin('PUT', '/resources/tracker', { ...tracker, access: 'bindings' })
    await seedPeople(gateway)
    await publishTools(gateway, ['read_issue', 'write_issue', 'new_tool'])
    await review(gateway, 'read_issue', { scopes: ['issues.read'] })
    await review(gateway, 'write_issue', { scopes: ['issues.write'] })
    await admin('PUT', '/resources/tracker/roles/reader', { scopes: ['issues.read'] })
    const by = { activatedAt: start, activatedBy: 'admin:test' }
    const event = auditEvent(start, { event: 'resource.activated', actor: 'admin:test' })
    await gateway.gateway.store.tools.activate('tracker', by, event)
    const bound = await admin('POST', '/resources/tracker/bindings', {
      role: 'reader',
      holder: { subject: 'sub_ada' },
      conditions: { cidrs: ['10.0.0.0/8'], arguments: { repo: { one_of: ['api'] } } },
    })
    const simulate = async (call: Json) => {
      const wish = { subject: 'sub_ada', tool: 'read_issue', address: '10.1.1.1', ...call }
      return (await admin('POST', '/resources/tracker/simulations', wish)).json
    }
    return { ...gateway, simulate, binding: bound.json.id }
  }

  test('says yes by the binding it rests on', async () => {
    const { simulate, binding } = await withAda()
    const said = { allowed: true, bindings: [binding], cache_for: 0 }
    expect(await simulate({ arguments: { repo: 'api' } })).toEqual(said)
    expect(await simulate({ scopes: ['issues.read'] })).toEqual(said)
  })

  test('says no as a real call would be told', async () => {
    const { simulate, binding } = await withAda()
    expect(await simulate({ arguments: { repo: 'payroll' } })).toEqual({
      allowed: false,
      code: 'policy_denied',
      reason: 'condition_failed',
      message: expect.stringContaining('condition'),
      failed_conditions: ['arguments'],
      bindings: [binding],
      cache_for: 0,
    })
    expect(await simulate({ scopes: [] })).toMatchObject({
      code: 'scope_insufficient',
      required: { scope: 'issues.read' },
    })
    expect(await simulate({ address: '192.0.2.1' })).toMatchObject({ failed_conditions: ['cidrs'] })
    expect(await simulate({ tool: 'write_issue' })).toMatchObject({ reason: 'not_bound' })
    expect(await simulate({ tool: 'new_tool' })).toMatchObject({ reason: 'tool_unreviewed' })
    expect(await simulate({ tool: 'lost' })).toMatchObject({ reason: 'unknown_tool' })
    expect(await simulate({ subject: 'sub_bob' })).toMatchObject({ reason: 'not_bound' })
  })

  test('looks at quotas, and takes nothing from them', async () => {
    const { simulate, admin, gateway } = await withAda()
    const { json } = await admin('POST', '/resources/tracker/quotas', {
      per: 'subject',
      limit: 1,
      window: 'day',
    })
    for (let times = 0; times < 3; times++) expect(await simulate({})).toMatchObject({ allowed: true })
    const { ends_at: endsAt } = json.use
    await gateway.store.quotas.draw([
      { id: `${json.id}:${endsAt - 86_400}:sub_ada`, quotaId: json.id, limit: 1, endsAt },
    ])
    expect(await simulate({})).toMatchObject({ code: 'rate_limited', retry_after: endsAt - start })
    expect(await simulate({ at: endsAt })).toMatchObject({ allowed: true })
  })

  test('of somebody who is not there is refused', async () => {
    const { admin } = await withAda()
    const answer = await admin('POST', '/resources/tracker/simulations', {
      subject: 'sub_eve',
      tool: 'read_issue',
    })
    expect([answer.status, answer.json.errors[0].pointer]).toEqual([400, '/subject'])
  })

  test('goes with what somebody may do at all', async () => {
    const { admin, binding } = await withAda()
    const { json } = await admin('GET', '/resources/tracker/access/sub_ada')
    expect(json).toMatchObject({ subject: 'sub_ada', enabled: true, scopes: ['issues.read'] })
    expect(json.roles).toMatchObject([{ binding, role: 'reader', conditions: { cidrs: ['10.0.0.0/8'] } }])
    expect(json.tools).toMatchObject([
      { name: 'new_tool', state: 'unreviewed', allowed: false, reason: 'tool_unreviewed' },
      { name: 'read_issue', allowed: false, reason: 'condition_failed', failed_conditions: ['cidrs'] },
      { name: 'write_issue', allowed: false, reason: 'not_bound' },
    ])
    await admin('POST', '/resources/tracker/bindings', { role: 'reader', holder: { everyone: true } })
    const bob = (await admin('GET', '/resources/tracker/access/sub_bob')).json
    expect(bob.tools[1]).toMatchObject({ name: 'read_issue', allowed: true })
    expect((await admin('GET', '/resources/tracker/access/sub_eve')).status).toBe(404)
  })
})

describe('decisions', () => {
  async function withDecisions() {
    const gateway = await withTools()
    const record = async (id: string, changes: Partial<Decision> = {}) => {
      gateway.time.now += 1
      await recordDecision(gateway, id, changes)
    }
    await record('1')
    const detail = { reason: 'not_bound', bindings: [] }
    await record('2', { allowed: false, code: 'policy_denied', detail })
    await record('3', { subjectId: 'sub_bob', clientId: 'other', tool: 'write_issue' })
    const times = async (query: string) =>
      (await gateway.admin('GET', `/decisions?${query}`)).json.items.map(({ at }: Json) => at - start)
    return { ...gateway, times }
  }

  test('are listed, the youngest first, by what is asked for', async () => {
    const { admin, times } = await withDecisions()
    expect(await times('resource_id=tracker')).toEqual([3, 2, 1])
    expect(await times('allowed=false')).toEqual([2])
    expect(await times('allowed=true&subject_id=sub_ada')).toEqual([1])
    expect(await times('client_id=other')).toEqual([3])
    expect(await times('tool=write_issue')).toEqual([3])
    expect(await times('resource_id=notes')).toEqual([])
    const page = (await admin('GET', '/decisions?limit=2')).json
    expect(await times(`cursor=${page.next_cursor}`)).toEqual([1])
  })

  test('are explained one by one', async () => {
    const { admin } = await withDecisions()
    const [, denied] = (await admin('GET', '/decisions')).json.items
    const { json } = await admin('GET', `/decisions/${denied.id}`)
    expect(json).toEqual(denied)
    expect(json).toMatchObject({ code: 'policy_denied', detail: { reason: 'not_bound' } })
    expect(json.message).toBe('No role of this person opens this tool.')
    expect((await admin('GET', '/decisions/lost')).status).toBe(404)
  })
})
