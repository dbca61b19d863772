import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type AssertionParts,
  assertionForm,
  newSigningParty,
  type SigningParty,
} from '../support/assertions.ts'
import { clientDocument, type DocumentHost, startDocumentHost } from '../support/document-host.ts'
import {
  authorize,
  postToken,
  redirectUri,
  registerClient,
  signIn,
  startWorld,
  type Tokens,
  type World,
} from '../support/world.ts'

let world: World
let host: DocumentHost
let party: SigningParty
let stranger: SigningParty
let clientId: string
let credential: string
beforeAll(async () => {
  world = await startWorld()
  host = await startDocumentHost()
  party = await newSigningParty('ES256', world.clock.now, 'one')
  stranger = await newSigningParty('ES256', world.clock.now, 'one')
  clientId = await keyed({ jwks: { keys: [party.jwk] } })
  credential = await resourceCredential({ jwks: { keys: [party.jwk] } })
})
afterAll(async () => {
  await world.stop()
  await host.stop()
})

const keyed = async (metadata: Record<string, unknown>) =>
  await registerClient(world.gateway, { token_endpoint_auth_method: 'private_key_jwt', ...metadata })

async function resourceCredential(body: Record<string, unknown>): Promise<string> {
  const made = await world.gateway.admin<{ client_id: string }>('POST', '/resources/notes/credentials', body)
  return made.client_id
}

const assert = async (id: string, more: AssertionParts = {}, by = party) =>
  await by.assert(id, world.gateway.issuer, more)

/** The token endpoint, asked with an assertion for a refresh token that nobody has: `invalid_grant` is who got in. */
async function present(assertion: string, more: Record<string, string> = {}): Promise<string> {
  const form = {
    grant_type: 'refresh_token',
    refresh_token: 'cc_rt_none',
    ...assertionForm(assertion),
    ...more,
  }
  const response = await postToken(world, form)
  const { error } = (await response.json()) as { error: string }
  expect(response.status).toBe(error === 'invalid_client' ? 401 : 400)
  return error
}

const getsIn = 'invalid_grant'
const isRefused = 'invalid_client'

describe('a client that signs assertions', () => {
  test('redeems its code, refreshes and revokes', async () => {
    const { code, verifier } = await authorize({ ...world, clientId })
    const redeemed = await postToken(world, {
      grant_type: 'authorization_code',
      code,
      code_verifier: verifier,
      redirect_uri: redirectUri,
      ...assertionForm(await assert(clientId)),
    })
    expect(redeemed.status).toBe(200)
    const { refresh_token: token } = (await redeemed.json()) as Tokens
    const form = { grant_type: 'refresh_token', refresh_token: token }
    expect((await postToken(world, { ...form, client_id: clientId })).status).toBe(401)
    const refreshed = await postToken(world, { ...form, ...assertionForm(await assert(clientId)) })
    expect(refreshed.status).toBe(200)
    const revoked = await fetch(`${world.gateway.url}/oauth/revoke`, {
      method: 'POST',
      body: new URLSearchParams({ token, ...assertionForm(await assert(clientId)) }),
    })
    expect(revoked.status).toBe(200)
  })

  test.each(['ES256', 'RS256', 'PS256', 'EdDSA'])('may sign with %s', async (alg) => {
    const own = await newSigningParty(alg, world.clock.now)
    const id = await keyed({ jwks: { keys: [{ kty: 'oct', use: 'enc' }, own.jwk] } })
    expect(await present(await assert(id, {}, own))).toBe(getsIn)
    expect(await present(await assert(id, {}, stranger))).toBe(isRefused)
  })

  test('may be one an administrator registered, which is given no secret', async () => {
    const made = await world.gateway.admin<{ client_id: string; client_secret?: string }>(
      'POST',
      '/clients',
      {
        redirect_uris: [redirectUri],
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [party.jwk] },
      },
    )
    expect(made.client_secret).toBeUndefined()
    expect(await present(await assert(made.client_id))).toBe(getsIn)
  })

  test('may be one with a metadata document, whose keys count as they are now', async () => {
    const id = `${host.origin}/keyed.json`
    const method = { token_endpoint_auth_method: 'private_key_jwt' }
    const headers = { 'cache-control': 'max-age=60' }
    host.serve('/keyed.json', {
      headers,
      body: clientDocument(id, { ...method, jwks: { keys: [party.jwk] } }),
    })
    expect(await present(await assert(id))).toBe(isRefused)
    await authorize({ ...world, clientId: id })
    expect(await present(await assert(id))).toBe(getsIn)
    host.serve('/keyed.json', {
      headers,
      body: clientDocument(id, { ...method, jwks: { keys: [stranger.jwk] } }),
    })
    world.clock.advance(61)
    expect(await present(await assert(id))).toBe(isRefused)
    expect(await present(await assert(id, {}, stranger))).toBe(getsIn)
  })

  test('that said which algorithm it signs with signs with that alone', async () => {
    const own = await newSigningParty('RS256', world.clock.now)
    const said = { token_endpoint_auth_signing_alg: 'PS256' }
    const id = await keyed({ jwks: { keys: [own.jwk] }, ...said })
    expect(await present(await assert(id, {}, own))).toBe(isRefused)
  })

  test('is told what is served in the metadata', async () => {
    const response = await fetch(`${world.gateway.url}/.well-known/oauth-authorization-server`)
    const metadata = (await response.json()) as Record<string, unknown>
    expect(metadata.token_endpoint_auth_methods_supported).toContain('private_key_jwt')
    const served = ['ES256', 'RS256', 'PS256', 'EdDSA']
    expect(metadata.token_endpoint_auth_signing_alg_values_supported).toEqual(served)
  })

  test.each([
    ['no keys', {}],
    ['an empty set', { jwks: { keys: [] } }],
    ['a shared secret', { jwks: { keys: [{ kty: 'oct', k: 'c2VjcmV0' }] } }],
    ['two ways', { jwks: { keys: [] }, jwks_uri: 'https://client.test/jwks' }],
    ['keys over http', { jwks_uri: 'http://client.test/jwks' }],
    [
      'an algorithm with a shared secret',
      { jwks_uri: 'https://c.test/j', token_endpoint_auth_signing_alg: 'HS256' },
    ],
  ])('cannot register with %s', async (_what, metadata) => {
    await expect(keyed(metadata)).rejects.toThrow('registration answered 400')
  })
})

