import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PublishedTool } from '../../src/storage/documents.ts'
import { type AdminGateway, type Json, openAdminGateway, start } from '../support/admin-gateway.ts'
import { type Habits, startMcpStandin } from '../support/mcp-standin.ts'
import { publishTools, toolOf, tracker } from '../support/tracker.ts'

const issuer = 'http://localhost:8080'
let server: Awaited<ReturnType<typeof startMcpStandin>>
beforeAll(async () => {
  server = await startMcpStandin(issuer)
})
afterAll(async () => await server.stop())

const reading: PublishedTool = { ...toolOf('read_issue'), annotations: { readOnlyHint: true } }

async function review({ admin }: AdminGateway, name: string, rule: Json) {
  const path = `/resources/tracker/tools/${name}`
  const { published_hash } = (await admin('GET', path)).json
  expect((await admin('PUT', path, { ...rule, published_hash })).status).toBe(200)
}

/** A gateway that has everything of the tracker but probes. */
async function openTracker(habits: Habits = {}) {
  server.behave(habits)
  const gateway = await openAdminGateway({ issuer })
  await gateway.admin('PUT', '/resources/tracker', { ...tracker, resource: server.uri })
  await publishTools(gateway, [reading, 'write_issue', 'whoami'])
  await review(gateway, 'read_issue', { scopes: ['issues.read'] })
  await review(gateway, 'write_issue', { scopes: ['issues.write'] })
  await review(gateway, 'whoami', { access: 'public', confirm: 'whoami' })
  const at = (action: string) => `/resources/tracker/application${action}`
  return {
    ...gateway,
    status: async () => (await gateway.admin('GET', at(''))).json,
    probe: async () => (await gateway.admin('POST', at('/probe'))).json,
    activate: async () => await gateway.admin('POST', at('/activate')),
    deactivate: async () => await gateway.admin('POST', at('/deactivate')),
  }
}

const outcomes = ({ probes }: Json) =>
  Object.fromEntries(probes.map(({ check, outcome }: Json) => [check, outcome]))
const allPassed = {
  metadata: 'passed',
  challenge: 'passed',
  garbage_token: 'passed',
  wrong_audience: 'passed',
  list_filter: 'passed',
  denied_call: 'passed',
}
const codes = ({ missing }: Json) => missing.map(({ code }: Json) => code)

