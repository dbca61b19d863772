import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RunningGateway } from '../../src/main.ts'
import { type Notes, notesDefinition, startNotes } from '../support/notes.ts'
import { claimsOf, introspect, redeem, refresh, registerClient, retrieve, signIn } from '../support/world.ts'

// Promise 7: what was ended at one gateway is ended at every gateway over the same database, without a wait.

let notes: Notes
let replica: RunningGateway
let there: Notes

beforeAll(async () => {
  notes = await startNotes()
  replica = await notes.gateway.replica()
  there = { ...notes, gateway: { ...notes.gateway, url: replica.url } }
})
afterAll(async () => {
  await replica.stop()
  await notes.stop()
})

type Session = Awaited<ReturnType<typeof signIn>>

const admin: Notes['gateway']['admin'] = (...call) => notes.gateway.admin(...call)
const subjectOf = ({ tokens }: Session) => `/subjects/${claimsOf(tokens.access_token).sub}`

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

test.each(endings)('is refused at the other gateway at once: %s', async (_what, code, end) => {
  notes.newPerson()
  const clientId = await registerClient(notes.gateway)
  const session = await signIn({ ...notes, clientId })
  const { tokens, tsid } = session
  expect((await retrieve(there, tsid)).status).toBe(200)
  expect(await introspect(there, tokens.access_token)).toMatchObject({ active: true })

  await end(session, clientId)
  expect((await retrieve(there, tsid)).body.error_code).toBe(code)
  expect(await introspect(there, tokens.access_token)).not.toMatchObject({ active: true })
  const refreshed = await refresh({ ...there, clientId }, tokens.refresh_token)
  expect([400, 401]).toContain(refreshed.status)
  await admin('PUT', '/resources/notes', notesDefinition)
})