describe('an assertion is good', () => {
  test('once, also after a restart', async () => {
    const assertion = await assert(clientId)
    expect(await present(assertion)).toBe(getsIn)
    expect(await present(assertion)).toBe(isRefused)
    await world.gateway.restart()
    expect(await present(assertion)).toBe(isRefused)
  })

  test('for one of many that come at once', async () => {
    const assertion = await assert(clientId)
    const answers = await Promise.all(Array.from({ length: 10 }, () => present(assertion)))
    expect(answers.filter((answer) => answer === getsIn)).toHaveLength(1)
  })

  test('with a jti that another client used', async () => {
    const other = await keyed({ jwks: { keys: [party.jwk] } })
    const claims = { jti: 'the same' }
    expect(await present(await assert(clientId, { claims }))).toBe(getsIn)
    expect(await present(await assert(other, { claims }))).toBe(getsIn)
  })

  const at = (seconds: number) => world.clock.now() + seconds
  test.each<[string, () => AssertionParts]>([
    ['for the issuer with a slash', () => ({ claims: { aud: `${world.gateway.issuer}/` } })],
    ['for the token endpoint', () => ({ claims: { aud: `${world.gateway.issuer}/oauth/token` } })],
    ['that is valid in 8 seconds', () => ({ claims: { nbf: at(8) } })],
    ['that was made in 8 seconds', () => ({ claims: { iat: at(8), exp: at(68) } })],
    ['without iat', () => ({ claims: { iat: undefined } })],
    ['for 5 minutes', () => ({ claims: { exp: at(300) } })],
    ['with a typ of its own', () => ({ header: { typ: 'client-authentication+jwt' } })],
  ])('%s', async (_how, parts) => {
    expect(await present(await assert(clientId, parts()))).toBe(getsIn)
  })

  test('beside the client_id it is about', async () => {
    expect(await present(await assert(clientId), { client_id: clientId })).toBe(getsIn)
  })
})

