import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { listed } from '../authorization/steps.ts'
import { callbackOf } from '../support/browser.ts'
import { enter, type House, startHouse, upstreamClient, visit } from '../support/house.ts'
import { claimsOf, retrieve } from '../support/world.ts'

// Providers that nobody ships a descriptor for: what one over the vocabulary there is can say of them, and that what
// it cannot say yet goes wrong safely.

let house: House
const open: Server[] = []

beforeAll(async () => {
  house = await startHouse()
})
afterAll(async () => {
  for (const server of open) server.close()
  await house.stop()
})
afterEach(() => house.google.control.set({ idTokenClaims: {} }))

const registered = {
  client_id: upstreamClient.clientId,
  client_secret: upstreamClient.clientSecret,
  admit: 'anyone',
}

type Told = { status?: number; headers?: Record<string, string>; json?: unknown }
type Asked = { query: URLSearchParams; body: string; headers: IncomingMessage['headers'] }
type Routes = Record<string, (asked: Asked) => Told>

/** A provider of a few routes, which sends everybody back from `GET /authorize` with a code. */
async function startProvider(routes: (origin: string) => Routes): Promise<string> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const url = new URL(request.url ?? '/', origin)
    const asked = { query: url.searchParams, body: String(Buffer.concat(chunks)), headers: request.headers }
    const told = answers[`${request.method} ${url.pathname}`]?.(asked) ?? { status: 404 }
    response.writeHead(told.status ?? 200, { 'content-type': 'application/json', ...told.headers })
    response.end(told.json === undefined ? '' : JSON.stringify(told.json))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push(server)
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const answers: Routes = { 'GET /authorize': sendBack, ...routes(origin) }
  return origin
}

function sendBack({ query }: Asked): Told {
  const back = new URL(query.get('redirect_uri') ?? '')
  back.search = String(new URLSearchParams({ code: 'the-code', state: query.get('state') ?? '' }))
  return { status: 302, headers: { location: back.href } }
}

const clientBasic = `Basic ${Buffer.from(`${upstreamClient.clientId}:${upstreamClient.clientSecret}`).toString('base64')}`

describe('Entra ID', () => {
  const entra = () => ({
    descriptor: {
      name: 'Entra ID',
      kind: 'oidc',
      server: { issuer: house.google.issuer, discovery: 'oidc' },
      scopes: { identity: ['openid', 'email', 'profile'] },
      identity: {
        sources: ['id_token'],
        subject: 'oid',
        label: ['preferred_username', 'name'],
        email: { claim: 'email', verified_claim: 'xms_edov' },
        tenant: 'tid',
      },
    },
    ...registered,
  })
  const victim = { oid: 'oid-of-the-victim', tid: 'tenant-acme', email: 'vic@acme.test', xms_edov: true }
  const attacker = { oid: 'oid-of-the-attacker', tid: 'tenant-evil', email: 'vic@acme.test' }

  const save = async (admit: unknown) => {
    // The stand-in sends people back to what it knows, which is the callback of `google`.
    await house.gateway.admin('PUT', '/providers/google', { ...entra(), admit })
  }
  const signInAs = async (claims: Record<string, unknown>) => {
    house.newPerson()
    house.google.control.set({ idTokenClaims: claims })
    const room = await house.open('office', { providers: [], sign_in: ['google'] })
    return { room, ...(await visit(house, room, { presses: ['google', 'allow'] })) }
  }

  test('accounts that claim one address are two people, and the address that nobody owns is not verified', async () => {
    await save('anyone')
    const subjects: unknown[] = []
    for (const claims of [victim, attacker, victim]) {
      house.google.control.set({ idTokenClaims: claims })
      house.newPerson()
      const room = await house.open('office', { providers: [], sign_in: ['google'] })
      subjects.push(
        claimsOf((await enter(house, room, { presses: ['google', 'allow'] })).tokens.access_token).sub,
      )
    }
    expect(subjects[0]).toBe(subjects[2])
    expect(subjects[1]).not.toBe(subjects[0])
    type Found = { id: string; identities: { email_verified: boolean }[] }
    const people = await listed<Found>(house, '/subjects?email=vic@acme.test')
    const isVerified = Object.fromEntries(
      people.map(({ id, identities }) => [id, identities[0]?.email_verified]),
    )
    expect(isVerified).toEqual({ [String(subjects[0])]: true, [String(subjects[1])]: false })
  })

  test.each([
    ['the domain of an address', { email_domains: ['acme.test'] }],
    ['a tenant', { tenants: ['tenant-acme'] }],
  ])(
    'who is admitted by %s is admitted by it, and whoever only claims the address is not',
    async (_what, admit) => {
      await save(admit)
      expect(callbackOf((await signInAs(victim)).stop)).toHaveProperty('code')
      expect(callbackOf((await signInAs(attacker)).stop)).toMatchObject({ error: 'access_denied' })
    },
  )

  test('of everybody, whose metadata names a template of issuers, signs nobody in and is told as set up wrongly', async () => {
    const origin = await startProvider((base) => ({
      'GET /common/v2.0/.well-known/openid-configuration': () => ({
        json: {
          issuer: `${base}/{tenantid}/v2.0`,
          authorization_endpoint: `${base}/authorize`,
          token_endpoint: `${base}/token`,
          jwks_uri: `${base}/keys`,
          response_types_supported: ['code'],
          subject_types_supported: ['pairwise'],
          id_token_signing_alg_values_supported: ['RS256'],
        },
      }),
    }))
    const variables = { issuer: `${origin}/common/v2.0` }
    const descriptor = { extends: 'oidc', name: 'Entra ID' }
    await house.gateway.admin('PUT', '/providers/common', { ...registered, descriptor, variables })
    const room = await house.open('lobby', { providers: [], sign_in: ['common'] })
    const { stop } = await visit(house, room, { presses: ['allow'] })
    expect(callbackOf(stop)).toMatchObject({ error: 'server_error' })
    const { problems } = await house.gateway.admin<{ problems: { code: string }[] }>(
      'POST',
      '/providers/common/check',
    )
    expect(problems.map(({ code }) => code)).toEqual(['metadata_invalid'])
  })
})