describe('the probes of a running MCP server', () => {
  test.each<[string, Habits]>([
    ['answers JSON', {}],
    ['answers streams', { streams: true }],
    ['shows what is public', { lists: [['whoami'], []] }],
    ['refuses by 403', { answers: { status: 403 } }],
    ['refuses everything without a scope', { judges: (aud) => (aud === server.uri ? 403 : 401) }],
    [
      'knows no tool of a name it does not show',
      { answers: { error: { code: -32602, message: 'Unknown tool' } } },
    ],
  ])('pass where it %s', async (_, habits) => {
    const { probe } = await openTracker(habits)
    expect(outcomes(await probe())).toEqual(allPassed)
  })

  test.each<[string, Habits, Partial<typeof allPassed>, string]>([
    [
      'lets everybody in',
      { judges: () => 200, lists: [['read_issue']], answers: { result: {} } },
      { garbage_token: 'failed', wrong_audience: 'failed', list_filter: 'failed', denied_call: 'skipped' },
      'read_issue',
    ],
    [
      'takes tokens for others',
      { judges: (aud) => (aud === undefined ? 401 : 200) },
      { wrong_audience: 'failed' },
      '200',
    ],
    [
      'refuses with another status',
      { judges: (aud) => (aud === server.uri ? 200 : 500) },
      { garbage_token: 'failed', wrong_audience: 'failed' },
      '500',
    ],
    [
      'refuses our tokens too',
      { judges: () => 401 },
      { list_filter: 'failed', denied_call: 'failed' },
      'good token',
    ],
    ['has no metadata', { metadata: 'absent' }, { metadata: 'failed' }, '404'],
    [
      'has the metadata of another',
      { metadata: { resource: 'https://other.test', authorization_servers: [issuer] } },
      { metadata: 'failed' },
      'another resource',
    ],
    [
      'names another gateway',
      { metadata: { authorization_servers: ['https://other.test'] } },
      { metadata: 'failed' },
      'resource',
    ],
    [
      'challenges without metadata',
      { challenge: 'Bearer realm="mcp"' },
      { challenge: 'failed' },
      'resource_metadata',
    ],
    ['challenges by another scheme', { challenge: 'Basic realm="mcp"' }, { challenge: 'failed' }, 'Bearer'],
    [
      'leads to another host',
      { challenge: 'Bearer resource_metadata="https://other.test/x"' },
      { challenge: 'failed' },
      'another host',
    ],
    [
      'shows a closed tool on its last page',
      { lists: [[], [], ['write_issue']] },
      { list_filter: 'failed', denied_call: 'skipped' },
      'write_issue',
    ],
    [
      'shows what it never published',
      { lists: [['backdoor']] },
      { list_filter: 'failed', denied_call: 'skipped' },
      '1 that it never published',
    ],
    [
      'shows what is no name',
      { lists: [[{ toString: 1 }, null, 7]] },
      { list_filter: 'failed', denied_call: 'skipped' },
      '3 that it never published',
    ],
    [
      'has a list without an end',
      { lists: Array.from({ length: 12 }, () => []) },
      { list_filter: 'failed', denied_call: 'skipped' },
      'more than 10 pages',
    ],
    [
      'sends elsewhere',
      { judges: (aud) => (aud === server.uri ? 200 : 307) },
      { garbage_token: 'failed', wrong_audience: 'failed' },
      '307',
    ],
    [
      'hides a tool and answers its calls',
      { answers: { result: { content: [] } } },
      { denied_call: 'failed' },
      'without its scope',
    ],
    [
      'fails as if by accident',
      { answers: { result: { isError: true, content: [] } } },
      { denied_call: 'failed' },
      'does not say',
    ],
  ])('see that it %s', async (_, habits, expected, detail) => {
    const { probe } = await openTracker(habits)
    const found = await probe()
    expect(outcomes(found)).toEqual({ ...allPassed, ...expected })
    expect(JSON.stringify(found.probes)).toContain(detail)
    expect(found.state).toBe('protection_not_verified')
  })

  test('see that nobody answers', async () => {
    const gateway = await openTracker()
    await gateway.admin('PUT', '/resources/tracker', { ...tracker, resource: 'http://127.0.0.1:1/mcp' })
    const found = await gateway.probe()
    expect(new Set(Object.values(outcomes(found)))).toEqual(new Set(['failed']))
  })

  test('find nothing where this gateway may not go', async () => {
    const gateway = await openAdminGateway({ issuer: 'https://gateway.test' })
    await gateway.admin('PUT', '/resources/tracker', { ...tracker, resource: 'https://127.0.0.1:1/mcp' })
    const { json } = await gateway.admin('POST', '/resources/tracker/application/probe')
    expect(json.probes.map(({ detail }: Json) => detail)).toEqual(
      Array.from({ length: 6 }, () => expect.stringContaining('not at an address this gateway talks to')),
    )
  })

  test('call a tool only where that can do no harm', async () => {
    const gateway = await openTracker()
    await publishTools(gateway, ['write_issue', 'whoami'])
    expect(outcomes(await gateway.probe())).toMatchObject({ denied_call: 'skipped' })
    expect(server.heard.filter(({ rpc }) => rpc === 'tools/call')).toEqual([])
    const input_schema = { type: 'object', properties: { id: {} }, required: ['id'] }
    await publishTools(gateway, [{ ...toolOf('write_issue'), input_schema }])
    expect(outcomes(await gateway.probe())).toMatchObject({ denied_call: 'passed' })
    const [call] = server.heard.filter(({ rpc }) => rpc === 'tools/call')
    expect(call?.params).toEqual({ name: 'write_issue', arguments: {} })
    // What it lacks may be why it fails.
    server.behave({ answers: { error: { code: -32602, message: 'id is missing' } } })
    expect(outcomes(await gateway.probe())).toMatchObject({ denied_call: 'failed' })
  })

  test('come with tokens that open nothing anywhere', async () => {
    const { probe, time } = await openTracker()
    await probe()
    const tokens = new Set(server.heard.flatMap(({ token }) => token ?? []))
    const jwts = [...tokens].filter((token) => token.split('.').length === 3).map((token) => decodeJwt(token))
    expect(jwts.map(({ aud }) => aud).toSorted()).toEqual([
      server.uri,
      'urn:coatcheck:probe:another-audience',
    ])
    for (const claims of jwts) {
      expect(claims).toMatchObject({ sub: 'sub_probe', client_id: 'client_probe', exp: time.now + 120 })
      expect(claims).not.toHaveProperty('scope')
      expect(claims).not.toHaveProperty('tsid')
    }
  })

  test('end the session they began', async () => {
    const { probe } = await openTracker()
    await probe()
    expect(server.heard.at(-1)).toMatchObject({ method: 'DELETE', session: 'session-1' })
  })
})