describe('an assertion is refused', () => {
  const at = (seconds: number) => world.clock.now() + seconds
  const issuer = () => world.gateway.issuer
  test.each<[string, () => AssertionParts]>([
    ['for a list of audiences', () => ({ claims: { aud: [issuer(), 'https://other.test'] } })],
    ['for a list with the issuer alone', () => ({ claims: { aud: [issuer()] } })],
    ['for another endpoint', () => ({ claims: { aud: `${issuer()}/oauth/authorize` } })],
    ['for another server', () => ({ claims: { aud: 'https://other.test' } })],
    ['for nobody', () => ({ claims: { aud: undefined } })],
    ['without an end', () => ({ claims: { exp: undefined } })],
    ['with an end that is text', () => ({ claims: { exp: '9999999999' } })],
    ['that has ended', () => ({ claims: { iat: at(-60), exp: at(-1) } })],
    ['for more than 5 minutes', () => ({ claims: { exp: at(301) } })],
    ['for more than 5 minutes without iat', () => ({ claims: { iat: undefined, exp: at(331) } })],
    ['that is valid in 61 seconds', () => ({ claims: { nbf: at(61) } })],
    ['that was made in 61 seconds', () => ({ claims: { iat: at(61), exp: at(120) } })],
    ['by another issuer', () => ({ claims: { iss: 'client_other' } })],
    ['about another client', () => ({ claims: { sub: world.clientId } })],
    ['by and about another client', () => ({ claims: { iss: world.clientId, sub: world.clientId } })],
    ['without jti', () => ({ claims: { jti: undefined } })],
    ['with an empty jti', () => ({ claims: { jti: '' } })],
    ['that is an access token by its type', () => ({ header: { typ: 'at+jwt' } })],
    ['with a key id nobody has', () => ({ header: { kid: 'two' } })],
  ])('%s', async (_how, parts) => {
    expect(await present(await assert(clientId, parts()))).toBe(isRefused)
  })

  test('signed with another key', async () => {
    expect(await present(await assert(clientId, {}, stranger))).toBe(isRefused)
  })

  test('signed with a key that it brings itself', async () => {
    const header = { jwk: stranger.jwk }
    expect(await present(await assert(clientId, { header }, stranger))).toBe(isRefused)
  })

  test('signed with nothing, or with a public key taken for a secret', async () => {
    const at = world.clock.now()
    const claims = { iss: clientId, sub: clientId, aud: issuer(), jti: 'x', exp: at + 60 }
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
    for (const header of [{ alg: 'none' }, { alg: 'ES256' }, null]) {
      expect(await present(`${encode(header)}.${encode(claims)}.`)).toBe(isRefused)
    }
    const secret = new TextEncoder().encode(JSON.stringify(party.jwk))
    expect(await present(await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(secret))).toBe(
      isRefused,
    )
  })

  test.each(['x', 'a.b.c', 'null.null.null', '..', `${'a'.repeat(9_000)}.b.c`])(
    'that is none: %.20s',
    async (text) => {
      expect(await present(text)).toBe(isRefused)
    },
  )

  test('of another type, without its type, or as a type alone', async () => {
    const type = 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer'
    expect(await present(await assert(clientId), { client_assertion_type: type })).toBe(isRefused)
    expect(await present(await assert(clientId), { client_assertion_type: '' })).toBe(isRefused)
    expect(await present('')).toBe(isRefused)
  })

  test('beside a secret, a header or another client_id', async () => {
    expect(await present(await assert(clientId), { client_secret: 'x' })).toBe(isRefused)
    expect(await present(await assert(clientId), { client_id: world.clientId })).toBe(isRefused)
    const form = { grant_type: 'refresh_token', ...assertionForm(await assert(clientId)) }
    const response = await postToken(world, form, { authorization: 'Basic eDp5' })
    expect(response.status).toBe(401)
  })

  test('from a client that registered another way', async () => {
    expect(await present(await assert(world.clientId))).toBe(isRefused)
  })

  test('from a client that is disabled', async () => {
    const id = await keyed({ jwks: { keys: [party.jwk] } })
    await world.gateway.admin('PATCH', `/clients/${id}`, { enabled: false })
    expect(await present(await assert(id))).toBe(isRefused)
  })
})

