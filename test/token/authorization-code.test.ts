import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Notes, startNotes } from '../support/notes.ts'
import {
  authorize,
  basic,
  introspect,
  newBrowser,
  postToken,
  type ResourceCredential,
  redeem,
  redirectUri,
  refresh,
  registerClient,
  resourceUri,
  retrieve,
  type Tokens,
  tsidOf,
} from '../support/world.ts'

let notes: Notes
/** Of a client that keeps a secret. */
let confidential: ResourceCredential
const browser = newBrowser()

beforeAll(async () => {
  notes = await startNotes()
  const made = await notes.gateway.admin<{ client_id: string; client_secret: string }>('POST', '/clients', {
    client_name: 'With a secret',
    redirect_uris: [redirectUri],
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: ['authorization_code', 'refresh_token'],
  })
  confidential = { id: made.client_id, secret: made.client_secret }
})
afterAll(() => notes.stop())

const newCode = (clientId = notes.clientId) => authorize({ ...notes, clientId }, { browser })

async function expectInvalidGrant(response: Response): Promise<void> {
  expect(response.status).toBe(400)
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(await response.json()).toEqual({
    error: 'invalid_grant',
    error_description: 'The authorization code is not valid for this request',
  })
}

const tokensOf = async (response: Response) => {
  expect(response.status).toBe(200)
  return (await response.json()) as Tokens
}

describe('a code', () => {
  test('works once, and its tokens never come with a null member', async () => {
    const tokens = await tokensOf(await redeem(notes, await newCode()))
    expect(tokens).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 3600,
      refresh_token: expect.stringMatching(/^cc_rt_[\w-]{43}$/),
      scope: 'notes.read',
    })
  })

  test('is worth nothing to another client, and still works for its own', async () => {
    const authorized = await newCode()
    const other = await registerClient(notes.gateway, { client_name: 'Another' })
    await expectInvalidGrant(await redeem({ ...notes, clientId: other }, authorized))
    const withSecret = await postToken(
      notes,
      { grant_type: 'authorization_code', code: authorized.code, code_verifier: authorized.verifier },
      { authorization: basic(confidential) },
    )
    await expectInvalidGrant(withSecret)
    await tokensOf(await redeem(notes, authorized))
  })

  test('with another redirect_uri is refused and stays usable; without one it is taken', async () => {
    const authorized = await newCode()
    for (const uri of [
      'http://127.0.0.1:7778/callback',
      'http://127.0.0.1:7777/callback/',
      'https://evil.test',
    ]) {
      await expectInvalidGrant(await redeem(notes, authorized, uri))
    }
    const { code, verifier } = authorized
    const form = {
      grant_type: 'authorization_code',
      client_id: notes.clientId,
      code,
      code_verifier: verifier,
    }
    await tokensOf(await postToken(notes, form))
  })

  test('without its verifier, with a wrong or a malformed one is refused and stays usable', async () => {
    const authorized = await newCode()
    const { verifier } = authorized
    const wrong = [
      undefined,
      '',
      `${verifier.slice(0, -1)}${verifier.endsWith('A') ? 'B' : 'A'}`,
      verifier.slice(0, 42),
      verifier.padEnd(129, 'a'),
      `${verifier}=`,
      `${verifier.slice(0, 42)}+`,
      `${verifier.slice(0, 42)} `,
      `${verifier.slice(0, 42)}é`,
    ]
    for (const text of wrong) {
      const form = { grant_type: 'authorization_code', client_id: notes.clientId, code: authorized.code }
      await expectInvalidGrant(
        await postToken(notes, text === undefined ? form : { ...form, code_verifier: text }),
      )
    }
    await tokensOf(await redeem(notes, authorized))
  })

  test('asked for another resource is invalid_target and stays usable; for its own, however spelled, works', async () => {
    const authorized = await newCode()
    const form = {
      grant_type: 'authorization_code',
      client_id: notes.clientId,
      code: authorized.code,
      code_verifier: authorized.verifier,
    }
    for (const resource of ['https://other.test/mcp', `${resourceUri}/x`, 'https://notes.test', 'nonsense']) {
      const response = await postToken(notes, { ...form, resource })
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ error: 'invalid_target' })
    }
    await tokensOf(await postToken(notes, { ...form, resource: 'HTTPS://NOTES.test:443/mcp' }))
  })

  test('buys the scopes that were said yes to, whatever is asked for with it', async () => {
    for (const scope of ['notes.read notes.write', 'notes.write', 'admin', '*', '']) {
      const { code, verifier } = await newCode()
      const tokens = await tokensOf(
        await postToken(notes, {
          grant_type: 'authorization_code',
          client_id: notes.clientId,
          code,
          code_verifier: verifier,
          scope,
        }),
      )
      expect(tokens.scope).toBe('notes.read')
      const wider = await refresh(notes, tokens.refresh_token, { scope: 'notes.read notes.write' })
      expect(await wider.json()).toMatchObject({ error: 'invalid_scope' })
    }
  })

  test('of two resources asked for, both must be its own', async () => {
    const { code, verifier } = await newCode()
    const form = new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: notes.clientId,
      code,
      code_verifier: verifier,
      resource: resourceUri,
    })
    form.append('resource', 'https://other.test/mcp')
    const post = (body: URLSearchParams) =>
      fetch(`${notes.gateway.issuer}/oauth/token`, { method: 'POST', body })
    expect(await (await post(form)).json()).toMatchObject({ error: 'invalid_target' })
    form.delete('resource')
    form.append('resource', resourceUri)
    form.append('resource', resourceUri)
    await tokensOf(await post(form))
  })

  test('ends after sixty seconds by the clock, whether or not anything swept it', async () => {
    const late = await newCode()
    notes.clock.advance(60)
    await expectInvalidGrant(await redeem(notes, late))
    const inTime = await newCode()
    notes.clock.advance(58)
    await tokensOf(await redeem(notes, inTime))
  })

  test('that ended is not brought back by a clock that goes back, once it was used', async () => {
    const authorized = await newCode()
    await tokensOf(await redeem(notes, authorized))
    notes.clock.advance(-7200)
    await expectInvalidGrant(await redeem(notes, authorized))
    notes.clock.advance(7200)
  })

  test.each([
    ['truncated', (code: string) => code.slice(0, -1)],
    ['extended', (code: string) => `${code}A`],
    ['padded', (code: string) => `${code}=`],
    ['in another case', (code: string) => code.toUpperCase()],
    ['with a blank before it', (code: string) => ` ${code}`],
    ['without its prefix', (code: string) => code.replace('cc_code_', '')],
  ])('%s is refused, and the real one still works', async (_how, mangle) => {
    const authorized = await newCode()
    await expectInvalidGrant(await redeem(notes, { ...authorized, code: mangle(authorized.code) }))
    await tokensOf(await redeem(notes, authorized))
  })
})

