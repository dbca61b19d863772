import { afterAll, beforeAll, expect, test } from 'vitest'
import { auditEvent } from '../../src/audit/event.ts'
import { subject } from '../storage/rows.ts'
import { coatcheckAt } from '../support/cli.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { startMcpStandin } from '../support/mcp-standin.ts'
import { publishTools, tool } from '../support/tool-policy.ts'
import { createCredential } from '../support/world.ts'

let gateway: TestGateway
let server: Awaited<ReturnType<typeof startMcpStandin>>
let publish: (tools: unknown) => Promise<unknown>

beforeAll(async () => {
  gateway = await startTestGateway()
  server = await startMcpStandin(gateway.issuer)
  const scopes = ['--scope', 'read=Read', '--scope', 'write=Write', '--default-scope', 'read']
  const uri = ['--uri', server.uri, '--name', 'Tracker', '--access', 'bindings']
  expect((await cli(['resource', 'set', 'tracker', ...uri, ...scopes])).exitCode).toBe(0)
  const credential = await createCredential(gateway, 'tracker')
  publish = async (tools) => await publishTools({ gateway, credential }, tools)
  await publish([tool('read_issue', { repo: { type: 'string' } }), tool('about')])
})
afterAll(async () => {
  await gateway.stop()
  await server.stop()
})

const cli = async (args: string[], options = {}) => await coatcheckAt(gateway)(args, options)

async function hashOf(name: string): Promise<string> {
  const { out = '' } = await cli(['tool', 'show', 'tracker', name, '--json'])
  return JSON.parse(out).published_hash
}

test('a tool is opened as it was looked at, and not as it is otherwise', async () => {
  const open = ['tool', 'open', 'tracker', 'read_issue', '--scope', 'read']
  expect((await cli(['tool', 'list', 'tracker'])).out).toMatch(/^read_issue +unreviewed /m)
  const blind = await cli(open)
  expect([blind.exitCode, blind.err]).toEqual([
    2,
    expect.stringContaining('coatcheck tool show tracker read_issue'),
  ])
  const late = await cli([...open, '--hash', 'something-else'])
  expect([late.exitCode, late.err]).toEqual([2, expect.stringContaining('is not what was looked at')])
  const hash = await hashOf('read_issue')
  const { out } = await cli([...open, '--hash', hash.slice(0, 8), '--step-up-max-age', '60'])
  expect(out).toBe('read_issue is approved: read, with a new sign-in.')
  const weaker = await cli([...open, '--scope', 'write', '--hash', hash])
  expect(weaker.out).toBe(
    'read_issue is approved: read or write. Somebody may call it now who could not before.',
  )
  expect((await cli(['tool', 'list', 'tracker'])).out).toMatch(
    new RegExp(`^read_issue +approved +read or write +- +- +${hash.slice(0, 8)}$`, 'm'),
  )
})

test('a tool becomes public once its name is typed', async () => {
  const args = ['tool', 'public', 'tracker', 'about', '--hash', await hashOf('about')]
  const refused = await cli(args)
  expect([refused.exitCode, refused.err]).toEqual([1, expect.stringContaining('/confirm')])
  expect((await cli([...args, '--confirm', 'about'])).out).toContain('about is approved: public.')
})

test('a tool that is published is not forgotten', async () => {
  const { exitCode, err } = await cli(['tool', 'forget', 'tracker', 'about'])
  expect([exitCode, err]).toEqual([1, expect.stringContaining('still publishes it')])
})

test('roles, bindings and quotas are made, listed and deleted', async () => {
  const made = await cli(['role', 'set', 'tracker', 'reader', '--scope', 'read', '--description', 'Reads'])
  expect(made.out).toContain('Role reader gives read.\ncoatcheck binding create tracker reader')
  expect((await cli(['role', 'list', 'tracker'])).out).toMatch(/^reader +read +- +Reads$/m)
  expect((await cli(['role', 'show', 'tracker', 'reader'])).out).toMatch(/^scopes +read$/m)

  const bind = ['binding', 'create', 'tracker', 'reader']
  const clash = await cli([...bind, '--everyone', '--subject', 'sub_ada'])
  expect([clash.exitCode, clash.err]).toEqual([2, expect.stringContaining('exclude one another')])
  expect((await cli([...bind, '--group', 'staff'])).exitCode).toBe(2)
  const files = { limits: JSON.stringify({ conditions: { arguments: { repo: { one_of: ['api'] } } } }) }
  const bound = await cli([...bind, '--everyone', '--file', 'limits', '--expires-in', '4w'], { files })
  const [, id = ''] = /^everyone has the role reader: (bind_\S+)\.$/.exec(bound.out ?? '') ?? []
  expect((await cli(['binding', 'list', 'tracker'])).out).toContain(
    '{"arguments":{"repo":{"one_of":["api"]}}}',
  )
  expect((await cli(['role', 'delete', 'tracker', 'reader'])).err).toContain('somebody is bound to it')

  const quota = await cli([
    'quota',
    'create',
    'tracker',
    '--limit',
    '5',
    '--window',
    'day',
    '--tool',
    'about',
  ])
  const [, quotaId = ''] = /^5 calls a day for each subject: (quota_\S+)\.$/.exec(quota.out ?? '') ?? []
  expect((await cli(['quota', 'list', 'tracker'])).out).toMatch(/ about +0 of 5, 0 in all$/m)
  expect((await cli(['quota', 'delete', 'tracker', quotaId])).out).toContain(`Deleted quota ${quotaId}`)
  expect((await cli(['binding', 'delete', 'tracker', id])).out).toContain(`Deleted binding ${id}`)
  expect((await cli(['role', 'delete', 'tracker', 'reader'])).out).toContain('Deleted role reader')
})

