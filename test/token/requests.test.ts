import { request as httpRequest } from 'node:http'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runs } from '../support/database.ts'
import { askExchange, askRest, exchangeGrant } from '../support/faces.ts'
import { type Notes, startNotes } from '../support/notes.ts'
import {
  authorize,
  basic,
  introspect,
  newBrowser,
  postToken,
  redeem,
  redirectUri,
  refresh,
  signIn,
} from '../support/world.ts'

let notes: Notes
const browser = newBrowser()

beforeAll(async () => {
  notes = await startNotes()
})
afterAll(() => notes.stop())

const endpoints = ['/oauth/token', '/oauth/revoke', '/oauth/introspect']

const post = (path: string, body: string, headers: Record<string, string> = {}) =>
  fetch(`${notes.gateway.issuer}${path}`, { method: 'POST', body, headers })

/** With headers exactly as they stand, which `fetch` would correct. */
async function postRaw(path: string, body: string, headers: Record<string, string | string[]>) {
  return await new Promise<{ status: number; headers: Record<string, unknown>; body: string }>(
    (resolve, reject) => {
      const { hostname, port } = new URL(notes.gateway.issuer)
      const sent = httpRequest({ host: hostname, port, path, method: 'POST', headers }, (answer) => {
        let text = ''
        answer.on('data', (chunk) => {
          text += chunk
        })
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }),
        )
      })
      sent.on('error', reject)
      sent.end(body)
    },
  )
}

async function expectRefused(
  response: Response,
  statuses: number[],
  error = 'invalid_request',
): Promise<void> {
  const text = await response.text()
  expect(statuses, text).toContain(response.status)
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(JSON.parse(text)).toMatchObject({ error })
  expect(text).not.toContain('access_token')
}

const form = 'application/x-www-form-urlencoded'

describe('a form and nothing else is read', () => {
  test.each([
    ['JSON', 'application/json', (fields: Record<string, string>) => JSON.stringify(fields)],
    ['text', 'text/plain', String],
    [
      'a multipart form',
      'multipart/form-data; boundary=x',
      () => '--x\r\ncontent-disposition: form-data; name="grant_type"\r\n\r\nrefresh_token\r\n--x--',
    ],
    ['two types at once', `application/json, ${form}`, String],
    ['a type with a tab in it', `application/x-www-form-urlencoded\tx`, String],
    ['a type that only begins like a form', `${form}x`, String],
  ])('%s is refused', async (_what, type, write) => {
    const { tokens } = await signIn(notes, { browser })
    const fields = {
      grant_type: 'refresh_token',
      client_id: notes.clientId,
      refresh_token: tokens.refresh_token,
    }
    const body =
      write === String ? String(new URLSearchParams(fields)) : (write as (f: typeof fields) => string)(fields)
    await expectRefused(await post('/oauth/token', body, { 'content-type': type }), [400, 415])
    expect((await refresh(notes, tokens.refresh_token)).status).toBe(200)
  })

  test.each(endpoints)('at %s, whatever stands in the body', async (path) => {
    const headers = { 'content-type': 'application/json', authorization: basic(notes.credential) }
    for (const body of ['{}', '[]', 'null', '"x"', '{"token":["a"]}', '{"__proto__":{"x":1}}', '{', '']) {
      const response = await post(path, body, headers)
      expect(response.status).toBeGreaterThanOrEqual(400)
      expect(response.status).toBeLessThan(500)
      expect(response.headers.get('cache-control')).toBe('no-store')
    }
  })

  test('odd spellings of a content type are never an error of ours', async () => {
    for (const type of [
      ` ${form}`,
      `${form};`,
      `${form}; charset=utf-7`,
      `${form} ; a=b`,
      ';',
      ',',
      'a/b',
      form.toUpperCase(),
    ]) {
      const answer = await postRaw('/oauth/token', 'grant_type=refresh_token', { 'content-type': type })
      expect([400, 401, 415]).toContain(answer.status)
      expect(answer.headers['cache-control']).toBe('no-store')
    }
  })

  test('a body without a type, or no body at all, is refused', async () => {
    const without = await postRaw('/oauth/token', 'grant_type=refresh_token', {})
    expect([400, 401, 415]).toContain(without.status)
    const empty = await postRaw('/oauth/token', '', {})
    expect([400, 401]).toContain(empty.status)
  })
})

