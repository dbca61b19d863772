import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { RunningGateway } from '../../src/main.ts'
import { accountUrl, press, proofOf } from '../account/steps.ts'
import { createBrowser } from '../support/browser.ts'
import { askExchange } from '../support/faces.ts'
import { adminCalls } from '../support/gateway.ts'
import { upstreamClient } from '../support/house.ts'
import { type Notes, notesDefinition, startNotes } from '../support/notes.ts'
import { askDecision, policyOf, publishTools, tool } from '../support/tool-policy.ts'
import {
  claimsOf,
  createCredential,
  introspect,
  kidOf,
  redeem,
  redirectUri,
  refresh,
  registerClient,
  retrieve,
  signIn,
  type Tokens,
} from '../support/world.ts'

// Promise 7: what was ended or changed at one gateway is so at every gateway over the same database, within a second,
// whatever that one keeps in mind: each has just answered, with what it was before.

let notes: Notes
let replica: RunningGateway
let there: Notes

beforeAll(async () => {
  notes = await startNotes()
  replica = await notes.gateway.replica()
  const { adminToken } = notes.gateway
  there = {
    ...notes,
    gateway: { ...notes.gateway, url: replica.url, admin: adminCalls(replica.url, adminToken) },
  }
})
afterAll(async () => {
  await replica.stop()
  await notes.stop()
})

type Session = Awaited<ReturnType<typeof signIn>>

const admin: Notes['gateway']['admin'] = (...call) => notes.gateway.admin(...call)
const subjectOf = ({ tokens }: Session) => `/subjects/${claimsOf(tokens.access_token).sub}`

/** The other face of retrieval (RFC 8693). */
const exchange = ({ tokens, tsid }: Session, { credential, provider }: Notes = there) =>
  askExchange(there.gateway, { credential, provider, tsid, userToken: tokens.access_token })

const endings: [string, string, (session: Session, clientId: string) => Promise<unknown>][] = [
  [
    'what its client revoked',
    'unknown_token_session',
    async ({ tokens }, clientId) =>
      await fetch(`${notes.gateway.url}/oauth/revoke`, {
        method: 'POST',
        body: new URLSearchParams({ client_id: clientId, token: tokens.refresh_token }),
      }),
  ],
  [
    'what an administrator ended',
    'unknown_token_session',
    async (_session, clientId) => {
      const { items } = await admin('GET', `/token-sessions?client_id=${clientId}`)
      const [{ id }] = items as [{ id: string }]
      await admin('DELETE', `/token-sessions/${id}`)
    },
  ],
  [
    'what the person took back',
    'unknown_token_session',
    async ({ browser }, clientId) => {
      const page = await browser.get(accountUrl(notes))
      const fields = { action: 'end-access', proof: proofOf(page), client_id: clientId, resource_id: 'notes' }
      await browser.post(accountUrl(notes), fields, { from: accountUrl(notes) })
    },
  ],
  [
    'what a replayed code brought down',
    'unknown_token_session',
    async ({ authorized }, clientId) => await redeem({ ...notes, clientId }, authorized),
  ],
  ['a client that was deleted', 'unknown_token_session', (_session, id) => admin('DELETE', `/clients/${id}`)],
  [
    'a client that was disabled',
    'unknown_token_session',
    (_session, id) => admin('PATCH', `/clients/${id}`, { enabled: false }),
  ],
  [
    'a person who was disabled',
    'unknown_token_session',
    (session) => admin('PATCH', subjectOf(session), { enabled: false }),
  ],
  ['a person who was deleted', 'unknown_token_session', (session) => admin('DELETE', subjectOf(session))],
  [
    'an MCP server that was disabled',
    'invalid_resource_credential',
    () => admin('PUT', '/resources/notes', { ...notesDefinition, enabled: false }),
  ],
]

test.each(endings)('is refused at the other gateway: %s', async (_what, code, end) => {
  notes.newPerson()
  const clientId = await registerClient(notes.gateway)
  const session = await signIn({ ...notes, clientId })
  const { tokens, tsid } = session
  expect((await retrieve(there, tsid)).status).toBe(200)
  expect((await exchange(session)).status).toBe(200)
  expect(await introspect(there, tokens.access_token)).toMatchObject({ active: true })

  await end(session, clientId)
  expect((await retrieve(there, tsid)).body.error_code).toBe(code)
  expect((await exchange(session)).body.error_code).toBe(code)
  expect(await introspect(there, tokens.access_token)).not.toMatchObject({ active: true })
  const refreshed = await refresh({ ...there, clientId }, tokens.refresh_token)
  expect([400, 401]).toContain(refreshed.status)
  await admin('PUT', '/resources/notes', notesDefinition)
})

