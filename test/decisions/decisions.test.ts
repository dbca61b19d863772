import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { runs } from '../support/database.ts'
import { createStillClock } from '../support/gateway.ts'
import { type Notes, notesDefinition, startNotes } from '../support/notes.ts'
import { askDecision, explain, listTools, policyOf, publishTools, tool } from '../support/tool-policy.ts'
import { basic, claimsOf, newBrowser, signIn } from '../support/world.ts'

let notes: Notes
let token: string
let subject: string
let policy: ReturnType<typeof policyOf>
const browser = newBrowser()

const tools = [
  tool('read_note', { id: { type: 'string' } }),
  tool('write_note', { id: { type: 'string' }, folder: { type: 'string' } }),
  tool('about'),
  tool('fresh'),
]

beforeAll(async () => {
  notes = await startNotes({ clock: createStillClock() })
  policy = policyOf(notes.gateway, 'notes')
  await publishTools(notes, tools)
  await policy.open('read_note', { scopes: ['notes.read'] })
  await policy.open('write_note', { scopes: ['notes.read', 'notes.write'], match: 'all' })
  await policy.open('about', { access: 'public' })
  await policy.activate()
})
afterAll(() => notes.stop())
beforeEach(async () => {
  const session = await signIn(notes, { browser, parameters: { scope: 'notes.read' } })
  token = session.tokens.access_token
  subject = String(claimsOf(token).sub)
})

const ask = (body: unknown, by = token) => askDecision(notes, by, body)

describe('a call that may be made', () => {
  test('is said yes to, with an id that explains it', async () => {
    const { status, body, headers } = await ask({
      tool: 'read_note',
      arguments: { id: '7' },
      address: '203.0.113.7',
    })
    expect(status).toBe(200)
    expect(body).toEqual({ decision_id: expect.any(String), allowed: true, cache_for: 1 })
    expect(headers.get('cache-control')).toBe('no-store')
    const explained = await explain(notes, String(body.decision_id))
    expect(explained.body).toMatchObject({
      sub: subject,
      tool: 'read_note',
      allowed: true,
      scope: 'notes.read',
      arguments: ['id'],
      address: '203.0.113.7',
    })
    expect(JSON.stringify(explained.body)).not.toContain('"7"')
  })

  test('of a public tool needs no scope', async () => {
    expect((await ask({ tool: 'about' })).body).toMatchObject({ allowed: true })
  })
})

describe('a call that may not', () => {
  test('for want of scopes names all that are needed', async () => {
    const { body } = await ask({ tool: 'write_note' })
    expect(body).toMatchObject({
      allowed: false,
      code: 'scope_insufficient',
      required: { scope: 'notes.read notes.write' },
      message: expect.stringContaining('ask'),
      cache_for: 0,
    })
    expect((await explain(notes, String(body.decision_id))).body).toMatchObject({
      code: 'scope_insufficient',
    })
  })

  test('because nobody reviewed the tool, or nobody published it', async () => {
    expect((await ask({ tool: 'fresh' })).body).toMatchObject({
      code: 'policy_denied',
      reason: 'tool_unreviewed',
    })
    expect((await ask({ tool: 'no_such' })).body).toMatchObject({
      code: 'policy_denied',
      reason: 'unknown_tool',
    })
  })

  test('because the token is none of ours, or another server’s', async () => {
    expect((await ask({ tool: 'about' }, 'garbage')).body).toMatchObject({
      allowed: false,
      code: 'invalid_token',
    })
    const other = await notes.open('other', { ...notesDefinition, resource: 'https://other.test/mcp' })
    const elsewhere = await signIn(
      { ...notes, clientId: notes.clientId },
      { browser, parameters: { resource: 'https://other.test/mcp' } },
    )
    expect((await ask({ tool: 'about' }, elsewhere.tokens.access_token)).body).toMatchObject({
      allowed: false,
      code: 'invalid_audience',
    })
    expect(other).toBeDefined()
  })

  test('because the access was revoked, which is said after the scope that is missing', async () => {
    const { items } = await notes.gateway.admin<{ items: { id: string }[] }>(
      'GET',
      `/token-sessions?subject_id=${subject}`,
    )
    await Promise.all(items.map(({ id }) => notes.gateway.admin('DELETE', `/token-sessions/${id}`)))
    expect((await ask({ tool: 'read_note' })).body).toMatchObject({ code: 'token_revoked' })
    expect((await ask({ tool: 'write_note' })).body).toMatchObject({ code: 'scope_insufficient' })
    expect((await ask({ tool: 'fresh' })).body).toMatchObject({ code: 'token_revoked' })
  })
})

