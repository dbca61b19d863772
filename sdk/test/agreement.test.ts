import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { askDecision, policyOf, publishTools, tool } from '../../test/support/tool-policy.ts'
import {
  claimsOf,
  createCredential,
  newBrowser,
  signIn,
  startWorld,
  type World,
} from '../../test/support/world.ts'
import { type Guard, protect } from '../src/index.ts'
import { mcpRequest, toolCall } from './support/fake-gateway.ts'

const uri = 'https://tracker.test/mcp'
const scopes = ['a', 'b', 'c']
const names = ['read', 'write', 'unreviewed']

let world: World
let guard: Guard
let credential: { id: string; secret: string }
let people: { ada: string; bob: string }
/** Of Ada, by the scopes they have. */
const tokens = new Map<string, string>()

type Json = Record<string, unknown>

beforeAll(async () => {
  world = await startWorld('oidc')
  const { gateway, provider, upstream } = world
  const resource = {
    resource: uri,
    name: 'Tracker',
    scopes: Object.fromEntries(scopes.map((scope) => [scope, `May ${scope}`])),
    default_scopes: ['a'],
    providers: [{ provider, scopes: [upstream.scope] }],
  }
  await gateway.admin('PUT', '/resources/tracker', { ...resource, access: 'everyone' })
  credential = await createCredential(gateway, 'tracker')
  const browser = newBrowser()
  for (const scope of ['a', 'a b', 'b c']) {
    const { tokens: made } = await signIn(world, { browser, parameters: { resource: uri, scope } })
    tokens.set(scope, made.access_token)
  }
  upstream.approveAs('bob')
  const bob = (await signIn(world, { parameters: { resource: uri } })).tokens.access_token
  people = { ada: String(claimsOf(tokens.get('a') ?? '').sub), bob: String(claimsOf(bob).sub) }
  await gateway.admin('PUT', '/resources/tracker', { ...resource, access: 'bindings' })
  await publishTools(
    { gateway, credential },
    names.map((name) => tool(name, { repo: {}, size: {} })),
  )
  await policyOf(gateway, 'tracker').activate()
  world.clock.advance(120)
  const { issuer } = gateway
  guard = protect({
    resource: uri,
    issuer,
    credential,
    tools: 'gateway',
    decisionDeadline: 10,
    clock: world.clock.now,
  })
})
afterAll(() => world.stop())

const clockTime = (at: number) => new Date(at * 1000).toISOString().slice(11, 16)
/** Hours from now; in the tests of a few seconds nothing comes near their ends. */
const window = (from: number, to: number) => [
  `${clockTime(world.clock.now() + from * 3600)}-${clockTime(world.clock.now() + to * 3600)}`,
]

const conditions = fc.record(
  {
    cidrs: fc.constantFrom(['203.0.113.0/24'], ['10.0.0.0/8', '2001:db8::/32']),
    time_utc: fc.constantFrom('now', 'later'),
    allowed_tools: fc.subarray(names, { minLength: 1 }),
    denied_tools: fc.subarray(names, { minLength: 1 }),
    arguments: fc.constantFrom({ repo: { one_of: ['api'] } }, { size: { at_most: 10 } }),
    max_authentication_age: fc.constantFrom(60, 7200),
    acr_values: fc.constantFrom(['gold']),
  },
  { requiredKeys: [] },
)
const binding = fc.record({
  scopes: fc.subarray(scopes),
  administrator: fc.boolean(),
  holder: fc.constantFrom('ada', 'bob', 'everyone'),
  conditions: fc.oneof(fc.constant({}), conditions),
})
const rule = fc.record({
  scopes: fc.subarray(scopes, { minLength: 1 }),
  match: fc.constantFrom('any', 'all'),
})
const call = fc.record(
  {
    by: fc.constantFrom('a', 'a b', 'b c'),
    name: fc.constantFrom(...names, 'unknown', 'read\u0301'),
    values: fc.constantFrom<Json>(
      {},
      { repo: 'api' },
      { repo: ['api', 'web'] },
      { size: 9 },
      { size: '9', text: 'x'.repeat(30_000) },
      { size: 'x'.repeat(30_000) },
      { repo: 'api', text: { long: 'x'.repeat(30_000) } },
    ),
    address: fc.constantFrom('203.0.113.7', '::ffff:10.1.2.3', '2001:db8::1', 'nowhere'),
  },
  { requiredKeys: ['by', 'name', 'values'] },
)

