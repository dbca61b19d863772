import { beforeEach, describe, expect, test } from 'vitest'
import { canonicalJson } from '../../src/lib/canonical-json.ts'
import { sha256 } from '../../src/lib/secret.ts'
import { ConfigurationError, protect } from '../src/index.ts'
import { type FakeGateway, fakeGateway, gatewayIssuer, mcpRequest, toolCall } from './support/fake-gateway.ts'
import { resource } from './support/tokens.ts'

let gateway: FakeGateway
let token: string
let ran: unknown[]

beforeEach(async () => {
  gateway = fakeGateway()
  token = await gateway.token()
  ran = []
})

/** What comes of a request; the server behind answers with what it was handed. */
async function send(body: unknown, { by = token, address }: { by?: string; address?: string } = {}) {
  const response = await gateway.guard.handle(
    mcpRequest(by, body),
    async (request) => {
      ran.push(await request.json())
      return Response.json({ jsonrpc: '2.0', id: 1, result: { content: [] } })
    },
    { address },
  )
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? undefined : JSON.parse(text),
  }
}

describe('a decision', () => {
  test('is asked for with the credential, the token of the person, and where they are', async () => {
    await send(toolCall('read_note', 1, { folder: 'work' }), { address: '203.0.113.7' })
    const [{ path, headers, body } = { path: '', headers: new Headers(), body: {} }] = gateway.asked
    expect(path).toBe('/v1/decisions')
    expect(headers.get('authorization')).toBe(`Basic ${btoa('notes:a%20secret')}`)
    expect(headers.get('coatcheck-user-token')).toBe(token)
    expect(body).toEqual({
      calls: [{ tool: 'read_note', arguments: { folder: 'work' } }],
      address: '203.0.113.7',
    })
    expect(ran).toEqual([toolCall('read_note', 1, { folder: 'work' })])
  })

  test('is asked for once for a whole batch, in its order', async () => {
    gateway.says.decision = ({ tool }) => ({ allowed: tool !== 'b', code: 'policy_denied' })
    const { body } = await send([
      toolCall('a', 1),
      toolCall('b', 2),
      { jsonrpc: '2.0', id: 3, method: 'ping' },
    ])
    expect(gateway.decisions()).toBe(1)
    expect(
      body.map(({ id, result }: { id: number; result?: unknown }) => [id, result !== undefined]),
    ).toEqual([
      [1, false],
      [2, true],
      [3, false],
    ])
    expect(ran).toEqual([])
  })

  test('tells of large arguments their digest, and null where a long value was', async () => {
    const values = { folder: 'work', text: 'x'.repeat(20_000), list: [1, 2], é: { b: 1, a: 0.1 } }
    await send(toolCall('write_note', 1, values))
    expect(gateway.asked[0]?.body?.calls).toEqual([
      {
        tool: 'write_note',
        arguments: { folder: 'work', text: null, list: [1, 2], é: { b: 1, a: 0.1 } },
        arguments_digest: `sha256:${sha256(canonicalJson(values))}`,
      },
    ])
    expect(ran).toHaveLength(1)
  })

  test('is not even asked for where the names of the arguments are too many', async () => {
    const values = Object.fromEntries(Array.from({ length: 5000 }, (_, at) => [`name ${at}`, at]))
    expect((await send(toolCall('write_note', 1, values))).body).toMatchObject({
      reason: 'arguments_too_large',
    })
    expect(gateway.decisions()).toBe(0)
  })

  test('is a no by all it says, with what helps', async () => {
    gateway.says.decision = () => ({
      decision_id: 'd-1',
      allowed: false,
      code: 'step_up_required',
      reason: 'sign_in_for_this_call',
      message: 'Sign in “again”\r\nSet-Cookie: a=b',
      required: { acr_values: 'urn:coatcheck:step-up:su_1 mfa', max_age: 300 },
      failed_conditions: ['acr_values'],
      cache_for: 5,
    })
    const { status, headers, body } = await send(toolCall('delete_all'))
    expect(status).toBe(401)
    const challenge = headers.get('www-authenticate') ?? ''
    expect(challenge).toContain('acr_values="urn:coatcheck:step-up:su_1 mfa", max_age="300"')
    expect(challenge).not.toMatch(/[\r\n]/)
    expect(headers.has('set-cookie')).toBe(false)
    expect(body).toMatchObject({
      code: 'step_up_required',
      decision_id: 'd-1',
      reason: 'sign_in_for_this_call',
      tool: 'delete_all',
      failed_conditions: ['acr_values'],
    })
    await send(toolCall('delete_all'))
    expect(gateway.decisions()).toBe(2)
  })

  test('is delivered in another way where the author says so', async () => {
    gateway = fakeGateway({ delivery: { rate_limited: 'http', scope_insufficient: 'inband' } })
    gateway.says.decision = () => ({ allowed: false, code: 'rate_limited', retry_after: 41 })
    const limited = await send(toolCall('read_note'))
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '41'])
    gateway.says.decision = () => ({ allowed: false, code: 'scope_insufficient', required: { scope: 'a b' } })
    const { status, body } = await send(toolCall('read_note'))
    expect(status).toBe(200)
    expect(body.result).toMatchObject({
      isError: true,
      _meta: { 'coatcheck/denial': { code: 'scope_insufficient', required_scopes: ['a', 'b'] } },
    })
  })

  test('with a code that is not known yet is a no of the policy', async () => {
    gateway.says.decision = () => ({ allowed: false, code: 'constructor' })
    const { body } = await send(toolCall('read_note', 'x'))
    expect(body.result._meta['coatcheck/denial']).toMatchObject({
      code: 'policy_denied',
      reason: 'constructor',
    })
    expect(body.id).toBe('x')
  })

  const noAnswers: [string, () => Response | Promise<Response>, string][] = [
    ['nobody', () => Promise.reject(new TypeError('ECONNREFUSED')), 'gateway_unreachable'],
    ['a server that failed', () => Response.json({}, { status: 500 }), 'gateway_failed'],
    ['one that does not know the credential', () => Response.json({}, { status: 401 }), 'credential_refused'],
    ['one that has enough', () => Response.json({}, { status: 429 }), 'gateway_rate_limited'],
    ['one that sends elsewhere', () => Response.redirect('https://evil.example', 307), 'gateway_redirected'],
    ['text', () => new Response('yes'), 'decision_unreadable'],
    ['no decision', () => Response.json({ decisions: [] }), 'decision_unreadable'],
    [
      'another number of them',
      () => Response.json({ decisions: [{ allowed: true }, { allowed: true }] }),
      'decision_unreadable',
    ],
    ['a yes that is none', () => Response.json({ decisions: [{ allowed: 'true' }] }), 'decision_unreadable'],
    ['a no without a code', () => Response.json({ decisions: [{ allowed: false }] }), 'decision_unreadable'],
    ['more than anybody reads', () => new Response('x'.repeat(2_000_000)), 'gateway_too_large'],
  ]
  test.each(noAnswers)('of %s lets nothing through', async (_, answer, reason) => {
    gateway.says.decision = answer
    const { status, headers, body } = await send(toolCall('read_note'))
    expect(status).toBe(503)
    expect(headers.get('retry-after')).toBe('5')
    expect(headers.has('www-authenticate')).toBe(false)
    expect(body).toMatchObject({ code: 'policy_unavailable', reason })
    expect(ran).toEqual([])
  })

  test('with conditions that no text can be made of is a no like any other', async () => {
    const failed_conditions = ['recent', { toString: 1, valueOf: 1 }, null]
    gateway.says.decision = () => ({ allowed: false, code: 'rate_limited', failed_conditions })
    const { body } = await send(toolCall('read_note'))
    expect(JSON.stringify(body)).toContain('"failed_conditions":["recent"]')
    expect(ran).toEqual([])
  })

  test('that takes too long lets nothing through', async () => {
    gateway = fakeGateway({ decisionDeadline: 0.02 })
    gateway.says.decision = () => new Promise<never>(() => {})
    expect((await send(toolCall('read_note'))).body).toMatchObject({ code: 'policy_unavailable' })
    expect(ran).toEqual([])
  })
})

