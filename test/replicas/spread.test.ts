import { randomInt } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { identitiesOf, link, press } from '../account/steps.ts'
import { assertionForm, newSigningParty } from '../support/assertions.ts'
import { stateOf } from '../support/connect-links.ts'
import { connectAnother, requestLink } from '../support/connecting.ts'
import { clientDocument, startDocumentHost } from '../support/document-host.ts'
import { askExchange } from '../support/faces.ts'
import { enter, fetchToken, type House, type Room, type Stay, startHouse, visit } from '../support/house.ts'
import { askDecision, policyOf, publishTools, tool } from '../support/tool-policy.ts'
import {
  authorize,
  introspect,
  newBrowser,
  postToken,
  redeem,
  redirectUri,
  refresh,
  registerClient,
  signIn,
  startWorld,
  type Tokens,
  type World,
} from '../support/world.ts'

// Three gateways on one database, behind something that sends every single request to any of them. Nothing sticks.

const seed = Number(process.env.TEST_SEED ?? randomInt(2 ** 31))
const spread = { over: 3, seed }
const answered = async (response: Response) => (await response.json()) as Record<string, string>
const six = Array.from({ length: 6 }, (_, index) => index)

describe(`spread over three gateways (seed ${seed})`, () => {
  let house: House
  let room: Room
  let stay: Stay
  beforeAll(async () => {
    house = await startHouse({ spread })
    room = await house.open('notes', {
      providers: [{ provider: 'github', scopes: ['repo'] }],
    })
  })
  afterAll(() => house.stop())

  const come = async (options = {}) => {
    house.newPerson()
    stay = await enter(house, room, options)
    return stay
  }
  const isActive = async (token: string) =>
    (await introspect({ gateway: house.gateway, credential: room.credential }, token)).active
  const revoke = async (token: string) =>
    await fetch(`${house.gateway.url}/oauth/revoke`, {
      method: 'POST',
      body: new URLSearchParams({ client_id: house.clientId, token }),
    })

  test('a person signs in, the client refreshes, the MCP server fetches, and all of it ends', async () => {
    const { tokens, tsid } = await come()
    const renewed = (await (await refresh(house, tokens.refresh_token)).json()) as Tokens
    expect(await isActive(renewed.access_token)).toBe(true)
    const fetched = await fetchToken(house, room, tsid, 'github')
    expect(fetched.status).toBe(200)
    const ask = { credential: room.credential, tsid, userToken: renewed.access_token, provider: 'github' }
    expect((await askExchange(house.gateway, ask)).body.access_token).toBe(fetched.body.access_token)
    await revoke(renewed.refresh_token)
    expect(await isActive(renewed.access_token)).toBe(false)
    expect((await fetchToken(house, room, tsid, 'github')).status).toBe(404)
    expect((await refresh(house, renewed.refresh_token)).status).toBe(400)
    expect(house.gateway.spreader?.counts().every((count) => count > 0)).toBe(true)
  })

  test('a refresh token that is presented six times at once has one successor', async () => {
    const { tokens } = await come()
    const answers = await Promise.all(six.map(() => refresh(house, tokens.refresh_token)))
    expect(answers.map(({ status }) => status)).toEqual(six.map(() => 200))
    const all = (await Promise.all(answers.map((each) => each.json()))) as Tokens[]
    expect(new Set(all.map(({ refresh_token: token }) => token)).size).toBe(1)
    const successor = all[0]?.refresh_token ?? ''
    expect((await refresh(house, successor)).status).toBe(200)
    // The successor was used: whoever comes with what was before it ends the family.
    expect((await refresh(house, tokens.refresh_token)).status).toBe(400)
    expect((await refresh(house, successor)).status).toBe(400)
  })

  test('a code that is presented six times at once buys one session, which the others end', async () => {
    house.newPerson()
    const { stop, verifier } = await visit(house, room)
    const code = new URL(stop.url).searchParams.get('code') ?? ''
    const answers = await Promise.all(six.map(() => redeem(house, { code, verifier })))
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 400, 400, 400, 400, 400])
    const bought = answers.find(({ status }) => status === 200)
    const tokens = (await bought?.json()) as Tokens
    expect(await isActive(tokens.access_token)).toBe(false)
  })

  test('a client registers itself, reads what it is, changes it and goes', async () => {
    const url = `${house.gateway.url}/oauth/register`
    const metadata = { redirect_uris: ['http://127.0.0.1/callback'], token_endpoint_auth_method: 'none' }
    const json = { 'content-type': 'application/json' }
    const made = await fetch(url, {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ client_name: 'Mine', ...metadata }),
    })
    const client = await answered(made)
    const at = client.registration_client_uri ?? ''
    const headers = { ...json, authorization: `Bearer ${client.registration_access_token}` }
    const body = JSON.stringify({ client_id: client.client_id, client_name: 'Still mine', ...metadata })
    const { registration_access_token: next } = await answered(
      await fetch(at, { method: 'PUT', headers, body }),
    )
    headers.authorization = `Bearer ${next}`
    for (const _ of six) {
      expect(await (await fetch(at, { headers })).json()).toMatchObject({ client_name: 'Still mine' })
    }
    expect((await fetch(at, { method: 'DELETE', headers })).status).toBe(204)
    for (const _ of six) expect((await fetch(at, { headers })).status).toBe(401)
  })

  test('a client that publishes what it is signs people in', async () => {
    const host = await startDocumentHost()
    const clientId = `${host.origin}/client.json`
    host.serve('/client.json', { body: clientDocument(clientId) })
    const { tokens } = await come({ clientId })
    expect((await refresh({ ...house, clientId }, tokens.refresh_token)).status).toBe(200)
    expect(host.calls('/client.json')).toBe(1)
    await host.stop()
  })

  test('a person links a second way in on the account page, and comes in by it', async () => {
    const person = house.newPerson()
    const browser = newBrowser()
    await press(house, browser, 'github', link('Google'), 'link')
    expect(await identitiesOf(house, person.github)).toEqual([
      `github ${person.github}`,
      `google ${person.google}`,
    ])
    const another = newBrowser()
    const page = await press(house, another, 'google')
    expect(page.text).toContain(`GitHub: ${person.github}`)
  })

  test('a connect link brings a second account, once', async () => {
    await come()
    await connectAnother(house, room, stay)
    expect((await fetchToken(house, room, stay.tsid, 'github')).body.error_code).toBe(
      'account_selection_required',
    )
    const { connect_url: url, ticket } = await requestLink(house, room, stay.tsid, { account: 'new' })
    house.newPerson()
    // Whoever waits hears of it, wherever it was followed.
    const states = six.map(() => stateOf(house, room, stay.tsid, { url, ticket }, { wait: '30' }))
    await stay.browser.walk(url, ['continue', 'github', 'allow'])
    for (const { state } of await Promise.all(states)) expect(state).toBe('completed')
    const again = await stay.browser.walk(url, ['continue', 'github', 'allow'])
    expect(again.text).not.toContain('Connected')
  })

  test('a named administrator works by one password everywhere, and a rotated key signs nowhere too soon', async () => {
    const { admin, issuer } = house.gateway
    await admin('POST', '/administrators', { name: 'ada', role: 'write', password: 'correct horse battery' })
    const authorization = `Basic ${Buffer.from('ada:correct horse battery').toString('base64')}`
    const call = (method: string, path: string) =>
      fetch(`${house.gateway.url}/admin/v1${path}`, { method, headers: { authorization } })
    for (const _ of six) expect((await call('GET', '/providers')).status).toBe(200)
    await admin('POST', '/signing-keys/rotate', {})
    house.clock.advance(1)
    const sets = await Promise.all(
      six.map(async () => await (await fetch(`${issuer}/.well-known/jwks.json`)).text()),
    )
    expect(new Set(sets).size).toBe(1)
    const { tokens } = await come()
    for (const _ of six) expect(await isActive(tokens.access_token)).toBe(true)
    await admin('DELETE', '/administrators/ada')
    for (const _ of six) expect((await call('GET', '/providers')).status).toBe(401)
  })

  test('an assertion counts once, however many ask which gateway at once', async () => {
    const party = await newSigningParty('ES256', house.clock.now)
    const clientId = await registerClient(house.gateway, {
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [party.jwk] },
    })
    const assertion = await party.assert(clientId, house.gateway.issuer)
    const form = { grant_type: 'refresh_token', refresh_token: 'cc_rt_none', ...assertionForm(assertion) }
    const answers = await Promise.all(six.map(async () => await answered(await postToken(house, form))))
    const errors = answers.map(({ error }) => error).toSorted()
    expect(errors).toEqual([...six.slice(1).map(() => 'invalid_client'), 'invalid_grant'])
  })
})

