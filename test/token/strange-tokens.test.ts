import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { askExchange, askRest } from '../support/faces.ts'
import { enter, type Room } from '../support/house.ts'
import { type Notes, startNotes } from '../support/notes.ts'
import {
  authorize,
  basic,
  introspect,
  newBrowser,
  postToken,
  redeem,
  redirectUri,
  refresh,
  retrieve,
  signIn,
} from '../support/world.ts'

// Tokens that somebody else issued, and our own with something done to them.

let notes: Notes
let agenda: Room
const browser = newBrowser()

beforeAll(async () => {
  notes = await startNotes()
  agenda = await notes.open('agenda', { providers: [{ provider: 'google', scopes: ['openid'] }] })
})
afterAll(() => notes.stop())

type Door = { door: string; answers: (token: string) => Promise<number> }

const withBearer = async (path: string, token: string, init: RequestInit = {}) =>
  (await fetch(notes.gateway.url + path, { ...init, headers: { authorization: `Bearer ${token}` } })).status

/** Everywhere a bearer of something is let in. */
async function doors(): Promise<Door[]> {
  const { tokens, tsid } = await signIn(notes, { browser })
  const { verifier } = await authorize(notes, { browser })
  const client = { client_id: notes.clientId }
  const asking = { credential: notes.credential, tsid, provider: 'github', withHeader: true }
  expect((await askRest(notes.gateway, { ...asking, userToken: tokens.access_token })).status).toBe(200)
  const session = `/v1/token-sessions/${tsid}`
  return [
    { door: 'a session', answers: (token) => withBearer(session, token) },
    { door: 'a retrieval', answers: (token) => withBearer(`${session}/tokens/github`, token) },
    { door: 'the admin API', answers: (token) => withBearer('/admin/v1/clients', token) },
    {
      door: 'a registration',
      answers: (token) => withBearer(`/oauth/register/${notes.clientId}`, token),
    },
    {
      door: 'a user token',
      answers: async (userToken) => (await askRest(notes.gateway, { ...asking, userToken })).status,
    },
    {
      door: 'an exchange',
      answers: async (userToken) => (await askExchange(notes.gateway, { ...asking, userToken })).status,
    },
    {
      door: 'a code',
      answers: async (code) => {
        const form = { grant_type: 'authorization_code', code, code_verifier: verifier, ...client }
        return (await postToken(notes, form)).status
      },
    },
    {
      door: 'a refresh token',
      answers: async (token) => (await refresh(notes, token)).status,
    },
    {
      door: 'a secret of a client',
      answers: async (secret) => (await postToken(notes, { ...client, client_secret: secret })).status,
    },
    {
      door: 'a secret of an MCP server',
      answers: async (secret) => {
        const headers = { authorization: basic({ ...notes.credential, secret }) }
        return (await fetch(notes.gateway.url + session, { headers })).status
      },
    },
  ]
}

describe('nothing a provider issued opens anything here', () => {
  test('neither its access tokens, nor its refresh tokens, ID tokens and codes', async () => {
    await enter(notes, agenda, { presses: ['allow'] })
    const all = await doors()
    const issued = [...notes.github.control.issued(), ...notes.google.control.issued()]
    const kinds = new Map(issued.map(({ kind, value }) => [kind, value]))
    expect([...kinds.keys()]).toEqual(
      expect.arrayContaining(['access_token', 'refresh_token', 'id_token', 'code']),
    )
    for (const { kind, value } of issued) {
      for (const { door, answers } of all) {
        expect([400, 401], `${kind} at ${door}`).toContain(await answers(value))
      }
      expect(await introspect(notes, value), kind).toEqual({ active: false })
    }
  })
})