describe('a yes', () => {
  test('is remembered for as long as it says, for that call, token and address alone', async () => {
    gateway.says.decision = () => ({ allowed: true, cache_for: 2 })
    const other = await gateway.token({ jti: '2' })
    const call = toolCall('read_note', 1, { a: 1, b: 2 })
    await send(call)
    await send(toolCall('read_note', 2, { b: 2, a: 1 }))
    expect(gateway.decisions()).toBe(1)
    await send(toolCall('read_note', 1, { a: 1 }))
    await send(toolCall('write_note', 1, { a: 1, b: 2 }))
    await send(call, { by: other })
    await send(call, { address: '203.0.113.7' })
    expect(gateway.decisions()).toBe(5)
    gateway.clock.now += 2
    await send(call)
    expect(gateway.decisions()).toBe(6)
  })

  test('that counts is asked for by every call, however many come at once', async () => {
    await Promise.all(Array.from({ length: 8 }, (_, id) => send(toolCall('read_note', id))))
    expect(gateway.decisions()).toBe(8)
    expect(ran).toHaveLength(8)
  })

  test('that may be kept is asked for once by calls that come at once', async () => {
    gateway.says.decision = () => ({ allowed: true, cache_for: 1 })
    await Promise.all(Array.from({ length: 8 }, (_, id) => send(toolCall('read_note', id))))
    expect(gateway.decisions()).toBe(1)
    expect(ran).toHaveLength(8)
  })
})

