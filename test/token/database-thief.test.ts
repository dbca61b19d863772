import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectAnother, requestLink } from '../support/connecting.ts'
import { askExchange } from '../support/faces.ts'
import { type Notes, startNotes } from '../support/notes.ts'
import {
  authorize,
  introspect,
  newBrowser,
  postToken,
  redirectUri,
  refresh,
  registerClient,
  retrieve,
  signIn,
} from '../support/world.ts'

// Somebody has read the whole database, and presents every value in it wherever a secret opens something.

let notes: Notes
let confidential: string
let stolen: string[]

beforeAll(async () => {
  notes = await startNotes()
  const made = await notes.gateway.admin<{ client_id: string }>('POST', '/clients', {
    client_name: 'With a secret',
    redirect_uris: [redirectUri],
    token_endpoint_auth_method: 'client_secret_post',
    grant_types: ['authorization_code', 'refresh_token'],
  })
  confidential = made.client_id
  const browser = newBrowser()
  await registerClient(notes.gateway)
  const stay = await signIn(notes, { browser })
  await retrieve(notes, stay.tsid)
  await connectAnother(notes, notes.room, stay)
  await requestLink(notes, notes.room, stay.tsid)
  await refresh(notes, stay.tokens.refresh_token)
  // A code that waits, and a trip to the provider that was begun.
  await authorize(notes, { browser })
  stolen = everyValue(await notes.gateway.database.everything())
})
afterAll(() => notes.stop())

/** Every text in every row, those inside JSON too. */
function everyValue(tables: Record<string, unknown[]>): string[] {
  const found = new Set<string>()
  const collect = (value: unknown): void => {
    if (typeof value === 'object' && value !== null) Object.values(value).forEach(collect)
    if (typeof value !== 'string') return
    found.add(value)
    if (/^[[{]/.test(value)) collect(JSON.parse(value))
    // The parts of what is sealed.
    for (const part of value.split('.')) found.add(part)
  }
  Object.values(tables).flat().forEach(collect)
  return [...found].filter((value) => value.length >= 16 && value.length < 4000)
}

describe('what stands in the database', () => {
  test('is a good deal, and none of it is a secret in clear', () => {
    expect(stolen.length).toBeGreaterThan(100)
    for (const value of stolen) expect(value).not.toMatch(/^(cc_|gho_|ghr_|Basic|Bearer)/)
    for (const { value } of notes.github.control.issued()) expect(stolen).not.toContain(value)
    expect(stolen).not.toContain(notes.credential.secret)
    expect(stolen).not.toContain(notes.gateway.adminToken)
  })

  test('is no code and no refresh token', async () => {
    for (const value of stolen) {
      const form = { client_id: notes.clientId, code_verifier: value }
      for (const code of [value, `cc_code_${value}`]) {
        const response = await postToken(notes, { grant_type: 'authorization_code', code, ...form })
        expect(response.status).toBe(400)
      }
      for (const token of [value, `cc_rt_${value}`]) expect((await refresh(notes, token)).status).toBe(400)
    }
  })

  test('is no secret of a client, of a resource or of an administrator', async () => {
    for (const value of stolen) {
      const form = { grant_type: 'refresh_token', refresh_token: 'x', client_id: confidential }
      for (const secret of [value, `cc_secret_${value}`]) {
        expect((await postToken(notes, { ...form, client_secret: secret })).status).toBe(401)
        const credential = { ...notes.credential, secret }
        expect((await retrieve({ ...notes, credential }, 'ts_x')).status).toBe(401)
      }
      const answer = await fetch(`${notes.gateway.issuer}/admin/v1/providers`, {
        headers: { authorization: `Bearer ${value}` },
      })
      expect([401, 429]).toContain(answer.status)
    }
  })

  test('is no access token, no ticket and no registration', async () => {
    for (const value of stolen) {
      expect(await introspect(notes, value)).toEqual({ active: false })
      const asked = { credential: notes.credential, tsid: value, userToken: value, provider: 'github' }
      expect((await askExchange(notes.gateway, asked)).status).toBe(400)
      for (const ticket of [value, `cc_link_${value}`]) {
        const page = await fetch(`${notes.gateway.issuer}/connect/${encodeURIComponent(ticket)}`)
        expect(page.status).toBe(404)
      }
    }
  })
})
