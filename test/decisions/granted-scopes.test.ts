import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Notes, notesDefinition, startNotes } from '../support/notes.ts'
import { policyOf } from '../support/tool-policy.ts'
import { authorizeUrl, claimsOf, introspect, newBrowser, newPkce, refresh, signIn } from '../support/world.ts'

const resource = 'https://team.test/mcp'
let notes: Notes
let team: { gateway: Notes['gateway']; credential: Notes['credential'] }
let subject: string
let policy: ReturnType<typeof policyOf>
const browser = newBrowser()

beforeAll(async () => {
  notes = await startNotes()
  const room = await notes.open('team', { ...notesDefinition, resource, access: 'bindings' })
  team = { gateway: notes.gateway, credential: room.credential }
  policy = policyOf(notes.gateway, 'team')
  const { tokens } = await signIn(notes, { browser })
  subject = String(claimsOf(tokens.access_token).sub)
})
afterAll(() => notes.stop())

const scope = 'notes.read notes.write'

describe('where only bindings give scopes', () => {
  test('somebody without one gets none, and the client is told', async () => {
    const stop = await browser.walk(authorizeUrl(notes, newPkce().challenge, { resource, scope }), ['allow'])
    expect(new URL(stop.url).searchParams.get('error')).toBe('access_denied')
  })

  test('a token has what was asked for and a role gives, and nothing else', async () => {
    await policy.bind({ scopes: ['notes.read'] }, { subject }, { role: 'reader' })
    const { tokens } = await signIn(notes, { browser, parameters: { resource, scope } })
    expect(tokens.scope).toBe('notes.read')
    expect(await introspect(team, tokens.access_token)).toMatchObject({ active: true, scope: 'notes.read' })
  })

  test('a token that was given before a role was is as narrow as it was consented to, refreshed or not', async () => {
    const { tokens } = await signIn(notes, { browser, parameters: { resource, scope } })
    await policy.bind(
      { scopes: ['notes.write'] },
      { subject },
      { role: 'later', expiresAt: notes.clock.now() + 60 },
    )
    expect(await introspect(team, tokens.access_token)).toMatchObject({ scope: 'notes.read' })
    const refreshed = (await (await refresh(notes, tokens.refresh_token)).json()) as { scope: string }
    expect(refreshed.scope).toBe('notes.read')
    notes.clock.advance(61)
  })

  test('what a role gave is gone from introspection at once, and from the next token', async () => {
    const ends = notes.clock.now() + 600
    await policy.bind({ scopes: ['notes.write'] }, { everyone: true }, { role: 'writer', expiresAt: ends })
    const { tokens } = await signIn(notes, { browser, parameters: { resource, scope } })
    expect(tokens.scope).toBe(scope)
    notes.clock.advance(601)
    expect(await introspect(team, tokens.access_token)).toMatchObject({ active: true, scope: 'notes.read' })
    const refreshed = (await (await refresh(notes, tokens.refresh_token)).json()) as { scope: string }
    expect(refreshed.scope).toBe('notes.read')
  })
})
