import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type HeldRole,
  judge,
  type ToolCall,
  type ToolCaller,
  type ToolPolicy,
} from '../../src/policy/decision.ts'
import { publishedHash } from '../../src/policy/tool.ts'
import type { Conditions, PublishedTool, RoleDocument, ToolRule } from '../../src/storage/documents.ts'
import type { Tool } from '../../src/storage/tools.ts'

const now = 1_900_000_000
const published: PublishedTool = {
  name: 'read_issue',
  input_schema: { type: 'object', properties: { repo: { type: 'string' } } },
}
const readRule: ToolRule = { access: 'scopes', scopes: ['issues.read'], match: 'any' }

function tool(rule: ToolRule | null, changes: Partial<Tool> = {}): Tool {
  const hash = publishedHash(published)
  return {
    resourceId: 'tracker',
    name: published.name,
    published,
    publishedHash: hash,
    isPublished: true,
    rule,
    reviewedHash: rule && hash,
    reviewed: rule && published,
    reviewedAt: rule && now,
    reviewedBy: rule && 'admin:ada',
    createdAt: now,
    changedAt: now,
    ...changes,
  }
}

function role(scopes: string[], conditions: Conditions = {}, more: Partial<RoleDocument> = {}): HeldRole {
  return { bindingId: `for ${scopes.join(' ')}`, role: 'reader', document: { scopes, ...more }, conditions }
}

const policy: ToolPolicy = {
  access: 'bindings',
  resourceScopes: ['issues.read', 'issues.write'],
  isActive: true,
  tool: tool(readRule),
  roles: [role(['issues.read'])],
  quotas: [],
}
const caller: ToolCaller = { subjectId: 'sub_ada', clientId: 'editor', scopes: ['issues.read'] }
const call: ToolCall = { now, tool: 'read_issue', arguments: { repo: 'api' }, authTime: now - 600 }

const verdict = (
  changes: Partial<ToolPolicy>,
  scopes = caller.scopes,
  circumstances: Partial<ToolCall> = {},
) => judge({ ...policy, ...changes }, { ...caller, scopes }, { ...call, ...circumstances })

test('a token with the scope and a role that gives it open a tool', () => {
  expect(verdict({})).toMatchObject({ allowed: true, bindings: ['for issues.read'], cacheLifetime: 1 })
})

describe('what the policy denies', () => {
  test.each<[string, Partial<ToolPolicy>, string]>([
    ['a tool nobody published', { tool: undefined }, 'unknown_tool'],
    ['a resource that is not live', { isActive: false }, 'not_live'],
    ['a tool nobody reviewed', { tool: tool(null) }, 'tool_unreviewed'],
    ['a tool that has changed since', { tool: tool(readRule, { reviewedHash: 'another' }) }, 'tool_changed'],
    ['a tool that is published no more', { tool: tool(readRule, { isPublished: false }) }, 'tool_withdrawn'],
    ['somebody without a role', { roles: [] }, 'not_bound'],
    [
      'a condition that does not hold',
      { roles: [role(['issues.read'], { time_utc: [] })] },
      'condition_failed',
    ],
  ])('%s', (_, changes, reason) => {
    expect(verdict(changes)).toMatchObject({ allowed: false, code: 'policy_denied', reason })
  })

  test('a tool one binding denies, whatever another allows', () => {
    const roles = [role(['issues.read']), role([], { denied_tools: ['read_issue'] })]
    expect(verdict({ roles })).toMatchObject({ reason: 'tool_denied', failed: ['denied_tools'] })
  })
})

describe('an administrator of a resource', () => {
  const roles = [role([], {}, { administrator: true }), role(['issues.read'])]
  test.each<[string, Partial<ToolPolicy>]>([
    ['a tool nobody reviewed', { tool: tool(null) }],
    ['a changed tool', { tool: tool(readRule, { reviewedHash: 'another' }) }],
    ['a tool of a resource that is not live', { isActive: false }],
  ])('may call %s', (_, changes) => {
    expect(verdict({ ...changes, roles })).toMatchObject({ allowed: true })
  })
  test('is none while the conditions of that role do not hold', () => {
    const bound = [role([], { cidrs: ['10.0.0.0/8'] }, { administrator: true }), role(['issues.read'])]
    expect(verdict({ isActive: false, roles: bound })).toMatchObject({ reason: 'not_live' })
  })
})