test('an MCP server is probed, activated and closed, and says what is missing until then', async () => {
  const status = await cli(['resource', 'status', 'tracker'])
  expect([status.exitCode, status.out]).toEqual([1, expect.stringContaining('Protection not verified.')])
  const refused = await cli(['resource', 'activate', 'tracker'])
  expect([refused.exitCode, refused.err]).toEqual([1, expect.stringContaining('never probed')])
  const probed = await cli(['resource', 'probe', 'tracker'])
  expect([probed.exitCode, probed.out]).toEqual([1, expect.stringContaining('Needs review.')])
  expect(probed.out).toMatch(/^ {2}wrong_audience +passed$/m)
  expect(probed.out).toContain('  - only who is bound has access, and nobody is')
  await cli(['role', 'set', 'tracker', 'reader', '--scope', 'read'])
  await cli(['binding', 'create', 'tracker', 'reader', '--everyone', '--cidr', '10.0.0.0/8'])
  const live = await cli(['resource', 'activate', 'tracker'])
  expect([live.exitCode, live.out]).toEqual([0, expect.stringMatching(/^Live\.[\s\S]*by admin:token\.$/)])
  const closed = await cli(['resource', 'deactivate', 'tracker'])
  expect(closed.out).toContain('Not open to people yet: coatcheck resource activate tracker')
  await cli(['resource', 'activate', 'tracker'])
})

test('a call is simulated, access shown, and decisions listed and explained', async () => {
  const { store, clock } = gateway.running().gateway
  const now = clock()
  const identity = {
    subjectId: 'sub_ada',
    provider: 'forge',
    issuer: 'https://forge.test',
    upstreamSubject: '1',
    label: 'ada',
    email: null,
    emailVerified: false,
    groups: [],
    createdAt: now,
    lastSignInAt: now,
  }
  const event = auditEvent(now, { event: 'subject.created', actor: 'subject:sub_ada' })
  await store.subjects.create(subject('sub_ada'), identity, event)
  const call = ['simulate', 'tracker', 'sub_ada', 'read_issue', '--argument', 'repo=api']
  const allowed = await cli([...call, '--address', '10.0.0.7'])
  expect(allowed.out).toMatch(/^Allowed\.\ncache for +0\nbindings +bind_/)
  const refused = await cli([...call, '--address', '192.0.2.1'])
  expect(refused.out).toMatch(/^Refused\. A condition .*\n/)
  expect(refused.out).toMatch(/^failed conditions +cidrs$/m)
  const access = await cli(['access', 'show', 'tracker', 'sub_ada'])
  expect(access.out).toMatch(/^roles +reader$/m)
  expect(access.out).toMatch(/^read_issue +condition_failed +cidrs$/m)
  expect(access.out).toMatch(/^about +may be called +-$/m)
  await store.decisions.record([
    {
      id: 'decision-1',
      at: clock(),
      resourceId: 'tracker',
      subjectId: 'sub_ada',
      clientId: 'editor',
      tool: 'read_issue',
      allowed: false,
      code: 'policy_denied',
      detail: { reason: 'not_bound', bindings: [] },
      expiresAt: clock() + 60,
    },
  ])
  const list = await cli(['decision', 'list', '--resource', 'tracker', '--allowed', 'false'])
  expect(list.out).toMatch(/^decision-1 .* read_issue +no +policy_denied$/m)
  const shown = await cli(['decision', 'show', 'decision-1'])
  expect(shown.out).toMatch(/^message +No role of this person opens this tool\.$/m)
  expect(shown.out).toMatch(/^reason +not_bound$/m)
})
