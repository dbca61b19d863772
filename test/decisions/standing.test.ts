import { afterAll, beforeAll, expect, test } from 'vitest'
import { failingStore } from '../support/failing-store.ts'
import { createStillClock } from '../support/gateway.ts'
import { type Notes, notesDefinition, startNotes } from '../support/notes.ts'
import { askDecision, explain, listTools, policyOf, publishTools, tool } from '../support/tool-policy.ts'
import { claimsOf, createCredential, introspect, newBrowser, signIn } from '../support/world.ts'

// What a call is told when whoever makes it, or what it goes to, is blocked, gone, or gone and back again.

let notes: Notes
let token: string
let subject: string
const browser = newBrowser()

beforeAll(async () => {
  notes = await startNotes({ clock: createStillClock(), file: { limits: { decisions_per_resource: 250 } } })
  await publishTools(notes, [tool('read')])
  const policy = policyOf(notes.gateway, 'notes')
  await policy.open('read', { scopes: ['notes.read'] })
  await policy.activate()
  token = (await signIn(notes, { browser })).tokens.access_token
  subject = String(claimsOf(token).sub)
})
afterAll(() => notes.stop())

const ask = async () => (await askDecision(notes, token, { tool: 'read' })).body
const patch = (path: string, enabled: boolean) => notes.gateway.admin('PATCH', path, { enabled })

test('who is blocked is told who must act, the person before their client, and may go on afterwards', async () => {
  const client = `/clients/${encodeURIComponent(notes.clientId)}`
  await patch(client, false)
  expect(await ask()).toMatchObject({ code: 'client_registration_revoked' })
  await patch(`/subjects/${subject}`, false)
  expect(await ask()).toMatchObject({ code: 'membership_inactive' })
  expect((await listTools(notes, token)).body).toMatchObject({ code: 'membership_inactive', tools: [] })
  await patch(client, true)
  await patch(`/subjects/${subject}`, true)
  token = (await signIn(notes, { browser: newBrowser() })).tokens.access_token
  expect(await ask()).toMatchObject({ allowed: true })
})

test('a batch counts as what it asks for', async () => {
  notes.clock.advance(60)
  const batch = () =>
    askDecision(notes, token, { calls: Array.from({ length: 100 }, () => ({ tool: 'read' })) })
  expect([(await batch()).status, (await batch()).status]).toEqual([200, 200])
  const { status, body } = await batch()
  expect([status, body.error_code]).toEqual([429, 'too_many_requests'])
  expect(body.retry_after).toBeGreaterThan(0)
  notes.clock.advance(60)
})

test('what one person asks too often takes nothing from the others of the MCP server', async () => {
  notes.clock.advance(60)
  const { rates } = notes.gateway.running().gateway
  const now = notes.clock.now()
  while (rates.decisions_per_person.take(`notes ${subject}`, now) === 0);
  const before = rates.decisions_per_resource.taken('notes', now)
  const refused = await askDecision(notes, token, { tool: 'read' })
  expect([refused.status, refused.body.error_code]).toEqual([429, 'too_many_requests'])
  expect(rates.decisions_per_resource.taken('notes', now)).toBe(before)
  notes.newPerson()
  const other = await signIn(notes, { browser: newBrowser() })
  expect((await askDecision(notes, other.tokens.access_token, { tool: 'read' })).status).toBe(200)
  notes.clock.advance(60)
})

test('an MCP server that is closed learns nothing, not even with its credential', async () => {
  const put = (enabled: boolean) =>
    notes.gateway.admin('PUT', '/resources/notes', { ...notesDefinition, enabled })
  await put(false)
  expect((await askDecision(notes, token, { tool: 'read' })).status).toBe(401)
  expect((await publishTools(notes, [])).status).toBe(401)
  await put(true)
  expect(await ask()).toMatchObject({ allowed: true })
})

test('a resource that was deleted and made again knows no token, role, tool or decision of before', async () => {
  const { body: made } = await askDecision(notes, token, { tool: 'none' })
  await policyOf(notes.gateway, 'notes').bind({ scopes: [], administrator: true }, { subject })
  await notes.gateway.admin('DELETE', '/resources/notes')
  await notes.gateway.admin('PUT', '/resources/notes', { ...notesDefinition, access: 'bindings' })
  const again = { ...notes, credential: await createCredential(notes.gateway, 'notes') }
  expect((await askDecision(again, token, { tool: 'read' })).body).toMatchObject({ code: 'token_revoked' })
  expect(await introspect(again, token)).toEqual({ active: false })
  expect((await explain(again, String(made.decision_id))).status).toBe(404)
  expect((await listTools(again)).body.tools).toEqual([])
  await expect(signIn(again, { browser: newBrowser() })).rejects.toThrow('access_denied')
})

test('a resource that goes while it is asked for something keeps nothing, and nothing fails', async () => {
  await notes.open('going', { ...notesDefinition, resource: 'https://going.test/mcp' })
  const going = { ...notes, credential: await createCredential(notes.gateway, 'going') }
  const { tokens } = await signIn(notes, {
    browser: newBrowser(),
    parameters: { resource: 'https://going.test/mcp' },
  })
  const store = failingStore(notes.gateway.running().gateway.store)
  const release = store.hold(['tools.publish', 'decisions.record'])
  const published = publishTools(going, [tool('late')])
  const decided = askDecision(going, tokens.access_token, { tool: 'late' })
  await expect
    .poll(() => store.calls())
    .toEqual(expect.arrayContaining(['tools.publish', 'decisions.record']))
  await notes.gateway.admin('DELETE', '/resources/going')
  release()
  expect((await published).status).toBe(401)
  expect((await decided).body).toMatchObject({ allowed: false, code: 'policy_denied' })
})