describe('Slack', () => {
  let answer: unknown
  const slack = async () => {
    const origin = await startProvider(() => ({
      'POST /token': () => ({ json: answer }),
      'GET /auth.test': () => ({ json: { ok: true, user_id: 'U7', team_id: 'T7', user: 'ada' } }),
    }))
    await house.gateway.admin('PUT', '/providers/slack', {
      descriptor: {
        name: 'Slack',
        kind: 'oauth2',
        server: {
          issuer: 'https://slack.test',
          authorization_endpoint: `${origin}/authorize`,
          token_endpoint: `${origin}/token`,
          userinfo_endpoint: `${origin}/auth.test`,
        },
        pkce: 'off',
        scopes: { separator: ',', granted_separators: [','] },
        errors: [{ error: 'invalid_code', means: 'restart' }],
        identity: { sources: ['userinfo'], subject: 'user_id', label: ['user'], tenant: 'team_id' },
      },
      ...registered,
    })
    return await house.open('chat', { providers: [{ provider: 'slack', scopes: ['chat:write'] }] })
  }

  test('says no with status 200, which is told as what it is', async () => {
    const room = await slack()
    answer = { ok: false, error: 'invalid_code' }
    const refused = await visit(house, room, { presses: ['allow'] })
    expect(callbackOf(refused.stop)).toMatchObject({ error: 'access_denied' })
    answer = { ok: false, error: 'fatal_error' }
    const broken = await visit(house, room, { presses: ['allow'] })
    expect(callbackOf(broken.stop)).toMatchObject({ error: 'temporarily_unavailable' })
  })

  test('gives a bot’s token beside the person’s, and it is never taken for theirs', async () => {
    const room = await slack()
    const bot = { access_token: 'xoxb-of-the-bot', token_type: 'bot', scope: 'commands', bot_user_id: 'B7' }
    const person = { id: 'U7', scope: 'chat:write', access_token: 'xoxp-of-ada', token_type: 'user' }
    answer = { ok: true, ...bot, team: { id: 'T7' }, authed_user: person }
    const { stop } = await visit(house, room, { presses: ['allow'] })
    expect(callbackOf(stop)).toMatchObject({ error: 'server_error' })
    expect(await listed(house, '/connections?provider=slack')).toEqual([])
    expect(await listed(house, '/subjects?label=ada')).toEqual([])
  })
})

describe('Notion', () => {
  const version = { 'Notion-Version': '2022-06-28' }

  test('takes HTTP Basic with a JSON body, knows no scopes, and connects by a descriptor alone', async () => {
    const asked: Asked[] = []
    const owner = { type: 'user', user: { id: 'u-7', name: 'Ada', person: { email: 'ada@acme.test' } } }
    const origin = await startProvider(() => ({
      'POST /v1/oauth/token'(token) {
        asked.push(token)
        if (token.headers.authorization !== clientBasic)
          return { status: 401, json: { error: 'invalid_client' } }
        const { grant_type: grant, code } = JSON.parse(token.body)
        if (grant !== 'authorization_code' || code !== 'the-code') {
          return { status: 400, json: { error: 'invalid_grant' } }
        }
        return { json: { access_token: 'ntn_of-ada-at-notion', token_type: 'bearer', bot_id: 'b-7', owner } }
      },
      'GET /v1/users/me'({ headers }) {
        const isGood = headers.authorization === 'Bearer ntn_of-ada-at-notion' && headers['notion-version']
        return isGood ? { json: { object: 'user', id: 'b-7', type: 'bot', bot: { owner } } } : { status: 401 }
      },
    }))
    await house.gateway.admin('PUT', '/providers/notion', {
      descriptor: {
        name: 'Notion',
        kind: 'oauth2',
        server: {
          issuer: 'https://notion.test',
          authorization_endpoint: `${origin}/authorize`,
          token_endpoint: `${origin}/v1/oauth/token`,
          userinfo_endpoint: `${origin}/v1/users/me`,
        },
        authorization: { parameters: { owner: 'user' } },
        client_authentication: 'client_secret_basic',
        pkce: 'off',
        scopes: { granted: 'unreported' },
        token: { request_format: 'json' },
        identity: {
          sources: ['userinfo'],
          headers: version,
          subject: 'bot.owner.user.id',
          label: ['bot.owner.user.person.email', 'bot.owner.user.name'],
          email: { claim: 'bot.owner.user.person.email' },
        },
      },
      ...registered,
    })
    const room = await house.open('wiki', { providers: [{ provider: 'notion', scopes: [] }] })
    const { tsid } = await enter(house, room, { presses: ['allow'] })
    const call = { gateway: house.gateway, credential: room.credential, provider: 'notion' }
    const { status, body } = await retrieve(call, tsid)
    expect(status).toBe(200)
    expect(body).toMatchObject({ access_token: 'ntn_of-ada-at-notion', account: { label: 'ada@acme.test' } })
    expect(asked.map(({ headers }) => headers['content-type'])).toEqual(['application/json'])
    expect(asked[0]?.body).not.toContain(upstreamClient.clientSecret)
  })
})