describe('a list', () => {
  const listed = { jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} }
  const server = (answer: Response) => async () =>
    await gateway.guard.handle(mcpRequest(token, listed), () => answer)

  test('is answered by nobody while it cannot be known who may see what', async () => {
    for (const answer of [
      Response.json({}, { status: 500 }),
      new Response('[]'),
      Response.json({ tools: 'all' }),
    ]) {
      gateway.says.list = () => answer
      const response = await server(Response.json({ never: 'seen' }))()
      expect(response.status).toBe(503)
      expect(await response.json()).toMatchObject({ code: 'policy_unavailable' })
    }
  })

  test('is refused with what the gateway says of the token', async () => {
    gateway.says.list = () => ({ code: 'client_registration_revoked', tools: [], cache_for: 0 })
    const response = await server(Response.json({}))()
    expect(response.status).toBe(401)
    expect(await response.json()).toMatchObject({ code: 'client_registration_revoked' })
  })

  test('is asked for with the address, and again when it grew old', async () => {
    gateway.says.list = () => ({
      tools: [
        { name: 'a', allowed: true },
        { name: 'b', allowed: false },
      ],
      cache_for: 1,
    })
    const result = { tools: [{ name: 'a' }, { name: 'b' }, { name: 'c' }], nextCursor: 'more' }
    const ask = async () => {
      const request = mcpRequest(token, listed)
      const answer = () => Response.json({ jsonrpc: '2.0', id: 1, result })
      const response = await gateway.guard.handle(request, answer, { address: '2001:db8::1' })
      return (await response.json()) as unknown
    }
    const shown = { jsonrpc: '2.0', id: 1, result: { tools: [{ name: 'a' }], nextCursor: 'more' } }
    expect(await ask()).toEqual(shown)
    expect(await ask()).toEqual(shown)
    expect(gateway.lists()).toBe(1)
    expect(gateway.asked[0]?.path).toBe('/v1/tools?address=2001%3Adb8%3A%3A1')
    gateway.clock.now += 1
    await ask()
    expect(gateway.lists()).toBe(2)
  })
})

test('a mistake in what decides about tools is told at once', () => {
  const options = { resource, issuer: gatewayIssuer }
  expect(() => protect({ ...options, tools: 'gateway' })).toThrow(ConfigurationError)
  expect(() => protect({ ...options, tools: { a: { scopes: [] } } })).toThrow('tools: a has no scopes')
})

test('what cannot see calls does not let any through', async () => {
  await expect(gateway.guard.check(mcpRequest(token, toolCall('a')))).rejects.toThrow(ConfigurationError)
})