describe('what a session rests on', () => {
  let session: Session
  beforeEach(async () => {
    notes.newPerson()
    session = await signIn(notes)
  })
  const asked = async (credential = notes.credential) => {
    const asking = { ...there, credential }
    const answers = [await retrieve(asking, session.tsid), await exchange(session, asking)]
    const [one, other] = answers.map(({ status, body }) => (status === 200 ? 'released' : body.error_code))
    expect(one).toBe(other)
    return one
  }
  const github = (more: Record<string, unknown>) =>
    admin('PUT', '/providers/github', {
      descriptor: 'github',
      variables: { web: notes.github.web, api: notes.github.api },
      client_id: upstreamClient.clientId,
      client_secret: upstreamClient.clientSecret,
      admit: 'anyone',
      ...more,
    })

  test('a provider that was disabled releases nothing, nor signs anybody in', async () => {
    expect(await asked()).toBe('released')
    await github({ enabled: false })
    const refused = await asked()
    await github({ enabled: true })
    expect([refused, await asked()]).toEqual(['unknown_token_session', 'released'])
  })

  test('what an MCP server may no longer have of a provider is not released', async () => {
    expect(await asked()).toBe('released')
    await admin('PUT', '/resources/notes', {
      ...notesDefinition,
      providers: [{ provider: 'github', scopes: ['gist'] }],
    })
    expect(await asked()).not.toBe('released')
    await admin('PUT', '/resources/notes', notesDefinition)
    expect(await asked()).toBe('released')
  })

  test('a connection that was deleted releases nothing', async () => {
    expect(await asked()).toBe('released')
    const { items } = await admin<{ items: { id: string }[] }>(
      'GET',
      `/connections?subject_id=${claimsOf(session.tokens.access_token).sub}`,
    )
    for (const { id } of items) await admin('DELETE', `/connections/${id}`)
    expect(await asked()).toBe('unknown_token_session')
  })

  test('a credential that was deleted proves nothing, and a new one does at once', async () => {
    const credential = await createCredential(notes.gateway, 'notes')
    expect(await asked(credential)).toBe('released')
    await admin('DELETE', `/resources/notes/credentials/${credential.id}`)
    expect(await asked(credential)).toBe('invalid_resource_credential')
  })

  test('who signed out everywhere is nobody in a browser that another gateway serves', async () => {
    const beside = createBrowser({
      redirectUris: [redirectUri],
      served: { [notes.gateway.issuer]: replica.url },
    })
    for (const cookie of session.browser.cookies.list()) beside.cookies.plant(cookie)
    expect((await beside.get(accountUrl(notes))).text).toContain('Signed in as')
    await press(notes, session.browser, 'sign-out-everywhere', /everywhere/)
    expect((await beside.get(accountUrl(notes))).text).toContain('Sign in to your account page')
  })
})

describe('an administrator', () => {
  const password = 'correct horse battery'
  const authorization = `Basic ${Buffer.from(`ada:${password}`).toString('base64')}`
  const put = async () =>
    (
      await fetch(`${replica.url}/admin/v1/resources/notes`, {
        method: 'PUT',
        headers: { authorization, 'content-type': 'application/json' },
        body: JSON.stringify(notesDefinition),
      })
    ).status

  test('is refused there once they were lowered, disabled or removed here, and what they chose anew counts', async () => {
    await admin('POST', '/administrators', { name: 'ada', role: 'write', password })
    expect(await put()).toBe(200)
    await admin('PATCH', '/administrators/ada', { role: 'read' })
    expect(await put()).toBe(403)
    await admin('PATCH', '/administrators/ada', { role: 'write', enabled: false })
    expect(await put()).toBe(401)
    await admin('PATCH', '/administrators/ada', { enabled: true })
    expect(await put()).toBe(200)
    await admin('PATCH', '/administrators/ada', { password: 'another horse battery' })
    expect(await put()).toBe(401)
    await admin('PATCH', '/administrators/ada', { password })
    expect(await put()).toBe(200)
    await admin('DELETE', '/administrators/ada')
    expect(await put()).toBe(401)
  })
})