describe('a code used twice', () => {
  test('by who proves possession ends what it bought (promise 4)', async () => {
    const authorized = await newCode()
    const tokens = await tokensOf(await redeem(notes, authorized))
    await expectInvalidGrant(await redeem(notes, authorized))
    expect((await refresh(notes, tokens.refresh_token)).status).toBe(400)
    expect((await retrieve(notes, tsidOf(tokens))).status).toBe(404)
    expect(await introspect(notes, tokens.access_token)).toEqual({ active: false })
  })

  test('by who proves nothing ends nothing: no verifier, another client, another redirect_uri', async () => {
    const authorized = await newCode()
    const tokens = await tokensOf(await redeem(notes, authorized))
    const other = await registerClient(notes.gateway, { client_name: 'Another' })
    await expectInvalidGrant(await redeem(notes, { ...authorized, verifier: 'a'.repeat(43) }))
    await expectInvalidGrant(await redeem({ ...notes, clientId: other }, authorized))
    await expectInvalidGrant(await redeem(notes, authorized, 'https://evil.test/callback'))
    const foreign = await postToken(notes, {
      grant_type: 'authorization_code',
      client_id: notes.clientId,
      code: authorized.code,
      code_verifier: authorized.verifier,
      resource: 'https://other.test/mcp',
    })
    expect(foreign.status).toBe(400)
    expect((await retrieve(notes, tsidOf(tokens))).status).toBe(200)
    expect((await refresh(notes, tokens.refresh_token)).status).toBe(200)
  })

  test('of a client with a secret ends nothing without that secret', async () => {
    const authorized = await newCode(confidential.id)
    const form = {
      grant_type: 'authorization_code',
      code: authorized.code,
      code_verifier: authorized.verifier,
    }
    const right = { authorization: basic(confidential) }
    const tokens = await tokensOf(await postToken(notes, form, right))
    for (const headers of [{}, { authorization: basic({ ...confidential, secret: 'wrong' }) }]) {
      const response = await postToken(notes, { ...form, client_id: confidential.id }, headers)
      expect(response.status).toBe(401)
    }
    expect((await retrieve(notes, tsidOf(tokens))).status).toBe(200)
    await expectInvalidGrant(await postToken(notes, form, right))
    expect((await retrieve(notes, tsidOf(tokens))).status).toBe(404)
  })

  test('an hour later still ends what it bought', async () => {
    const authorized = await newCode()
    const tokens = await tokensOf(await redeem(notes, authorized))
    notes.clock.advance(1800)
    await expectInvalidGrant(await redeem(notes, authorized))
    expect((await refresh(notes, tokens.refresh_token)).status).toBe(400)
  })

  test('across a restart still ends what it bought', async () => {
    const authorized = await newCode()
    const tokens = await tokensOf(await redeem(notes, authorized))
    await notes.gateway.restart()
    await expectInvalidGrant(await redeem(notes, authorized))
    expect((await refresh(notes, tokens.refresh_token)).status).toBe(400)
  })

  test('at the same moment buys tokens once, and the replay ends them', async () => {
    for (let round = 0; round < 8; round++) {
      const authorized = await newCode()
      const answers = await Promise.all(Array.from({ length: 20 }, () => redeem(notes, authorized)))
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
      expect(answers.filter(({ status }) => status === 400)).toHaveLength(19)
      for (const answer of answers) {
        if (answer.status !== 200) await expectInvalidGrant(answer)
        else expect((await refresh(notes, ((await answer.json()) as Tokens).refresh_token)).status).toBe(400)
      }
    }
  })

  test('is in the audit log, without the code', async () => {
    const authorized = await newCode()
    await redeem(notes, authorized)
    await redeem(notes, authorized)
    const { items } = await notes.gateway.admin<{ items: Record<string, unknown>[] }>(
      'GET',
      '/audit-events?event=token.reused',
    )
    expect(items[0]).toMatchObject({ outcome: 'code', actor: `client:${notes.clientId}` })
    expect(JSON.stringify(items)).not.toContain(authorized.code)
  })
})