describe('quotas', () => {
  test('let through exactly what they say, however many come at once, and say when to come again', async () => {
    await policy.limit({ per: 'subject', limit: 5, window: 'minute', tools: ['about'] })
    const answers = await Promise.all(Array.from({ length: 30 }, () => ask({ tool: 'about' })))
    const refused = answers.filter(({ body }) => body.allowed === false)
    expect(answers.length - refused.length).toBe(5)
    const left = 60 - (notes.clock.now() % 60)
    expect(refused[0]?.body).toMatchObject({ code: 'rate_limited', retry_after: left })
    notes.clock.advance(left)
    expect((await ask({ tool: 'about' })).body).toMatchObject({ allowed: true, cache_for: 0 })
  })

  test('of none deny, since no wait would help', async () => {
    const path = '/resources/notes/quotas'
    const none = { per: 'resource', limit: 0, window: 'hour', tools: ['about'] }
    const { id } = await notes.gateway.admin<{ id: string }>('POST', path, none)
    const { body } = await ask({ tool: 'about' })
    expect(body).toMatchObject({ allowed: false, code: 'policy_denied', reason: 'quota_of_none' })
    expect(body).not.toHaveProperty('retry_after')
    await notes.gateway.admin('DELETE', `${path}/${id}`)
  })

  test('are not touched by a dry run', async () => {
    notes.clock.advance(60)
    for (let run = 0; run < 10; run++) {
      expect((await ask({ tool: 'about', dry_run: true })).body).toMatchObject({ allowed: true })
    }
    expect((await ask({ tool: 'about' })).body).toMatchObject({ allowed: true })
  })
})

describe('bindings', () => {
  test('narrow what a token opens, and deny wins', async () => {
    const room = await notes.open('bound', {
      ...notesDefinition,
      resource: 'https://bound.test/mcp',
      access: 'bindings',
    })
    const bound = { gateway: notes.gateway, credential: room.credential }
    const rules = policyOf(notes.gateway, 'bound')
    await publishTools(bound, tools)
    await rules.open('read_note', { scopes: ['notes.read'] })
    await rules.open('write_note', { scopes: ['notes.read'] })
    await rules.activate()
    await rules.bind(
      { scopes: ['notes.read'] },
      { subject },
      { conditions: { arguments: { folder: { one_of: ['work'] } }, cidrs: ['203.0.113.0/24'] } },
    )
    const session = await signIn(notes, { browser, parameters: { resource: 'https://bound.test/mcp' } })
    const call = async (body: object) =>
      (await askDecision(bound, session.tokens.access_token, { address: '203.0.113.7', ...body })).body
    expect(await call({ tool: 'write_note', arguments: { folder: 'work' } })).toMatchObject({
      allowed: true,
      cache_for: 0,
    })
    expect(await call({ tool: 'write_note', arguments: { folder: 'private' } })).toMatchObject({
      code: 'policy_denied',
      failed_conditions: ['arguments'],
    })
    expect(await call({ tool: 'read_note', address: '198.51.100.1' })).toMatchObject({
      failed_conditions: ['cidrs'],
    })
    await rules.bind({ scopes: [] }, { everyone: true }, { conditions: { denied_tools: ['read_note'] } })
    expect(await call({ tool: 'read_note' })).toMatchObject({ code: 'policy_denied', reason: 'tool_denied' })
    expect((await listTools(bound, session.tokens.access_token)).body.tools).toEqual([
      { name: 'about', allowed: false, code: 'policy_denied' },
      { name: 'fresh', allowed: false, code: 'policy_denied' },
      { name: 'read_note', allowed: false, code: 'policy_denied' },
      { name: 'write_note', allowed: false, code: 'policy_denied' },
    ])
  })
})

