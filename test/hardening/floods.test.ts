import { Agent, request as send } from 'node:http'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { callbackOf } from '../support/browser.ts'
import { askRest } from '../support/faces.ts'
import { type Notes, startNotes } from '../support/notes.ts'
import {
  authorizeUrl,
  newBrowser,
  newPkce,
  postToken,
  refresh,
  signIn,
  type Tokens,
} from '../support/world.ts'

// Promise 11: what anybody may send without having proven anything fills nothing up and drives nobody out.

const limits = {
  registrations_per_address: 10,
  registrations: 500,
  authorizations_per_address: 20,
  authorizations_per_client: 1_000,
  authorizations: 1_500,
  failed_authentications_per_address: 10,
  failed_authentications_per_caller: 100,
  token_requests_per_client: 50,
  retrievals_per_resource: 30,
  unknown_sessions_per_resource: 10,
  connect_links_per_session: 3,
}

let notes: Notes
let tokens: Tokens
let tsid: string
const agent = new Agent({ keepAlive: true, maxSockets: 16 })

beforeAll(async () => {
  notes = await startNotes({
    env: () => ({ COATCHECK_TRUSTED_PROXIES: '127.0.0.1/32,::1/128' }),
    file: { limits },
  })
  const stay = await signIn(notes)
  tokens = stay.tokens
  tsid = stay.tsid
})
afterAll(async () => {
  agent.destroy()
  await notes.stop()
})

type Sent = { path: string; from: string; method?: string; body?: string; headers?: Record<string, string> }
type Answered = { status: number; wait: number; type: string; body: string }

