import { exportJWK, generateKeyPair } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Notes, notesDefinition, startNotes } from '../../test/support/notes.ts'
import { claimsOf, newBrowser, signIn } from '../../test/support/world.ts'
import { personAction, UpstreamError, upstreamOf } from '../src/index.ts'

let notes: Notes
let asked: URL[]
let owner: { token: string; expiresAt: number; extra: { tsid: string } }
const browser = newBrowser()

beforeAll(async () => {
  notes = await startNotes()
})
afterAll(() => notes.stop())
beforeEach(async () => {
  const { tokens, tsid } = await signIn(notes, { browser })
  owner = {
    token: tokens.access_token,
    expiresAt: Number(claimsOf(tokens.access_token).exp),
    extra: { tsid },
  }
  asked = []
})

const counting: typeof fetch = (input, init) => {
  asked.push(new URL(String(input)))
  return fetch(input, init)
}
const upstream = (more = {}) =>
  upstreamOf({
    issuer: notes.gateway.issuer,
    credential: notes.credential,
    clock: notes.clock.now,
    fetch: counting,
    ...more,
  })

async function errorOf(promise: Promise<unknown>): Promise<UpstreamError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof UpstreamError)) throw new Error(`no UpstreamError but ${error}`)
  return error
}

describe('a token', () => {
  test('is the person’s, with what it may and whose it is', async () => {
    const token = await upstream().upstreamToken(owner, 'github', { scopes: ['repo'] })
    expect(token).toMatchObject({
      accessToken: expect.stringMatching(/^gho_/),
      tokenType: 'Bearer',
      provider: 'github',
      account: { id: expect.stringMatching(/^acct_/), label: expect.any(String) },
    })
    expect(token.scopes).toContain('repo')
    expect(token.expiresAt).toBeGreaterThan(notes.clock.now())
  })

  test('is asked for once by fifty calls at once, and kept for a while', async () => {
    const { upstreamToken } = upstream()
    await Promise.all(Array.from({ length: 50 }, () => upstreamToken(owner, 'github')))
    await upstreamToken(owner, 'github')
    expect(asked).toHaveLength(1)
    notes.clock.advance(31)
    await upstreamToken(owner, 'github')
    expect(asked).toHaveLength(2)
  })

  test('that was kept for one person is never another’s, nor another wish’s', async () => {
    const { upstreamToken } = upstream()
    await upstreamToken(owner, 'github')
    await upstreamToken({ ...owner, token: `${owner.token}x`, expiresAt: 0 }, 'github')
    await upstreamToken(owner, 'github', { scopes: ['gist'] })
    expect(asked).toHaveLength(3)
  })

  test('that has not long enough left is asked for anew', async () => {
    const { upstreamToken } = upstream()
    const token = await upstreamToken(owner, 'github')
    const left = (token.expiresAt ?? 0) - notes.clock.now()
    await upstreamToken(owner, 'github', { minTtl: left + 1 }).catch(() => undefined)
    expect(asked).toHaveLength(2)
    expect(asked[1]?.searchParams.get('min_ttl')).toBe(String(left + 1))
  })

  test('comes by a key of the server’s own, too', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    const made = await notes.gateway.admin<{ client_id: string }>('POST', '/resources/notes/credentials', {
      jwks: { keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256', kid: 'one' }] },
    })
    const key = { ...(await exportJWK(privateKey)), alg: 'ES256', kid: 'one' }
    const { upstreamToken } = upstream({ credential: { id: made.client_id, key } })
    expect((await upstreamToken(owner, 'github')).accessToken).toMatch(/^gho_/)
  })
})

describe('a provider that answers 401', () => {
  test('is asked once more with a token the gateway made sure of', async () => {
    const used: string[] = []
    const response = await upstream().withUpstream(owner, 'github', async ({ accessToken }) => {
      used.push(accessToken)
      return new Response(null, { status: used.length === 1 ? 401 : 200 })
    })
    expect(response.status).toBe(200)
    expect(used).toHaveLength(2)
    expect(used[1]).not.toBe(used[0])
    expect(asked[1]?.searchParams.get('rejected')).toMatch(/^[\w-]{43}$/)
  })

  test('every time is believed, and told to the gateway', async () => {
    let calls = 0
    const response = await upstream().withUpstream(owner, 'github', async () => {
      calls++
      return new Response(null, { status: 401 })
    })
    expect(response.status).toBe(401)
    expect(calls).toBe(2)
    expect(asked.filter((url) => url.searchParams.has('rejected'))).toHaveLength(2)
  })

  test('any other answer is the caller’s', async () => {
    const response = await upstream().withUpstream(
      owner,
      'github',
      async () => new Response('no', { status: 403 }),
    )
    expect(await response.text()).toBe('no')
    expect(asked).toHaveLength(1)
  })
})