describe('a resource', () => {
  test('becomes live step by step, and says exactly what is missing', async () => {
    server.behave({})
    const gateway = await openAdminGateway({ issuer })
    const { admin } = gateway
    await admin('PUT', '/resources/tracker', { ...tracker, resource: server.uri, access: 'bindings' })
    const status = async () => (await admin('GET', '/resources/tracker/application')).json
    const act = async (action: string) => await admin('POST', `/resources/tracker/application/${action}`)

    expect(await status()).toMatchObject({ state: 'protection_not_verified', activated_at: null, probes: [] })
    expect(codes(await status())).toEqual(['never_probed', 'no_tools', 'no_bindings'])
    const refused = await act('activate')
    expect([refused.status, refused.json.code]).toEqual([409, 'conflict'])
    expect(refused.json.errors.map(({ message }: Json) => message)).toEqual([
      'its protection was never probed',
      'its MCP server has published no tools',
      'only who is bound has access, and nobody is',
    ])

    await publishTools(gateway, [reading])
    await admin('PUT', '/resources/tracker/roles/reader', { scopes: [] })
    expect((await act('probe')).json).toMatchObject({
      state: 'needs_review',
      missing: [
        { code: 'tool_unreviewed', tool: 'read_issue', message: 'the tool read_issue waits for review' },
        { code: 'empty_role', role: 'reader' },
        { code: 'no_bindings' },
      ],
      probed_at: start,
      probe_due_at: start + 3600,
    })
    await review(gateway, 'read_issue', { scopes: ['issues.read'] })
    await admin('PUT', '/resources/tracker/roles/reader', { scopes: ['issues.read'] })
    await admin('POST', '/resources/tracker/bindings', { role: 'reader', holder: { everyone: true } })
    expect(await status()).toMatchObject({ state: 'needs_review', missing: [] })
    const live = await act('activate')
    expect(live.json).toMatchObject({ state: 'live', activated_at: start, activated_by: 'admin:token' })
    const [event] = (await admin('GET', '/audit-events?event=resource.activated')).json.items
    expect(event).toMatchObject({ actor: 'admin:token', resource_id: 'tracker' })
  })

  test('falls back by what fails or changes, and what was activated stays', async () => {
    const gateway = await openTracker()
    const { probe, activate, status, time } = gateway
    await probe()
    await activate()
    await publishTools(gateway, [{ ...reading, description: 'Another' }, 'whoami', 'write_issue'])
    expect(await status()).toMatchObject({ state: 'needs_review', activated_at: start })
    expect((await status()).missing).toMatchObject([{ code: 'tool_changed', tool: 'read_issue' }])
    await review(gateway, 'read_issue', { scopes: ['issues.read'] })
    expect((await status()).state).toBe('live')

    server.behave({ judges: () => 200 })
    time.now += 3599
    expect(await gateway.gateway.probing.runDue()).toEqual([])
    time.now += 1
    expect(await gateway.gateway.probing.runDue()).toMatchObject([{ resourceId: 'tracker' }])
    expect(await gateway.gateway.probing.runDue()).toEqual([])
    expect(await status()).toMatchObject({ state: 'protection_not_verified', activated_at: start })
    expect(codes(await status())).toEqual(['probe_failed', 'probe_failed'])

    server.behave({})
    time.now += 3600
    await gateway.gateway.probing.runDue()
    expect((await status()).state).toBe('live')
    time.now += 7201
    expect(codes(await status())).toEqual(['probe_too_old'])
  })

  test('is closed and opened again, each once in the record', async () => {
    const { probe, activate, deactivate, admin, time } = await openTracker()
    await probe()
    await activate()
    time.now += 10
    expect((await activate()).json.activated_at).toBe(start)
    expect((await deactivate()).json).toMatchObject({
      state: 'needs_review',
      missing: [],
      activated_at: null,
    })
    await deactivate()
    expect((await activate()).json).toMatchObject({ state: 'live', activated_at: start + 10 })
    const count = async (event: string) =>
      (await admin('GET', `/audit-events?event=${event}`)).json.items.length
    expect([await count('resource.activated'), await count('resource.deactivated')]).toEqual([2, 1])
  })

  test('that is disabled is not probed by itself, and is not live', async () => {
    const { probe, activate, status, admin, time, gateway } = await openTracker()
    await probe()
    await activate()
    await admin('PUT', '/resources/tracker', { ...tracker, resource: server.uri, enabled: false })
    expect(codes(await status())).toEqual(['resource_disabled'])
    time.now += 3600
    server.behave({})
    expect(await gateway.probing.runDue()).toEqual([])
    expect(server.heard).toEqual([])
  })
})

test('what was found of a server says nothing of the one that stands at another URI since', async () => {
  const { admin, probe, status, activate } = await openTracker()
  expect(codes(await probe())).toEqual([])
  const renamed = { ...tracker, resource: server.uri, name: 'Tracker of ours' }
  await admin('PUT', '/resources/tracker', renamed)
  expect(codes(await status())).toEqual([])
  await admin('PUT', '/resources/tracker', { ...renamed, resource: 'https://elsewhere.test/mcp' })
  expect(codes(await status())).toEqual(['never_probed'])
  expect((await activate()).status).toBe(409)
})