test('a code row without a challenge, or with a damaged one, is met by no verifier', async () => {
  const { store } = notes.gateway.running().gateway
  const { find: findCode } = store.codes
  for (const codeChallenge of ['', 'plain', 'a'.repeat(43)]) {
    const authorized = await newCode()
    store.codes.find = async (hash) => {
      const found = await findCode(hash)
      return found && { ...found, code: { ...found.code, codeChallenge } }
    }
    for (const verifier of [authorized.verifier, codeChallenge, '', 'a'.repeat(43)]) {
      await expectInvalidGrant(await redeem(notes, { ...authorized, verifier }))
    }
    store.codes.find = findCode
    await tokensOf(await redeem(notes, authorized))
  }
})

test('a client that did not ask for refresh tokens gets none, and its session ends with its access token', async () => {
  const clientId = await registerClient(notes.gateway, { grant_types: ['authorization_code'] })
  const tokens = await tokensOf(await redeem({ ...notes, clientId }, await newCode(clientId)))
  expect(tokens).not.toHaveProperty('refresh_token')
  expect((await retrieve(notes, tsidOf(tokens))).status).toBe(200)
  notes.clock.advance(3600)
  expect((await retrieve(notes, tsidOf(tokens))).status).toBe(404)
  expect(await introspect(notes, tokens.access_token)).toEqual({ active: false })
})

test('of more than ten sessions of one client at one resource the longest idle ends', async () => {
  const clientId = await registerClient(notes.gateway)
  const sessions: Tokens[] = []
  for (let count = 0; count < 11; count++) {
    sessions.push(await tokensOf(await redeem({ ...notes, clientId }, await newCode(clientId))))
    // The first is used again and again, so that the second is the idle one.
    notes.clock.advance(1)
    await retrieve(notes, tsidOf(sessions[0] as Tokens))
    notes.clock.advance(1)
  }
  const states = await Promise.all(sessions.map(async (each) => (await retrieve(notes, tsidOf(each))).status))
  expect(states).toEqual([200, 404, ...Array.from({ length: 9 }, () => 200)])
})
