import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { askExchange } from '../support/faces.ts'
import { type Notes, notesDefinition, startNotes } from '../support/notes.ts'
import {
  authorize,
  basic,
  claimsOf,
  introspect,
  newBrowser,
  redeem,
  refresh,
  registerClient,
  retrieve,
  signIn,
  type Tokens,
} from '../support/world.ts'

// Whoever and whatever a grant connects may be taken away. It then gives nothing, on every path alike,
// and where it was only disabled, everything is as before once it is enabled again.

let notes: Notes
let client: Notes
let tokens: Tokens
let tsid: string
/** Of an authorization whose code was not redeemed yet. */
let pending: { code: string; verifier: string }
const browser = newBrowser()

beforeAll(async () => {
  notes = await startNotes()
})
afterAll(() => notes.stop())
beforeEach(async () => {
  client = { ...notes, clientId: await registerClient(notes.gateway) }
  const session = await signIn(client, { browser })
  tokens = session.tokens
  tsid = session.tsid
  pending = await authorize(client, { browser })
})

type Refusal = { token: number; retrieval: string; credential?: 'refused' }

async function expectNothing({ token, retrieval, credential }: Refusal): Promise<void> {
  for (const response of [await refresh(client, tokens.refresh_token), await redeem(client, pending)]) {
    expect(response.status).toBe(token)
    expect(await response.json()).toMatchObject({ error: token === 401 ? 'invalid_client' : 'invalid_grant' })
  }
  expect((await retrieve(client, tsid)).body.error_code).toBe(retrieval)
  const asked = { credential: notes.credential, tsid, userToken: tokens.access_token, provider: 'github' }
  expect((await askExchange(notes.gateway, asked)).body.error_code).toBe(retrieval)
  const list = await fetch(`${notes.gateway.issuer}/v1/token-sessions/${tsid}`, {
    headers: { authorization: basic(notes.credential) },
  })
  expect(((await list.json()) as { error_code: string }).error_code).toBe(retrieval)
  if (credential === undefined)
    expect(await introspect(notes, tokens.access_token)).toEqual({ active: false })
}

async function expectEverything(): Promise<void> {
  expect((await retrieve(client, tsid)).status).toBe(200)
  expect(await introspect(notes, tokens.access_token)).toMatchObject({ active: true })
  expect((await redeem(client, pending)).status).toBe(200)
  expect((await refresh(client, tokens.refresh_token)).status).toBe(200)
}

const ended = { token: 400, retrieval: 'unknown_token_session' }
const subject = () => String(claimsOf(tokens.access_token).sub)
const admin = (...call: Parameters<Notes['gateway']['admin']>) => notes.gateway.admin(...call)

describe('disabled and enabled again', () => {
  test('a person', async () => {
    await admin('PATCH', `/subjects/${subject()}`, { enabled: false })
    await expectNothing(ended)
    await admin('PATCH', `/subjects/${subject()}`, { enabled: true })
    await expectEverything()
  })

  test('a client', async () => {
    await admin('PATCH', `/clients/${client.clientId}`, { enabled: false })
    await expectNothing({ ...ended, token: 401 })
    await admin('PATCH', `/clients/${client.clientId}`, { enabled: true })
    await expectEverything()
  })

  test('a resource, whose credential says nothing either meanwhile', async () => {
    await admin('PUT', '/resources/notes', { ...notesDefinition, enabled: false })
    await expectNothing({ token: 400, retrieval: 'invalid_resource_credential', credential: 'refused' })
    await admin('PUT', '/resources/notes', notesDefinition)
    await expectEverything()
  })

  test('a resource that got another URI in the instant in which somebody signed in there', async () => {
    const moveTo = (uri: string) =>
      notes.gateway.database.run(`UPDATE resources SET uri = '${uri}' WHERE id = 'notes'`)
    await moveTo('https://moved.test/mcp')
    // No token is made for the URI it had, which may be another one's by now.
    expect((await refresh(client, tokens.refresh_token)).status).toBe(400)
    expect((await redeem(client, pending)).status).toBe(400)
    expect((await retrieve(client, tsid)).body.error_code).toBe('unknown_token_session')
    await moveTo(notesDefinition.resource)
    await expectEverything()
  })

  test('a provider the resource needs', async () => {
    const { github: definition } = notes.definitions
    await admin('PUT', '/providers/github', { ...definition, enabled: false })
    await expectNothing(ended)
    await admin('PUT', '/providers/github', definition)
    await expectEverything()
  })
})

describe('a provider that is not needed', () => {
  const [github] = notesDefinition.providers

  test.each([
    ['because it is optional', { required: false }],
    ['because only a scope that was not granted asks for it', { for: ['notes.write'] }],
  ])('%s ends no session when it is disabled', async (_why, entry) => {
    const entryOf = { provider: 'google', scopes: ['openid'], ...entry }
    await admin('PUT', '/resources/notes', { ...notesDefinition, providers: [github, entryOf] })
    await admin('PUT', '/providers/google', { ...notes.definitions.google, enabled: false })
    await expectEverything()
    await admin('PUT', '/providers/google', notes.definitions.google)
    await admin('PUT', '/resources/notes', notesDefinition)
  })
})

describe('gone for good', () => {
  test('a session an administrator ended', async () => {
    const { items } = await admin('GET', `/token-sessions?client_id=${client.clientId}`)
    for (const { id } of items as { id: string }[]) await admin('DELETE', `/token-sessions/${id}`)
    const response = await refresh(client, tokens.refresh_token)
    expect(response.status).toBe(400)
    expect((await retrieve(client, tsid)).body.error_code).toBe('unknown_token_session')
    expect(await introspect(notes, tokens.access_token)).toEqual({ active: false })
  })

  test('a client', async () => {
    await admin('DELETE', `/clients/${client.clientId}`)
    await expectNothing({ ...ended, token: 401 })
  })

  test('a connection the session draws on', async () => {
    const { items } = await admin('GET', `/connections?subject_id=${subject()}`)
    for (const { id } of items as { id: string }[]) await admin('DELETE', `/connections/${id}`)
    await expectNothing(ended)
  })

  test('a person', async () => {
    await admin('DELETE', `/subjects/${subject()}`)
    await expectNothing(ended)
  })

  test('a resource credential, at once and alone', async () => {
    const made = await admin('POST', '/resources/notes/credentials', {})
    const credential = { id: String(made.client_id), secret: String(made.client_secret) }
    const { tsid: session } = await signIn(client, { browser: newBrowser() })
    expect((await retrieve({ ...notes, credential }, session)).status).toBe(200)
    await admin('DELETE', `/resources/notes/credentials/${credential.id}`)
    expect((await retrieve({ ...notes, credential }, session)).status).toBe(401)
    expect((await retrieve(notes, session)).status).toBe(200)
  })
})