describe('scopes', () => {
  const both: ToolRule = { access: 'scopes', scopes: ['issues.read', 'issues.write'], match: 'all' }

  test('that the token lacks and the person may have are asked for', () => {
    expect(verdict({}, [])).toMatchObject({ code: 'scope_insufficient', scopes: ['issues.read'] })
  })
  test('are all named where all are needed', () => {
    const roles = [role(['issues.read', 'issues.write'])]
    expect(verdict({ tool: tool(both), roles })).toMatchObject({
      code: 'scope_insufficient',
      scopes: ['issues.read', 'issues.write'],
    })
  })
  test('that the person may not have are never asked for', () => {
    expect(verdict({ tool: tool(both) })).toMatchObject({ code: 'policy_denied', reason: 'not_bound' })
  })
  test('may come from several roles', () => {
    const roles = [role(['issues.read']), role(['issues.write'])]
    expect(verdict({ tool: tool(both), roles }, ['issues.read', 'issues.write'])).toMatchObject({
      allowed: true,
    })
  })
  test('a role gives only what the resource has', () => {
    expect(verdict({ resourceScopes: [] })).toMatchObject({ reason: 'not_bound' })
  })
  test('are everybody’s where the resource says so', () => {
    expect(verdict({ access: 'everyone', roles: [] })).toMatchObject({ allowed: true })
  })
  test('a public tool needs none', () => {
    expect(
      verdict({ tool: tool({ access: 'public', scopes: [], match: 'any' }), roles: [] }, []),
    ).toMatchObject({
      allowed: true,
    })
  })
})

test('a sign-in that is too old is asked for again, with the age it may have', () => {
  const roles = [role(['issues.read'], { max_authentication_age: 300 })]
  expect(verdict({ roles })).toMatchObject({
    code: 'step_up_required',
    stepUp: { max_age: 300 },
    failed: ['max_authentication_age'],
  })
})

test('a client is not sent for a scope that would not open the tool either', () => {
  const [a, b] = ['issues.read', 'issues.write']
  const either = tool({ access: 'scopes', scopes: [a, b], match: 'any' })
  const elsewhere = role([a], { cidrs: ['10.0.0.0/8'] })
  expect(verdict({ tool: either, roles: [elsewhere] }, [])).toMatchObject({
    code: 'policy_denied',
    failed: ['cidrs'],
  })
  const roles = [elsewhere, role([b])]
  expect(verdict({ tool: either, roles }, [])).toMatchObject({ code: 'scope_insufficient', scopes: [b] })
  expect(verdict({ tool: either, roles }, [a])).toMatchObject({ code: 'scope_insufficient', scopes: [b] })
  const stale = role([a], { max_authentication_age: 300 })
  expect(verdict({ tool: either, roles: [stale] }, [])).toMatchObject({ code: 'scope_insufficient' })
})

test('a new sign-in is asked for where that is enough, and no strength that nobody can prove', () => {
  const roles = [
    role(['issues.read'], { acr_values: ['mfa'] }),
    role(['issues.read'], { max_authentication_age: 300 }),
  ]
  expect(verdict({ roles })).toMatchObject({ code: 'step_up_required', stepUp: { max_age: 300 } })
  expect(verdict({ roles })).not.toHaveProperty('stepUp.acr_values')
})

test('nobody is sent to sign in where that would not be enough', () => {
  const roles = [role(['issues.read'], { max_authentication_age: 300, cidrs: ['10.0.0.0/8'] })]
  expect(verdict({ roles })).toMatchObject({
    code: 'policy_denied',
    failed: ['cidrs', 'max_authentication_age'],
  })
})

test('what hangs on the hour or the place is not said again unasked', () => {
  const roles = [role(['issues.read'], { time_utc: ['00:00-23:59'] })]
  expect(verdict({ roles })).toMatchObject({ allowed: true, cacheLifetime: 0 })
})