describe('keys that are published at an address', () => {
  test('are fetched once, and anew where a signature asks for it, at most once a minute', async () => {
    const first = await newSigningParty('ES256', world.clock.now, 'first')
    const second = await newSigningParty('ES256', world.clock.now, 'second')
    host.serve('/jwks', { body: JSON.stringify({ keys: [first.jwk] }) })
    const id = await keyed({ jwks_uri: `${host.origin}/jwks` })
    expect(await present(await assert(id, {}, first))).toBe(getsIn)
    expect(await present(await assert(id, {}, first))).toBe(getsIn)
    expect(host.calls('/jwks')).toBe(1)
    host.serve('/jwks', { body: JSON.stringify({ keys: [second.jwk] }) })
    expect(await present(await assert(id, {}, second))).toBe(isRefused)
    world.clock.advance(61)
    expect(await present(await assert(id, {}, second))).toBe(getsIn)
    expect(await present(await assert(id, {}, first))).toBe(isRefused)
    expect(host.calls('/jwks')).toBe(2)
  })

  test('are good for a day when their host fails', async () => {
    host.serve('/failing', {
      headers: { 'cache-control': 'max-age=60' },
      body: JSON.stringify({ keys: [party.jwk] }),
    })
    const { client_id: id } = await world.gateway.admin<{ client_id: string }>('POST', '/clients', {
      redirect_uris: [redirectUri],
      token_endpoint_auth_method: 'private_key_jwt',
      jwks_uri: `${host.origin}/failing`,
    })
    expect(await present(await assert(id))).toBe(getsIn)
    host.serve('/failing', { status: 503, body: '' })
    world.clock.advance(3_600)
    expect(await present(await assert(id))).toBe(getsIn)
    // The other tests go on with both clients, and who is not used is forgotten within the day.
    await signIn(world)
    world.clock.advance(86_400)
    clientId = await keyed({ jwks: { keys: [party.jwk] } })
    expect(await present(await assert(id))).toBe(isRefused)
  })

  test.each([
    ['a page', { headers: { 'content-type': 'text/html' }, body: '<html>' }],
    ['an error', { status: 500, body: '{}' }],
    ['a redirect', { status: 302, headers: { location: '/jwks' }, body: '' }],
    ['a private key', { body: JSON.stringify({ keys: [{ kty: 'EC', crv: 'P-256', d: 'x' }] }) }],
  ])('are none where there is %s', async (_what, answer) => {
    world.clock.advance(61)
    host.serve('/odd', answer)
    const id = await keyed({ jwks_uri: `${host.origin}/odd` })
    expect(await present(await assert(id))).toBe(isRefused)
  })
})

describe('a resource that signs assertions', () => {
  const bearer = async (id: string, more: AssertionParts = {}, by = party) => ({
    authorization: `Bearer ${await assert(id, more, by)}`,
  })
  const look = async (tsid: string, headers: Record<string, string>) =>
    await fetch(`${world.gateway.url}/v1/token-sessions/${tsid}`, { headers })

  test('fetches tokens with the assertion as a bearer, once each', async () => {
    const { tsid } = await signIn(world)
    const headers = await bearer(credential)
    const url = `${world.gateway.url}/v1/token-sessions/${tsid}/tokens/${world.provider}`
    expect((await fetch(url, { headers })).status).toBe(200)
    const again = await fetch(url, { headers })
    expect(again.status).toBe(401)
    expect(await again.json()).toMatchObject({ error_code: 'invalid_resource_credential' })
  })

  test('introspects and exchanges tokens with it', async () => {
    const { tokens } = await signIn(world)
    const introspected = await fetch(`${world.gateway.url}/oauth/introspect`, {
      method: 'POST',
      body: new URLSearchParams({ token: tokens.access_token, ...assertionForm(await assert(credential)) }),
    })
    expect(await introspected.json()).toMatchObject({ active: true })
    const exchanged = await postToken(world, {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: tokens.access_token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      provider: world.provider,
      ...assertionForm(await assert(credential)),
    })
    expect(exchanged.status).toBe(200)
  })

  test('may publish its keys at an address', async () => {
    const { tsid } = await signIn(world)
    host.serve('/resource-jwks', { body: JSON.stringify({ keys: [party.jwk] }) })
    const id = await resourceCredential({ jwks_uri: `${host.origin}/resource-jwks` })
    expect((await look(tsid, await bearer(id))).status).toBe(200)
    await world.gateway.admin('DELETE', `/resources/notes/credentials/${id}`)
    expect((await look(tsid, await bearer(id))).status).toBe(401)
  })

  test('gets nothing with another key, for another server, for too long, or as a client', async () => {
    const { tsid, tokens } = await signIn(world)
    const exp = world.clock.now() + 301
    const refused = [
      await bearer(credential, {}, stranger),
      await bearer(credential, { claims: { aud: 'https://other.test' } }),
      await bearer(credential, { claims: { exp } }),
      await bearer(clientId),
      await bearer(world.credential.id),
      { authorization: `Bearer ${tokens.access_token}` },
      { authorization: `Basic ${Buffer.from(`${credential}:`).toString('base64')}` },
    ]
    for (const headers of refused) expect((await look(tsid, headers)).status).toBe(401)
  })

  test('cannot use its assertion as a bearer where a form is asked for', async () => {
    const response = await postToken(world, { grant_type: 'refresh_token' }, await bearer(credential))
    expect(response.status).toBe(401)
  })
})
