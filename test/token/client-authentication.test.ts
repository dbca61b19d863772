import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exchangeGrant } from '../support/faces.ts'
import { type Notes, startNotes } from '../support/notes.ts'
import {
  authorize,
  basic,
  newBrowser,
  postToken,
  type ResourceCredential,
  redirectUri,
  refresh,
  signIn,
  type Tokens,
} from '../support/world.ts'

let notes: Notes
let withBasic: ResourceCredential
let withPost: ResourceCredential
const browser = newBrowser()

async function preRegister(method: string): Promise<ResourceCredential> {
  const made = await notes.gateway.admin<{ client_id: string; client_secret: string }>('POST', '/clients', {
    client_name: method,
    redirect_uris: [redirectUri],
    token_endpoint_auth_method: method,
    grant_types: ['authorization_code', 'refresh_token'],
  })
  return { id: made.client_id, secret: made.client_secret }
}

beforeAll(async () => {
  notes = await startNotes()
  withBasic = await preRegister('client_secret_basic')
  withPost = await preRegister('client_secret_post')
})
afterAll(() => notes.stop())

const encoded = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`

/** A session of a client that keeps a secret. */
async function sessionOf(client: ResourceCredential): Promise<Tokens> {
  const { code, verifier } = await authorize({ ...notes, clientId: client.id }, { browser })
  const isBasic = client === withBasic
  const response = await postToken(
    notes,
    {
      grant_type: 'authorization_code',
      code,
      code_verifier: verifier,
      ...(isBasic ? {} : { client_id: client.id, client_secret: client.secret }),
    },
    isBasic ? { authorization: basic(client) } : {},
  )
  expect(response.status).toBe(200)
  return (await response.json()) as Tokens
}

const refreshForm = (token: string) => ({ grant_type: 'refresh_token', refresh_token: token })

async function expectInvalidClient(response: Response): Promise<void> {
  expect(response.status).toBe(401)
  expect(await response.json()).toEqual({
    error: 'invalid_client',
    error_description: 'Client authentication failed',
  })
  expect(response.headers.get('www-authenticate')).toMatch(/^Basic realm="/)
  expect(response.headers.get('cache-control')).toBe('no-store')
}

describe('a refresh token of a client that keeps a secret is not spent', () => {
  type Attempt = (
    client: ResourceCredential,
    token: string,
  ) => [Record<string, string>, Record<string, string>?]
  const attempts: [string, Attempt][] = [
    ['without the secret', ({ id }) => [{ client_id: id }]],
    ['with no client at all', () => [{}]],
    ['with a wrong secret', ({ id }) => [{}, { authorization: basic({ id, secret: 'wrong' }) }]],
    ['with an empty secret', ({ id }) => [{}, { authorization: basic({ id, secret: '' }) }]],
    [
      'with the hash of the secret',
      ({ id, secret }) => [{}, { authorization: encoded(`${id}:${secret.slice(0, -1)}`) }],
    ],
    [
      'with the right secret by another method than registered',
      ({ id, secret }) => [{ client_id: id, client_secret: secret }],
    ],
    [
      'by two methods at once',
      (client) => [{ client_id: client.id, client_secret: client.secret }, { authorization: basic(client) }],
    ],
    [
      'by Basic and for another client',
      (client) => [{ client_id: 'client_other' }, { authorization: basic(client) }],
    ],
    ['with a header without a colon', ({ id }) => [{}, { authorization: encoded(id) }]],
    [
      'with a header that is not base64',
      ({ id, secret }) => [{}, { authorization: `Basic ${id}:${secret}` }],
    ],
    ['with a header of bad percent-encoding', ({ id }) => [{}, { authorization: encoded(`${id}:%zz`) }]],
    [
      'with a header of bytes that are not text',
      () => [{}, { authorization: `Basic ${Buffer.from([0xff, 0x3a, 0xfe]).toString('base64')}` }],
    ],
    ['with a scheme that is none of ours', ({ secret }) => [{}, { authorization: `Digest ${secret}` }]],
    [
      'with the client id of a public client and its own header',
      (client) => [{ client_id: notes.clientId }, { authorization: basic(client) }],
    ],
    ['with the refresh token as a bearer', (_client, token) => [{}, { authorization: `Bearer ${token}` }]],
  ]

  test.each(attempts)('%s', async (_how, attempt) => {
    const { refresh_token: token } = await sessionOf(withBasic)
    const [form, headers = {}] = attempt(withBasic, token)
    await expectInvalidClient(await postToken(notes, { ...refreshForm(token), ...form }, headers))
    const right = await postToken(notes, refreshForm(token), { authorization: basic(withBasic) })
    expect(right.status).toBe(200)
    const repeated = (await right.json()) as Tokens
    expect(repeated.refresh_token).not.toBe(token)
  })

  test('and the secret never counts in the query', async () => {
    const { refresh_token: token } = await sessionOf(withPost)
    const { id, secret } = withPost
    const query = new URLSearchParams({ client_id: id, client_secret: secret })
    const response = await fetch(`${notes.gateway.issuer}/oauth/token?${query}`, {
      method: 'POST',
      body: new URLSearchParams(refreshForm(token)),
    })
    await expectInvalidClient(response)
    const inBody = { ...refreshForm(token), client_id: id, client_secret: secret }
    expect((await postToken(notes, inBody)).status).toBe(200)
  })

  test('while it is disabled', async () => {
    const client = await preRegister('client_secret_post')
    const { refresh_token: token } = await sessionOf(client)
    const form = { ...refreshForm(token), client_id: client.id, client_secret: client.secret }
    await notes.gateway.admin('PATCH', `/clients/${client.id}`, { enabled: false })
    await expectInvalidClient(await postToken(notes, form))
    await notes.gateway.admin('PATCH', `/clients/${client.id}`, { enabled: true })
    expect((await postToken(notes, form)).status).toBe(200)
  })
})

describe('Basic is read as clients write it', () => {
  test.each(['basic', 'BASIC', 'Basic'])('under the name %s', async (scheme) => {
    const { refresh_token: token } = await sessionOf(withBasic)
    const authorization = basic(withBasic).replace('Basic', scheme)
    expect((await postToken(notes, refreshForm(token), { authorization })).status).toBe(200)
  })

  test('form-encoded as RFC 6749 asks', async () => {
    const { refresh_token: token } = await sessionOf(withBasic)
    const { id, secret } = withBasic
    const authorization = encoded(
      `${encodeURIComponent(id).replaceAll('_', '%5F')}:${encodeURIComponent(secret)}`,
    )
    expect((await postToken(notes, refreshForm(token), { authorization })).status).toBe(200)
  })

  test('with the same client_id in the body', async () => {
    const { refresh_token: token } = await sessionOf(withBasic)
    const form = { ...refreshForm(token), client_id: withBasic.id }
    expect((await postToken(notes, form, { authorization: basic(withBasic) })).status).toBe(200)
  })
})

describe('a public client', () => {
  test('that sends a secret is refused, whatever the secret', async () => {
    const { tokens } = await signIn(notes, { browser })
    const form = { ...refreshForm(tokens.refresh_token), client_id: notes.clientId }
    await expectInvalidClient(await postToken(notes, { ...form, client_secret: 'anything' }))
    const authorization = encoded(`${notes.clientId}:`)
    await expectInvalidClient(await postToken(notes, refreshForm(tokens.refresh_token), { authorization }))
    expect((await refresh(notes, tokens.refresh_token)).status).toBe(200)
  })
})

describe('nobody learns which clients there are', () => {
  test('unknown, wrong, disabled and of another method are one answer', async () => {
    const disabled = await preRegister('client_secret_post')
    await notes.gateway.admin('PATCH', `/clients/${disabled.id}`, { enabled: false })
    const form = refreshForm('cc_rt_none')
    const answers = await Promise.all([
      postToken(notes, { ...form, client_id: 'client_unknown', client_secret: 'x' }),
      postToken(notes, { ...form, client_id: withPost.id, client_secret: 'x' }),
      postToken(notes, { ...form, client_id: disabled.id, client_secret: disabled.secret }),
      postToken(notes, { ...form, client_id: withBasic.id, client_secret: withBasic.secret }),
      postToken(notes, { ...form, client_id: notes.credential.id, client_secret: notes.credential.secret }),
      postToken(notes, { ...form, client_id: 'https://client.test/metadata', client_secret: 'x' }),
    ])
    const seen = await Promise.all(
      answers.map(async (answer) => ({ status: answer.status, body: await answer.text() })),
    )
    expect(new Set(seen.map((each) => JSON.stringify(each))).size).toBe(1)
  })
})

describe('clients and resources never pass for each other', () => {
  test('a client, public or with a secret, cannot exchange tokens', async () => {
    const { tokens } = await signIn(notes, { browser })
    const form = {
      grant_type: exchangeGrant,
      subject_token: tokens.access_token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      provider: 'github',
    }
    for (const [more, headers] of [
      [{ client_id: notes.clientId }, {}],
      [{}, { authorization: basic(withBasic) }],
    ] as [Record<string, string>, Record<string, string>][]) {
      const response = await postToken(notes, { ...form, ...more }, headers)
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({
        error: 'unauthorized_client',
        error_code: 'invalid_resource_credential',
      })
    }
  })

  test('a resource cannot redeem codes, refresh or revoke', async () => {
    const { tokens, authorized } = await signIn(notes, { browser })
    const headers = { authorization: basic(notes.credential) }
    const forms = [
      refreshForm(tokens.refresh_token),
      { grant_type: 'authorization_code', code: authorized.code, code_verifier: authorized.verifier },
    ]
    for (const form of forms) {
      const response = await postToken(notes, form, headers)
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ error: 'unauthorized_client' })
    }
    const revocation = await fetch(`${notes.gateway.issuer}/oauth/revoke`, {
      method: 'POST',
      headers,
      body: new URLSearchParams({ token: tokens.refresh_token }),
    })
    expect(revocation.status).toBe(400)
    expect((await refresh(notes, tokens.refresh_token)).status).toBe(200)
  })

  test('a client cannot introspect, nor ask for upstream tokens', async () => {
    const { tokens, tsid } = await signIn(notes, { browser })
    const headers = { authorization: basic(withBasic) }
    const introspection = await fetch(`${notes.gateway.issuer}/oauth/introspect`, {
      method: 'POST',
      headers,
      body: new URLSearchParams({ token: tokens.access_token }),
    })
    expect(introspection.status).toBe(400)
    expect(await introspection.json()).toMatchObject({ error: 'unauthorized_client' })
    for (const path of [`/v1/token-sessions/${tsid}`, `/v1/token-sessions/${tsid}/tokens/github`]) {
      for (const authorization of [basic(withBasic), `Bearer ${tokens.access_token}`, undefined]) {
        const response = await fetch(`${notes.gateway.issuer}${path}?client_id=${notes.clientId}`, {
          headers: authorization === undefined ? {} : { authorization },
        })
        expect(response.status).toBe(401)
        expect(await response.json()).toMatchObject({ error_code: 'invalid_resource_credential' })
      }
    }
  })
})