describe('what cannot be read is refused before anything else (RFC 6749 section 3.2)', () => {
  test.each(['grant_type', 'client_id', 'client_secret', 'code', 'code_verifier', 'redirect_uri'])(
    '%s sent twice',
    async (name) => {
      const { code, verifier } = await authorize(notes, { browser })
      const fields = {
        grant_type: 'authorization_code',
        client_id: notes.clientId,
        code,
        code_verifier: verifier,
      }
      const body = new URLSearchParams(fields)
      body.append(name, 'x')
      body.append(name, body.get(name) ?? 'x')
      const response = await post('/oauth/token', String(body), { 'content-type': form })
      await expectRefused(response, [400])
      expect((await redeem(notes, { code, verifier })).status).toBe(200)
    },
  )

  test.each([
    ['a stray percent sign', 'code=%'],
    ['bytes that are not UTF-8', 'code=%ff%fe'],
    ['half a surrogate pair', 'code=%ed%a0%80'],
    ['more parameters than anybody needs', Array.from({ length: 5000 }, (_, i) => `p${i}=1`).join('&')],
    ['a value longer than anything here', `code=${'a'.repeat(40_000)}`],
  ])('%s', async (_what, text) => {
    const body = `grant_type=authorization_code&client_id=${notes.clientId}&${text}`
    await expectRefused(await post('/oauth/token', body, { 'content-type': form }), [400, 413])
  })

  test('a body larger than the limit', async () => {
    const response = await post('/oauth/token', 'a'.repeat(70_000), { 'content-type': form })
    await expectRefused(response, [413])
  })

  test('names that mean something to JavaScript mean nothing here', async () => {
    const names = ['__proto__', 'constructor', '__proto__[grant_type]', 'constructor.prototype.x', 'toString']
    for (const name of names) {
      const body = `${encodeURIComponent(name)}=x&grant_type=refresh_token&client_id=${notes.clientId}&refresh_token=x`
      await expectRefused(await post('/oauth/token', body, { 'content-type': form }), [400], 'invalid_grant')
    }
    expect(({} as Record<string, unknown>).grant_type).toBeUndefined()
  })

  test('two Authorization headers', async () => {
    const answer = await postRaw('/oauth/token', 'grant_type=refresh_token', {
      'content-type': form,
      authorization: [basic(notes.credential), basic(notes.credential)],
    })
    expect(answer.status).toBe(400)
    expect(JSON.parse(answer.body)).toMatchObject({ error: 'invalid_request' })
  })

  test('a zero character in an id, or an id of any length', async () => {
    for (const id of ['\u0000', `client_\u0000`, `resource_\u0000`, 'x'.repeat(3000)]) {
      const response = await postToken(notes, {
        grant_type: 'refresh_token',
        client_id: id,
        refresh_token: 'x',
      })
      expect([400, 401]).toContain(response.status)
    }
  })

  test('characters a database cannot hold are the caller’s error, wherever they stand', async () => {
    const { tokens, tsid } = await signIn(notes, { browser })
    const ask = { credential: notes.credential, tsid, userToken: tokens.access_token, provider: 'github' }
    for (const odd of ['\u0000', 'a\u0000b', '\uD800', '\uFFFF', '💥']) {
      const text = odd.toWellFormed()
      const answers = [
        await postToken(notes, { grant_type: 'refresh_token', client_id: text, refresh_token: text }),
        await postToken(notes, { grant_type: text, client_id: notes.clientId }),
        await postToken(
          notes,
          { grant_type: 'authorization_code', client_id: notes.clientId, code: text, code_verifier: text },
          {},
        ),
        await postToken(
          notes,
          { grant_type: 'refresh_token' },
          { authorization: basic({ id: `client_${text}`, secret: text }) },
        ),
        await postToken(
          notes,
          { grant_type: 'refresh_token' },
          { authorization: basic({ id: `resource_${text}`, secret: text }) },
        ),
        await fetch(`${notes.gateway.issuer}/v1/token-sessions/${tsid}/connect/${encodeURIComponent(text)}`, {
          headers: { authorization: basic(notes.credential) },
        }),
        await fetch(`${notes.gateway.issuer}/v1/token-sessions/${tsid}/connect/github`, {
          method: 'POST',
          headers: { authorization: basic(notes.credential), 'content-type': 'application/json' },
          body: JSON.stringify({ scope: odd }),
        }),
        await askRest(notes.gateway, { ...ask, tsid: text }),
        await askRest(notes.gateway, { ...ask, provider: text }),
        await askRest(notes.gateway, { ...ask, wish: { scope: text } }),
        await askExchange(notes.gateway, { ...ask, provider: text }),
        await askExchange(notes.gateway, { ...ask, userToken: text }),
      ]
      for (const { status } of answers) {
        expect(status).toBeGreaterThanOrEqual(400)
        expect(status).toBeLessThan(500)
      }
      expect(await introspect(notes, text)).not.toMatchObject({ active: true })
    }
  })

  test('whatever else is sent is never an error of ours', async () => {
    const names = fc.constantFrom(
      'grant_type',
      'client_id',
      'code',
      'code_verifier',
      'refresh_token',
      'scope',
      'resource',
      'subject_token',
      'subject_token_type',
      'provider',
      'min_ttl',
      'account',
      'rejected',
    )
    const values = fc.oneof(
      fc.constantFrom('refresh_token', 'authorization_code', exchangeGrant, notes.clientId, 'github', ''),
      fc.string({ unit: 'binary', maxLength: 60 }),
    )
    const pairs = fc.array(fc.tuple(names, values), { maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(pairs, fc.boolean(), async (sent, asResource) => {
        const headers = asResource ? { authorization: basic(notes.credential) } : {}
        const body = sent
          .map(([name, value]) => `${name}=${encodeURIComponent(value.toWellFormed())}`)
          .join('&')
        const response = await post('/oauth/token', body, { 'content-type': form, ...headers })
        const answer = (await response.json()) as { error: string; error_description: string }
        expect(response.status).toBeGreaterThanOrEqual(400)
        expect(response.status).toBeLessThan(500)
        expect(answer.error_description).toMatch(/^[\x20\x21\x23-\x5B\x5D-\x7E]+$/)
      }),
      { numRuns: runs(300) },
    )
  })
})

describe('grant types', () => {
  test.each([
    'password',
    'client_credentials',
    'implicit',
    'urn:ietf:params:oauth:grant-type:device_code',
    '__proto__',
    'Refresh_Token',
    'refresh_token ',
  ])('%s is not supported', async (type) => {
    for (const [fields, headers] of [
      [{ client_id: notes.clientId }, {}],
      [{}, { authorization: basic(notes.credential) }],
    ] as [Record<string, string>, Record<string, string>][]) {
      await expectRefused(
        await postToken(notes, { grant_type: type, ...fields }, headers),
        [400],
        'unsupported_grant_type',
      )
    }
  })

  test('none at all is invalid_request', async () => {
    await expectRefused(await postToken(notes, { client_id: notes.clientId }), [400])
  })

  test.each([
    ['authorization_code', 'code'],
    ['refresh_token', 'refresh_token'],
  ])('%s without its %s is invalid_request', async (type, missing) => {
    const response = await postToken(notes, { grant_type: type, client_id: notes.clientId })
    expect(await response.json()).toEqual({
      error: 'invalid_request',
      error_description: `The parameter ${missing} is missing`,
    })
  })
})

describe('no kind of token passes for another', () => {
  test('at the token endpoint', async () => {
    const { tokens, authorized } = await signIn(notes, { browser })
    const fresh = await authorize(notes, { browser })
    const client = { client_id: notes.clientId }
    for (const code of [tokens.refresh_token, tokens.access_token, notes.credential.secret]) {
      const form = { grant_type: 'authorization_code', code, code_verifier: fresh.verifier, ...client }
      await expectRefused(await postToken(notes, form), [400], 'invalid_grant')
    }
    for (const token of [fresh.code, authorized.code, tokens.access_token, notes.credential.secret, '']) {
      const form = { grant_type: 'refresh_token', refresh_token: token, ...client }
      const error = token === '' ? 'invalid_request' : 'invalid_grant'
      await expectRefused(await postToken(notes, form), [400], error)
    }
    for (const token of [fresh.code, tokens.refresh_token, notes.credential.secret, 'a.b.c']) {
      const form = {
        grant_type: exchangeGrant,
        subject_token: token,
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        provider: 'github',
      }
      const response = await postToken(notes, form, { authorization: basic(notes.credential) })
      await expectRefused(response, [400], 'invalid_grant')
    }
    expect((await redeem(notes, fresh)).status).toBe(200)
    expect((await refresh(notes, tokens.refresh_token)).status).toBe(200)
  })
})

test('a registration access token opens its registration alone, and nothing else opens that', async () => {
  const registration = await fetch(`${notes.gateway.issuer}/oauth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'x',
      redirect_uris: [redirectUri],
      token_endpoint_auth_method: 'none',
    }),
  })
  type Registered = { client_id: string; registration_access_token: string; registration_client_uri: string }
  const registered = (await registration.json()) as Registered
  const token = registered.registration_access_token
  expect(token).toMatch(/^cc_[a-z]+_[\w-]{43}$/)
  const { tokens, tsid } = await signIn(notes, { browser })
  const client = { client_id: registered.client_id }
  for (const form of [
    { grant_type: 'authorization_code', code: token, code_verifier: 'a'.repeat(43) },
    { grant_type: 'refresh_token', refresh_token: token },
  ]) {
    await expectRefused(await postToken(notes, { ...form, ...client }), [400], 'invalid_grant')
    const asSecret = { ...form, ...client, client_secret: token }
    await expectRefused(await postToken(notes, asSecret), [401], 'invalid_client')
  }
  expect(await introspect(notes, token)).toEqual({ active: false })
  for (const path of [`/v1/token-sessions/${tsid}/tokens/github`, '/admin/v1/providers']) {
    const response = await fetch(notes.gateway.issuer + path, {
      headers: { authorization: `Bearer ${token}` },
    })
    expect(response.status).toBe(401)
  }
  for (const other of [
    tokens.access_token,
    tokens.refresh_token,
    notes.credential.secret,
    notes.gateway.adminToken,
  ]) {
    const headers = { authorization: `Bearer ${other}` }
    expect((await fetch(registered.registration_client_uri, { headers })).status).toBe(401)
  }
  const own = { headers: { authorization: `Bearer ${token}` } }
  expect((await fetch(registered.registration_client_uri, own)).status).toBe(200)
})

describe('methods and paths', () => {
  test('GET, HEAD and PUT of the token endpoint do nothing', async () => {
    const { tokens } = await signIn(notes, { browser })
    const query = new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: notes.clientId,
      refresh_token: tokens.refresh_token,
    })
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) {
      const response = await fetch(`${notes.gateway.issuer}/oauth/token?${query}`, { method })
      expect([404, 405]).toContain(response.status)
    }
    const asQuery = await fetch(`${notes.gateway.issuer}/oauth/token?${query}`, { method: 'POST' })
    expect(asQuery.status).toBe(401)
    expect((await refresh(notes, tokens.refresh_token)).status).toBe(200)
  })
})