async function bindAll(wishes: (typeof binding extends fc.Arbitrary<infer Wish> ? Wish : never)[]) {
  const { admin } = world.gateway
  const { items } = await admin<{ items: { id: string }[] }>('GET', '/resources/tracker/bindings')
  for (const { id } of items) await admin('DELETE', `/resources/tracker/bindings/${id}`)
  for (const [at, { holder, conditions: wished, administrator, ...document }] of wishes.entries()) {
    const { time_utc: when, ...rest } = wished as { time_utc?: string }
    const held = holder === 'everyone' ? { everyone: true } : { subject: people[holder] }
    const role = `role-${at}`
    await admin('PUT', `/resources/tracker/roles/${role}`, {
      ...document,
      // Everybody is no administrator: the gateway refuses that.
      administrator: administrator && holder !== 'everyone',
    })
    const time_utc = when === 'now' ? window(-2, 2) : window(3, 5)
    await admin('POST', '/resources/tracker/bindings', {
      role,
      holder: held,
      conditions: { ...rest, ...(when !== undefined && { time_utc }) },
    })
  }
}

const told = ({ allowed, code, reason }: Json) =>
  allowed === true ? { allowed } : { allowed: false, code, reason }

/** What comes of a call that is really made. */
async function made(token: string, body: unknown, address: string | undefined) {
  let ran: unknown
  const response = await guard.handle(
    mcpRequest(token, body),
    async (request) => {
      ran = await request.json()
      return Response.json({ jsonrpc: '2.0', id: 1, result: { tools: names.map((name) => ({ name })) } })
    },
    { address },
  )
  const answer = (await response.json()) as { result?: { _meta?: Json; tools?: { name: string }[] } } & Json
  if (ran !== undefined) return { ran, answer, told: { allowed: true } }
  return { ran, answer, told: told((answer.result?._meta?.['coatcheck/denial'] ?? answer) as Json) }
}

test('what is simulated, what is decided and what comes of the real call agree, whatever the bindings are', async () => {
  const worlds = fc.record({
    wishes: fc.array(binding, { maxLength: 4 }),
    rules: fc.tuple(rule, rule),
    calls: fc.array(call, { minLength: 2, maxLength: 4 }),
  })
  const seen = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(worlds, async ({ wishes, rules, calls }) => {
      const { admin } = world.gateway
      // A yes of the world before may be kept for a second.
      world.clock.advance(2)
      for (const [at, each] of rules.entries()) {
        const path = `/resources/tracker/tools/${names[at]}`
        const { published_hash } = await admin('GET', path)
        await admin('PUT', path, { ...each, published_hash })
      }
      await bindAll(wishes)
      for (const { by, name, values, address } of calls) {
        const token = tokens.get(by) ?? ''
        // More than was asked for: who is signed in keeps what the client had.
        const { auth_time, acr, client_id, scope } = claimsOf(token)
        const circumstances = { tool: name, arguments: values, ...(address !== undefined && { address }) }
        const simulated = await admin('POST', '/resources/tracker/simulations', {
          ...circumstances,
          subject: people.ada,
          client_id,
          scopes: String(scope).split(' '),
          auth_age: world.clock.now() - Number(auth_time),
          ...(typeof acr === 'string' && { acr }),
        })
        const { body } = await askDecision({ gateway: world.gateway, credential }, token, circumstances)
        const real = await made(token, toolCall(name, 1, values), address)
        expect(told(body)).toEqual(told(simulated))
        expect(real.told).toEqual(told(simulated))
        const outcome = String(simulated.allowed === true ? 'allowed' : simulated.reason)
        seen.set(outcome, (seen.get(outcome) ?? 0) + 1)
        if (simulated.allowed !== true) continue
        expect(real.ran).toEqual(toolCall(name, 1, values))
        const listed = await made(token, { jsonrpc: '2.0', id: 1, method: 'tools/list' }, address)
        expect(listed.answer.result?.tools).toContainEqual({ name })
      }
    }),
    // Fewer might come upon no world in which anything is allowed.
    { numRuns: 40 },
  )
  // It would prove nothing if everything came to the same.
  expect([...seen.keys()]).toEqual(expect.arrayContaining(['allowed', 'not_bound', 'unknown_tool']))
})