describe('a batch', () => {
  test('is answered call by call, in order', async () => {
    const { body } = await ask({ calls: [{ tool: 'read_note' }, { tool: 'fresh' }] })
    expect(body.decisions).toMatchObject([{ allowed: true }, { allowed: false, code: 'policy_denied' }])
  })
})

describe('what cannot be kept or counted', () => {
  test.each<[string, object]>([
    ['a NUL in the name of a tool', { tool: 'read_note\0' }],
    ['half a surrogate pair in it', { tool: 'read_note\ud800' }],
    ['a NUL in the name of an argument', { tool: 'about', arguments: { 'a\0': 1 } }],
    ['half a surrogate pair in the address', { tool: 'about', address: '\udc00' }],
    ['a NUL in one call of a batch', { calls: [{ tool: 'about' }, { tool: '\0' }] }],
  ])('is refused: %s', async (_, body) => {
    const { status, body: answered } = await ask(body)
    expect(status).toBe(400)
    expect(answered).toMatchObject({ error: 'invalid_request' })
  })

  test('values of arguments may be anything', async () => {
    const values = { id: '\0\ud800', more: [{ constructor: 1, toString: null }, -0, 1e300, '\u202e'] }
    expect((await ask({ tool: 'read_note', arguments: values })).body).toMatchObject({ allowed: true })
  })

  test('names of arguments are kept as far as they can be read', async () => {
    const names = Array.from({ length: 60 }, (_, index) => `${'😀'.repeat(100)}${index}`)
    const values = Object.fromEntries(names.map((name) => [name, 1]))
    const { body } = await ask({ tool: 'read_note', arguments: values })
    const explained = await explain(notes, String(body.decision_id))
    expect(explained.body.arguments).toEqual(Array.from({ length: 50 }, () => '😀'.repeat(50)))
  })

  test('whatever is sent, the answer is a decision or a refusal', async () => {
    const json = fc.jsonValue({ maxDepth: 3, noUnicodeString: false })
    const oneOf = fc.record({ tool: fc.string(), arguments: json, address: fc.string(), calls: json })
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          json,
          oneOf,
          oneOf.map(({ tool }) => ({ tool })),
        ),
        async (body) => {
          expect([200, 400]).toContain((await ask(body)).status)
        },
      ),
      { numRuns: runs(60) },
    )
  })
})

describe('who may ask', () => {
  test('nobody without a resource’s credential', async () => {
    const response = await fetch(`${notes.gateway.url}/v1/decisions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'coatcheck-user-token': token },
      body: JSON.stringify({ tool: 'about' }),
    })
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toContain('Basic')
  })

  test('one resource learns nothing of another’s decisions', async () => {
    const made = await ask({ tool: 'read_note' })
    const other = await notes.open('curious', { ...notesDefinition, resource: 'https://curious.test/mcp' })
    const asked = await explain(
      { gateway: notes.gateway, credential: other.credential },
      String(made.body.decision_id),
    )
    expect(asked.status).toBe(404)
  })

  test.each<[string, unknown]>([
    ['no tool', {}],
    ['an unknown member', { tool: 'about', admin: true }],
    ['arguments that are no object', { tool: 'about', arguments: [1] }],
    ['a batch of nothing', { calls: [] }],
    ['a digest that is none', { tool: 'about', arguments_digest: 'md5:x' }],
  ])('a question with %s is refused and decides nothing', async (_, body) => {
    const { status, body: answered } = await ask(body)
    expect(status).toBe(400)
    expect(answered).toMatchObject({ error: 'invalid_request' })
  })

  test('a question without the person’s token is refused', async () => {
    const response = await fetch(`${notes.gateway.url}/v1/decisions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: basic(notes.credential) },
      body: JSON.stringify({ tool: 'about' }),
    })
    expect(response.status).toBe(400)
  })
})