describe('errors', () => {
  test('say who must act, with a link where it is the person', async () => {
    const error = await errorOf(
      upstream().upstreamToken(owner, 'github', { scopes: ['gist', 'repo', 'notifications'] }),
    )
    expect(error.code).toBe('not_allowed')
    expect(error.refusal).toMatchObject({ whoMustAct: 'admin', provider: 'github' })
  })

  test('of a session that is over', async () => {
    const gone = { ...owner, extra: { tsid: 'ts_gone' } }
    expect((await errorOf(upstream().upstreamToken(gone, 'github'))).code).toBe('unknown_token_session')
  })

  test.each([
    ['without a ticket', { token: 'a token' }],
    ['that was not guarded', undefined],
  ])('of a call %s, as the official SDK types it', async (_, authInfo) => {
    expect((await errorOf(upstream().upstreamToken(authInfo, 'github'))).code).toBe('no_token_session')
  })

  test('of a gateway that cannot be asked, or answers something else', async () => {
    const broken = [
      async () => {
        throw new TypeError('fetch failed')
      },
      async () => new Response('<html>', { status: 200 }),
      async () => new Response('{}', { status: 302, headers: { location: 'https://elsewhere.test' } }),
      async () => Response.json({ error_code: 'made_up' }, { status: 400 }),
    ]
    for (const fetch of broken) {
      expect((await errorOf(upstream({ fetch }).upstreamToken(owner, 'github'))).code).toBe(
        'gateway_unavailable',
      )
    }
  })

  test('hold nothing secret', async () => {
    const error = await errorOf(
      upstream({ credential: { id: notes.credential.id, secret: 'wrong' } }).upstreamToken(owner, 'github'),
    )
    expect(error.code).toBe('invalid_resource_credential')
    expect(JSON.stringify([error.message, error.refusal])).not.toContain('wrong')
  })
})

describe('what a client is told where a person must act', () => {
  const error = new UpstreamError('needs_reauthorization', 'The person must sign in at the provider again', {
    whoMustAct: 'user',
    provider: 'github',
    connectUrl: 'https://auth.test/connect/x',
  })
  const capabilities = { elicitation: { url: {} } }

  test('is a URL to open, in the form of its revision', () => {
    expect(personAction(error, { revision: '2025-11-25', capabilities })).toMatchObject({
      as: 'error',
      error: { code: -32042, data: { elicitations: [{ mode: 'url', url: 'https://auth.test/connect/x' }] } },
    })
    expect(personAction(error, { revision: '2026-07-28', capabilities })).toMatchObject({
      as: 'result',
      result: {
        resultType: 'input_required',
        inputRequests: { connect: { method: 'elicitation/create', params: { mode: 'url' } } },
      },
    })
  })

  test('is in words where it can open nothing', () => {
    const action = personAction(error, { revision: '2025-11-25', capabilities: { elicitation: {} } })
    expect(action).toMatchObject({ as: 'words', result: { isError: true } })
    expect(JSON.stringify(action)).toContain('https://auth.test/connect/x')
  })

  test('is in words where nobody can help by opening anything', () => {
    const down = new UpstreamError('upstream_unavailable', 'The provider cannot be reached right now', {
      whoMustAct: 'nobody',
      provider: 'github',
      retryAfter: 30,
    })
    expect(JSON.stringify(personAction(down, { capabilities }))).toContain('in 30 seconds')
  })

  test('is not there for errors of the tool itself', () => {
    const own = new Error('of the tool')
    expect(() => personAction(own)).toThrow(own)
  })
})

test('what a person connected at one server is nothing to another', async () => {
  const other = await notes.open('stranger', { ...notesDefinition, resource: 'https://stranger.test/mcp' })
  const error = await errorOf(upstream({ credential: other.credential }).upstreamToken(owner, 'github'))
  expect(error.code).toBe('unknown_token_session')
})

test('a ticket another authorization server wrote into its token opens nothing, and nobody is asked', async () => {
  const forged = { ...owner, expiresAt: 0, extra: { ...owner.extra, issuer: 'https://id.example' } }
  expect((await errorOf(upstream().upstreamToken(forged, 'github'))).code).toBe('no_token_session')
  expect(asked).toEqual([])
})

test('the gateway may be reached by another name than it gives itself', async () => {
  const elsewhere = notes.gateway.issuer.replace('localhost', '127.0.0.1')
  const named = { ...owner, extra: { ...owner.extra, issuer: notes.gateway.issuer } }
  const token = await upstream({ address: elsewhere }).upstreamToken(named, 'github')
  expect(token.accessToken).toMatch(/^gho_/)
  expect(asked[0]?.hostname).toBe('127.0.0.1')
})