describe('an argument that is limited and left out', () => {
  const limited = [role(['issues.read'], { arguments: { repo: { one_of: ['api'] } } })]
  const taking = (input_schema: Record<string, unknown>) =>
    verdict(
      { tool: tool(readRule, { published: { ...published, input_schema } }), roles: limited },
      undefined,
      {
        arguments: {},
      },
    ).allowed
  const repo = { properties: { repo: { type: 'string', default: 'payroll' } } }
  test.each<[string, Record<string, unknown>]>([
    ['a part of all', { allOf: [{}, repo] }],
    ['an alternative', { oneOf: [{ anyOf: [repo] }] }],
    ['a reference', { $ref: '#/$defs/a~1b%20c', $defs: { 'a/b c': repo } }],
    ['references to each other', { $ref: '#/$defs/a', $defs: { a: { allOf: [{ $ref: '#' }, repo] } } }],
    ['a condition', { if: {}, else: repo }],
    ['what another brings', { dependentSchemas: { owner: repo } }],
    ['what is required', { required: ['repo'] }],
  ])('is denied to a tool that takes it by %s', (_, schema) => {
    expect(taking({ type: 'object', ...schema })).toBe(false)
  })
  test.each<[Record<string, unknown>]>([
    [{ properties: { other: repo } }],
    [{ $defs: { unused: repo } }],
    [{ $ref: 'https://elsewhere.test/schema#/a' }],
    [{ properties: [], required: 'repo', allOf: 7, $ref: '#/%zz/1' }],
    [{ properties: { __proto__: null } }],
  ])('is nothing to a tool that does not take it: %j', (schema) => {
    expect(taking({ type: 'object', ...schema })).toBe(true)
  })
})

const scopeSet = fc.uniqueArray(fc.constantFrom('issues.read', 'issues.write', 'other'))
const conditions: fc.Arbitrary<Conditions> = fc.record(
  {
    cidrs: fc.constantFrom(['203.0.113.0/24'], ['10.0.0.0/8']),
    allowed_tools: fc.constantFrom(['read_issue'], ['other_tool']),
    denied_tools: fc.constantFrom(['read_issue'], ['other_tool']),
    arguments: fc.constantFrom({ repo: { one_of: ['api'] } }, { repo: { one_of: ['web'] } }),
    max_authentication_age: fc.constantFrom(60, 3600),
  },
  { requiredKeys: [] },
)
const roles = fc.array(
  fc.tuple(scopeSet, conditions).map(([scopes, narrowed]) => role(scopes, narrowed)),
  { maxLength: 4 },
)

describe('whatever the bindings are', () => {
  test('nobody calls with a scope that the token, the resource or every role lacks', () => {
    fc.assert(
      fc.property(roles, scopeSet, (held, scopes) => {
        const answer = verdict({ roles: held }, scopes, { address: '203.0.113.7' })
        if (!answer.allowed) return
        expect(scopes).toContain('issues.read')
        expect(held.some(({ document }) => document.scopes.includes('issues.read'))).toBe(true)
      }),
    )
  })
  test('one more condition never opens what was closed', () => {
    fc.assert(
      fc.property(roles, scopeSet, conditions, (held, scopes, more) => {
        const narrowed = held.map((each) => ({ ...each, conditions: { ...more, ...each.conditions } }))
        const before = verdict({ roles: held }, scopes).allowed
        const after = verdict({ roles: narrowed }, scopes).allowed
        expect(after && !before).toBe(false)
      }),
    )
  })
  test('the order of bindings is no matter', () => {
    fc.assert(
      fc.property(roles, scopeSet, (held, scopes) => {
        const { bindings: _, ...forth } = verdict({ roles: held }, scopes)
        const { bindings: __, ...back } = verdict({ roles: held.toReversed() }, scopes)
        const sorted = <Answer extends object>(answer: Answer) =>
          'failed' in answer ? { ...answer, failed: new Set(answer.failed as string[]) } : answer
        expect(sorted(back)).toEqual(sorted(forth))
      }),
    )
  })
})