describe(`decisions, spread over three gateways (seed ${seed})`, () => {
  let world: World
  let token: string
  const browser = newBrowser()
  beforeAll(async () => {
    world = await startWorld('oidc', { spread })
    await publishTools(world, [tool('counted'), tool('grave')])
    const policy = policyOf(world.gateway, 'notes')
    await policy.open('counted', { scopes: ['notes.read'] })
    await policy.open('grave', { scopes: ['notes.read'], step_up: { max_age: 300 } })
    await policy.activate()
    await policy.limit({ per: 'subject', limit: 5, window: 'month', tools: ['counted'] })
    token = (await signIn(world, { browser })).tokens.access_token
  })
  afterAll(() => world.stop())

  const ask = async (name: string, by = token) =>
    (await askDecision(world, by, { tool: name, arguments: {} })).body

  test('a quota of five lets five of eighteen calls through', async () => {
    const answers = await Promise.all([...six, ...six, ...six].map(() => ask('counted')))
    expect(answers.filter(({ allowed }) => allowed)).toHaveLength(5)
  })

  test('a sign-in for one call, at any of them, lets one call through, at any of them', async () => {
    const asked = await Promise.all(six.map(() => ask('grave')))
    const required = asked.map(({ required }) => required as { acr_values: string; max_age: number })
    world.clock.advance(120)
    const { acr_values, max_age } = required[0] ?? { acr_values: '', max_age: 0 }
    const { code, verifier } = await authorize(world, {
      browser,
      parameters: { acr_values, max_age: String(max_age) },
    })
    const tokens = (await (await redeem(world, { code, verifier }, redirectUri)).json()) as Tokens
    const answers = await Promise.all(six.map(() => ask('grave', tokens.access_token)))
    expect(answers.filter(({ allowed }) => allowed)).toHaveLength(1)
  })
})