describe('a secret with anything done to it is none', () => {
  const mangled: [string, (text: string) => string][] = [
    ['shortened', (text) => text.slice(0, -1)],
    ['shortened a lot', (text) => text.slice(0, text.length / 2)],
    ['lengthened', (text) => `${text}A`],
    ['padded', (text) => `${text}=`],
    ['in capitals', (text) => text.toUpperCase()],
    ['in small letters', (text) => text.toLowerCase()],
    ['without its prefix', (text) => text.replace(/^cc_[a-z]+_/, '')],
    ['under another prefix', (text) => text.replace(/^cc_[a-z]+_/, 'cc_code_')],
    ['twice', (text) => text + text],
    ['with a percent sign', (text) => `${text}%`],
  ]

  test.each(mangled)('%s', async (_how, mangle) => {
    const { tokens, tsid } = await signIn(notes, { browser })
    const made = await fetch(`${notes.gateway.url}/oauth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        redirect_uris: [redirectUri],
        token_endpoint_auth_method: 'client_secret_basic',
      }),
    })
    const registered = (await made.json()) as Record<string, string>
    const { client_id: id = '', client_secret: secret = '', registration_access_token: own = '' } = registered
    const path = `/oauth/register/${id}`
    const asClient = async (text: string) => {
      const headers = { authorization: basic({ id, secret: text }) }
      const form = { grant_type: 'refresh_token', refresh_token: 'x' }
      return (await postToken(notes, form, headers)).status
    }
    const asServer = async (text: string) =>
      (await retrieve({ ...notes, credential: { ...notes.credential, secret: text } }, tsid)).status

    expect((await refresh(notes, mangle(tokens.refresh_token))).status).toBe(400)
    expect(await asClient(mangle(secret))).toBe(401)
    expect(await asServer(mangle(notes.credential.secret))).toBe(401)
    expect(await withBearer(path, mangle(own))).toBe(401)
    expect(await withBearer('/admin/v1/clients', mangle(notes.gateway.adminToken))).toBe(401)

    // Each of them as it is opens its door, also after all that.
    expect((await refresh(notes, tokens.refresh_token)).status).toBe(200)
    expect(await asClient(secret)).toBe(400)
    expect(await asServer(notes.credential.secret)).toBe(200)
    expect(await withBearer(path, own)).toBe(200)
    expect(await withBearer('/admin/v1/clients', notes.gateway.adminToken)).toBe(200)
  })
})

test('no answer with a secret in it may be kept by anybody on the way', async () => {
  const { url } = notes.gateway
  const { code, verifier } = await authorize(notes, { browser })
  const redeemed = await redeem(notes, { code, verifier })
  const { access_token: token, refresh_token: refreshToken } = (await redeemed.clone().json()) as {
    access_token: string
    refresh_token: string
  }
  const { tsid } = await signIn(notes, { browser })
  const headers = { authorization: basic(notes.credential) }
  const register = (body: unknown) =>
    fetch(`${url}/oauth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const exchange = { credential: notes.credential, tsid, userToken: token, provider: 'github' }
  const answers: Record<string, { status: number; headers: Headers }> = {
    'a code redeemed': redeemed,
    'a refresh': await refresh(notes, refreshToken),
    'a refused refresh': await refresh(notes, 'cc_rt_x'),
    'a refused client': await postToken(notes, { client_id: 'client_x' }),
    'a registration': await register({ redirect_uris: [redirectUri] }),
    'a refused registration': await register({}),
    'an introspection': await fetch(`${url}/oauth/introspect`, {
      method: 'POST',
      headers,
      body: new URLSearchParams({ token }),
    }),
    'a retrieval': await retrieve(notes, tsid),
    'a refused retrieval': await retrieve(notes, 'ts_x'),
    'an exchange': await askExchange(notes.gateway, exchange),
    'a refused exchange': await askExchange(notes.gateway, { ...exchange, userToken: 'x' }),
    'a list of a session': await fetch(`${url}/v1/token-sessions/${tsid}`, { headers }),
  }
  for (const [what, { status, headers: answered }] of Object.entries(answers)) {
    expect(status < 300, what).toBe(!what.includes('refused'))
    expect(answered.get('cache-control'), what).toBe('no-store')
  }
})
