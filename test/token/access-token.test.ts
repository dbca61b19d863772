import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { askExchange, askRest } from '../support/faces.ts'
import { forgeries, partsOf, twinOf } from '../support/forgeries.ts'
import { enter, type Room } from '../support/house.ts'
import { type Notes, startNotes } from '../support/notes.ts'
import {
  authorize,
  introspect,
  newBrowser,
  redeem,
  refresh,
  registerClient,
  retrieve,
  signIn,
  type Tokens,
} from '../support/world.ts'

let notes: Notes
let other: Room
let listener: Server
let listenerUrl: string
let hits = 0
let tokens: Tokens
let tsid: string
const browser = newBrowser()

beforeAll(async () => {
  notes = await startNotes()
  other = await notes.open('other', { providers: [{ provider: 'github', scopes: ['repo', 'gist'] }] })
  listener = createServer((_request, response) => {
    hits++
    response.end('{"keys":[]}')
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  listenerUrl = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/jwks`
})
beforeEach(async () => {
  const session = await signIn(notes, { browser })
  tokens = session.tokens
  tsid = session.tsid
})
afterAll(async () => {
  listener.close()
  await notes.stop()
})

const ask = (userToken: string) => ({
  credential: notes.credential,
  tsid,
  userToken,
  withHeader: true,
  provider: 'github',
})

const jwks = async () =>
  (await (await fetch(`${notes.gateway.issuer}/.well-known/jwks.json`)).json()) as {
    keys: Record<string, unknown>[]
  }

/** The three doors behind which our own access tokens are verified. */
async function expectRefusedEverywhere(token: string): Promise<void> {
  expect(await introspect(notes, token)).toEqual({ active: false })
  const rest = await askRest(notes.gateway, ask(token))
  expect(rest.status).toBe(401)
  expect(rest.body.error_code).toBe('invalid_user_token')
  const exchange = await askExchange(notes.gateway, ask(token))
  expect(exchange.status).toBe(400)
  expect(exchange.body.error).toBe('invalid_grant')
}

describe('an access token', () => {
  test('is what RFC 9068 says, for one resource, and tells nothing of upstream', () => {
    const { header, payload } = partsOf(tokens.access_token)
    expect(header).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: expect.any(String) })
    expect(Object.keys(payload).sort()).toEqual([
      'aud',
      'auth_time',
      'client_id',
      'exp',
      'iat',
      'iss',
      'jti',
      'scope',
      'sub',
      'tsid',
    ])
    expect(payload).toMatchObject({
      iss: notes.gateway.issuer,
      aud: notes.room.uri,
      client_id: notes.clientId,
      tsid,
      scope: 'notes.read',
    })
    expect(Number(payload.exp) - Number(payload.iat)).toBe(3600)
    const text = JSON.stringify(payload)
    for (const upstream of ['@', 'person', 'repo', 'github', 'gho_', 'con_', 'acct_']) {
      expect(text).not.toContain(upstream)
    }
  })

  test('has an id and a tsid of 128 random bits or more, never the same twice', async () => {
    const many = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const { code, verifier } = await authorize(notes, { browser: newBrowser() })
        return (await (await redeem(notes, { code, verifier })).json()) as Tokens
      }),
    )
    for (const name of ['jti', 'tsid'] as const) {
      const values = many.map(({ access_token: token }) => String(partsOf(token).payload[name]))
      expect(new Set(values).size).toBe(values.length)
      for (const value of values) expect(value).toMatch(/[\w-]{22}$/)
    }
  })

  test('verifies with the published keys and an ordinary library', async () => {
    const keys = createRemoteJWKSet(new URL(`${notes.gateway.issuer}/.well-known/jwks.json`))
    const { payload } = await jwtVerify(tokens.access_token, keys, {
      issuer: notes.gateway.issuer,
      audience: notes.room.uri,
      typ: 'at+jwt',
      algorithms: ['ES256'],
      currentDate: new Date(notes.clock.now() * 1000),
    })
    expect(payload.tsid).toBe(tsid)
    expect(JSON.stringify(await jwks())).not.toContain('"d"')
  })

  test('asked for another resource is for that one, and for no other', async () => {
    const { tokens: theirs } = await enter(notes, other, { browser })
    expect(partsOf(theirs.access_token).payload.aud).toBe(other.uri)
    await expectRefusedEverywhere(theirs.access_token)
    const there = await introspect({ ...notes, credential: other.credential }, theirs.access_token)
    expect(there).toMatchObject({ active: true, aud: other.uri })
  })
})

describe('a forged token opens nothing', () => {
  test('whatever its disguise, and no key is fetched for it', async () => {
    const published = await jwks()
    for (const [disguise, token] of Object.entries(forgeries(tokens.access_token, published, listenerUrl))) {
      await expectRefusedEverywhere(token).catch((error: Error) => {
        throw new Error(`${disguise}: ${error.message}`)
      })
    }
    expect(hits).toBe(0)
  })
})

describe('one token has several spellings', () => {
  test('and revoking one of them revokes them all', async () => {
    const session = await signIn(notes, { browser })
    const twin = twinOf(session.tokens.access_token)
    expect(twin).not.toBe(session.tokens.access_token)
    expect(await introspect(notes, twin)).toMatchObject({ active: true })
    const response = await fetch(`${notes.gateway.issuer}/oauth/revoke`, {
      method: 'POST',
      body: new URLSearchParams({ client_id: notes.clientId, token: session.tokens.access_token }),
    })
    expect(response.status).toBe(200)
    for (const token of [session.tokens.access_token, twin]) {
      expect(await introspect(notes, token)).toEqual({ active: false })
    }
    expect((await retrieve(notes, session.tsid)).status).toBe(404)
  })

  test('the last character of a signature is none of them', async () => {
    const { access_token: token } = tokens
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet.indexOf(token.slice(-1))
    for (let bits = 1; bits < 16; bits++) {
      const sibling = token.slice(0, -1) + alphabet[(last & ~15) | ((last + bits) & 15)]
      expect(await introspect(notes, sibling)).toEqual({ active: false })
    }
  })
})

describe('a token of the wrong person, session or time', () => {
  test('expired', async () => {
    const session = await signIn(notes, { browser })
    notes.clock.advance(3601)
    await refresh(notes, session.tokens.refresh_token)
    expect(await introspect(notes, session.tokens.access_token)).toEqual({ active: false })
    const asked = { ...ask(session.tokens.access_token), tsid: session.tsid }
    expect((await askRest(notes.gateway, asked)).body.error_code).toBe('invalid_user_token')
    expect((await askExchange(notes.gateway, asked)).body.error_code).toBe('invalid_user_token')
  })

  test('of another session of the same person', async () => {
    const first = await signIn(notes, { browser })
    const second = await signIn(notes, { browser })
    const asked = { ...ask(second.tokens.access_token), tsid: first.tsid }
    expect((await askRest(notes.gateway, asked)).body.error_code).toBe('invalid_user_token')
  })

  test('of another person: the tsid of the token decides, wherever else one is named', async () => {
    const first = await signIn(notes, { browser })
    const somebody = notes.newPerson()
    const second = await signIn(notes)
    const asked = { ...ask(second.tokens.access_token), tsid: first.tsid }
    expect((await askRest(notes.gateway, asked)).body.error_code).toBe('invalid_user_token')
    const answer = await askExchange(notes.gateway, asked, { tsid: first.tsid, sub: 'x' })
    expect(answer.status).toBe(200)
    expect(answer.body.account).toMatchObject({ label: somebody.github })
  })

  test('of a client that was deleted meanwhile', async () => {
    const clientId = await registerClient(notes.gateway)
    const session = await signIn({ ...notes, clientId }, { browser: newBrowser() })
    await notes.gateway.admin('DELETE', `/clients/${clientId}`)
    const asked = { ...ask(session.tokens.access_token), tsid: session.tsid }
    expect(await introspect(notes, session.tokens.access_token)).toEqual({ active: false })
    expect((await askRest(notes.gateway, asked)).body.error_code).toBe('unknown_token_session')
    expect((await askExchange(notes.gateway, asked)).body.error_code).toBe('unknown_token_session')
  })
})