/** Through a proxy that says whom it forwards for. */
async function forwarded({ path, from, method = 'GET', body, headers = {} }: Sent): Promise<Answered> {
  const { hostname, port } = new URL(notes.gateway.issuer)
  return await new Promise((resolve, reject) => {
    const sent = send(
      { agent, hostname, port, path, method, headers: { ...headers, 'x-forwarded-for': from } },
      (answer) => {
        let text = ''
        answer.on('data', (chunk) => {
          text += chunk
        })
        answer.on('end', () =>
          resolve({
            status: answer.statusCode ?? 0,
            wait: Number(answer.headers['retry-after'] ?? 0),
            type: answer.headers['content-type'] ?? '',
            body: text,
          }),
        )
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

const hundred = Array.from({ length: 100 }, (_, index) => `198.51.100.${index}`)
const fromHundred = (times: number) => Array.from({ length: times }, () => hundred).flat()

async function flood(addresses: string[], make: (from: string) => Sent): Promise<Answered[]> {
  return await Promise.all(addresses.map((from) => forwarded(make(from))))
}

const withStatus = (answers: Answered[], status: number) =>
  answers.filter((answer) => answer.status === status)

const registration = (from: string): Sent => ({
  path: '/oauth/register',
  from,
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ redirect_uris: ['http://127.0.0.1/callback'], token_endpoint_auth_method: 'none' }),
})

const form = { 'content-type': 'application/x-www-form-urlencoded' }
const guess = (from: string, id: string): Sent => ({
  path: '/oauth/token',
  from,
  method: 'POST',
  headers: form,
  body: String(new URLSearchParams({ grant_type: 'refresh_token', client_id: id, client_secret: 'wrong' })),
})

test('two thousand registrations from a hundred addresses leave what all may have, and a client in use', async () => {
  const answers = await flood(fromHundred(20), registration)
  const made = withStatus(answers, 201).length
  // The client in use is one of those all may have; and as long as it takes, some trickle in.
  expect(made).toBeGreaterThanOrEqual(limits.registrations - 1)
  expect(made).toBeLessThan(limits.registrations * 1.5)
  const refused = withStatus(answers, 429)
  expect(made + refused.length).toBe(2000)
  expect(refused.every(({ wait }) => wait >= 1 && wait <= 60)).toBe(true)
  expect(JSON.parse(refused[0]?.body ?? '')).toMatchObject({ error: 'temporarily_unavailable' })

  const refreshed = await refresh(notes, tokens.refresh_token)
  expect(refreshed.status).toBe(200)
  tokens = (await refreshed.json()) as Tokens
})

test('five thousand authorization requests from a hundred addresses leave others served', async () => {
  notes.clock.advance(120)
  const browser = newBrowser()
  const begun = await browser.get(authorizeUrl(notes, newPkce().challenge))
  const path = new URL(authorizeUrl(notes, newPkce().challenge))
  const answers = await flood(fromHundred(50), (from) => ({ path: `${path.pathname}${path.search}`, from }))
  const made = withStatus(answers, 303).length
  expect(made).toBeGreaterThan(limits.authorizations_per_client * 0.9)
  expect(made).toBeLessThan(limits.authorizations_per_client * 1.5)
  const refused = withStatus(answers, 429)
  expect(made + refused.length).toBe(5000)
  expect(refused[0]?.type).toContain('text/html')
  expect(refused[0]?.body).toContain('too fast')
  expect(refused.every(({ wait }) => wait >= 1 && wait <= 60)).toBe(true)

  // Who has begun goes on, and who has a session refreshes and is retrieved for.
  expect(callbackOf(await browser.walk(begun, ['allow']))).toHaveProperty('code')
  expect((await refresh(notes, tokens.refresh_token)).status).toBe(200)
  const ask = { credential: notes.credential, tsid, userToken: tokens.access_token, provider: 'github' }
  expect((await askRest(notes.gateway, ask)).status).toBe(200)
  notes.clock.advance(60)
  await signIn(notes)
})

test('an address that goes on guessing secrets is told to stop; the right one is served from there', async () => {
  notes.clock.advance(120)
  const made = await notes.gateway.admin<{ client_id: string; client_secret: string }>('POST', '/clients', {
    redirect_uris: ['https://client.test/cb'],
    token_endpoint_auth_method: 'client_secret_post',
  })
  const answers = await flood(Array(100).fill('203.0.113.9'), (from) => guess(from, made.client_id))
  expect(withStatus(answers, 401).length).toBeLessThan(20)
  expect(withStatus(answers, 401).length + withStatus(answers, 429).length).toBe(100)
  const right = await postToken(notes, {
    grant_type: 'refresh_token',
    client_id: made.client_id,
    client_secret: made.client_secret,
    refresh_token: 'cc_rt_of_nobody',
  })
  expect(await right.json()).toMatchObject({ error: 'invalid_grant' })
})

test('guesses at one client from many addresses are told to stop too, and addresses of one /64 are one', async () => {
  notes.clock.advance(120)
  const many = await flood(fromHundred(3), (from) => guess(from, 'client_guessed'))
  expect(withStatus(many, 401).length).toBeLessThan(150)
  const network = Array.from({ length: 100 }, (_, index) => `2001:db8:0:7::${index.toString(16)}`)
  const alike = await flood(network, (from) => guess(from, `client_${from}`))
  expect(withStatus(alike, 401).length).toBeLessThan(20)
})

test('a client that asks too often for tokens waits, and keeps no other waiting', async () => {
  notes.clock.advance(120)
  const body = String(
    new URLSearchParams({ grant_type: 'refresh_token', client_id: notes.clientId, refresh_token: 'x' }),
  )
  const asked = (from: string): Sent => ({ path: '/oauth/token', from, method: 'POST', headers: form, body })
  const noisy = await flood(Array(200).fill('203.0.113.10'), asked)
  expect(withStatus(noisy, 429).length).toBeGreaterThan(100)
  // The id of a public client is no secret: elsewhere it goes on.
  expect((await forwarded(asked('203.0.113.11'))).status).toBe(400)
})

test('a noisy MCP server is told to wait, and no other is (RT-19)', async () => {
  notes.clock.advance(120)
  const quiet = await notes.open('quiet', { providers: [{ provider: 'github', scopes: ['repo'] }] })
  const ask = { credential: notes.credential, tsid, userToken: tokens.access_token, provider: 'github' }
  const noisy = await Promise.all(
    Array.from({ length: limits.retrievals_per_resource * 10 }, () => askRest(notes.gateway, ask)),
  )
  expect(noisy.filter(({ status }) => status === 429).length).toBeGreaterThan(200)
  expect((await askRest(notes.gateway, { ...ask, credential: quiet.credential })).status).toBe(404)
})

test('who guesses token sessions is told to stop, and the right one is answered (RT-07)', async () => {
  notes.clock.advance(120)
  const ask = { credential: notes.credential, tsid, userToken: tokens.access_token, provider: 'github' }
  const guesses = Array.from({ length: 20 }, (_, index) =>
    askRest(notes.gateway, { ...ask, tsid: `ts_${index}` }),
  )
  const statuses = (await Promise.all(guesses)).map(({ status }) => status)
  expect(new Set(statuses)).toEqual(new Set([404, 429]))
  expect((await askRest(notes.gateway, ask)).status).toBe(200)
})

test('what is stored after all of this is bounded', () => {
  const database = new Database(join(notes.gateway.folder, 'coatcheck.db'), { readonly: true })
  const rows = (table: string) => Number(database.prepare(`select count(*) from ${table}`).pluck().get())
  const stored = { clients: rows('clients'), interactions: rows('interactions') }
  database.close()
  expect(stored.clients).toBeLessThan(limits.registrations * 1.5 + 10)
  expect(stored.interactions).toBeLessThan(limits.authorizations_per_client * 1.5 + 10)
})