describe('a decision', () => {
  const at = '/resources/desk'
  let asking: Notes
  let token: string
  beforeAll(async () => {
    notes.newPerson()
    const room = await notes.open('desk', { providers: [] })
    asking = { ...there, credential: room.credential }
    const { tokens } = await signIn(notes, {
      presses: ['github', 'allow'],
      parameters: { resource: room.uri },
    })
    token = tokens.access_token
    await publishTools(asking, [tool('read')])
    await policyOf(notes.gateway, 'desk').activate()
  })
  const decided = async () => {
    const { body } = await askDecision(asking, token, { tool: 'read', arguments: {} })
    return body.allowed === true ? 'allowed' : body.code
  }
  async function review(scopes: string[]) {
    const { published_hash } = await admin('GET', `${at}/tools/read`)
    await admin('PUT', `${at}/tools/read`, { scopes, published_hash })
  }

  test('goes by the rule of a tool, by roles, bindings and quotas as they are now', async () => {
    expect(await decided()).toBe('policy_denied')
    await review(['notes.read'])
    expect(await decided()).toBe('allowed')
    await review(['notes.write'])
    expect(await decided()).toBe('scope_insufficient')
    await review(['notes.read'])

    const definition = { ...notesDefinition, resource: 'https://desk.test/mcp', providers: [] }
    await admin('PUT', at, { ...definition, access: 'bindings' })
    expect(await decided()).not.toBe('allowed')
    await admin('PUT', `${at}/roles/reader`, { scopes: ['notes.read'] })
    const holder = { subject: String(claimsOf(token).sub) }
    const { id } = await admin('POST', `${at}/bindings`, { role: 'reader', holder })
    expect(await decided()).toBe('allowed')
    await admin('PUT', `${at}/roles/reader`, { scopes: ['notes.write'] })
    expect(await decided()).not.toBe('allowed')
    await admin('PUT', `${at}/roles/reader`, { scopes: ['notes.read'] })
    expect(await decided()).toBe('allowed')

    await admin('POST', `${at}/quotas`, { per: 'subject', limit: 1, window: 'month' })
    expect([await decided(), await decided()]).toEqual(['allowed', 'rate_limited'])
    await admin('DELETE', `${at}/bindings/${id}`)
    expect(await decided()).not.toMatch(/allowed|rate_limited/)
  })
})

describe('keys', () => {
  const published = async (url: string) => {
    const { keys } = (await (await fetch(`${url}/.well-known/jwks.json`)).json()) as {
      keys: { kid: string }[]
    }
    return keys.map(({ kid }) => kid)
  }

  test('a new signing key is published there a second later, minutes before anybody signs with it', async () => {
    notes.newPerson()
    await published(replica.url)
    const { kid, active_at: activeAt } = await admin<{ kid: string; active_at: number }>(
      'POST',
      '/signing-keys/rotate',
      {},
    )
    notes.clock.advance(1)
    expect(await published(replica.url)).toContain(kid)
    expect(kidOf((await signIn(there)).tokens)).not.toBe(kid)
    notes.clock.advance(activeAt - notes.clock.now())
    const { tokens } = await signIn(notes)
    expect(kidOf(tokens)).toBe(kid)
    expect(await introspect(there, tokens.access_token)).toMatchObject({ active: true })
  })

  test('a process that seals with a new master key, and one that does not yet, read each other', async () => {
    notes.newPerson()
    const session = await signIn(notes)
    const fresh = { id: 'fresh', key: randomBytes(32) }
    const { masterKey } = notes.gateway
    const old = { id: 'test', key: masterKey }
    const [before, after] = [
      await notes.gateway.replica([old, fresh]),
      await notes.gateway.replica([fresh, old]),
    ]
    const at = ({ url }: RunningGateway) => ({ ...notes, gateway: { ...notes.gateway, url } })
    const isReleased = async (by: RunningGateway) => (await retrieve(at(by), session.tsid)).status === 200
    expect(await Promise.all([before, after].map(isReleased))).toEqual([true, true])
    let { refresh_token: token } = session.tokens
    for (const by of [after, before]) {
      // The upstream token is refreshed, and sealed anew, by one or the other.
      notes.clock.advance(28_801)
      const renewed = (await (await refresh(at(by), token)).json()) as Tokens
      token = renewed.refresh_token
      expect(await isReleased(by)).toBe(true)
      expect(await Promise.all([before, after].map(isReleased))).toEqual([true, true])
    }
    await Promise.all([before.stop(), after.stop()])
  })
})
