import { request } from 'node:http'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Github } from '../../standins/github.ts'
import { refresh, signIn, startSeeded } from './github-client.ts'
import { get, post } from './trip.ts'

const tokenRoute = 'POST /login/oauth/access_token'

let github: Github

beforeEach(async () => {
  github = await startSeeded({ expiringTokens: true })
})
afterEach(() => github.stop())

const askAnything = async () => post(`${github.web}/login/oauth/access_token`, {})

test('a scripted answer comes once, and nothing happens behind it', async () => {
  const { refresh_token } = await signIn(github)
  const effect = {
    kind: 'respond' as const,
    status: 503,
    headers: { 'Retry-After': '30', 'Content-Type': 'text/plain' },
    body: 'unicorn',
  }
  github.control.script({ on: tokenRoute, effect })
  const scripted = await refresh(github, refresh_token)
  expect([scripted.status, scripted.body.text]).toEqual([503, 'unicorn'])
  expect(scripted.headers.get('retry-after')).toBe('30')
  expect(scripted.headers.get('content-type')).toBe('text/plain')
  expect((await refresh(github, refresh_token)).body.access_token).toBeDefined()
})

test('a script can let some requests pass, last for several, and be cleared', async () => {
  const gone = { kind: 'respond' as const, status: 502 }
  github.control.script({ on: tokenRoute, skip: 1, times: 2, effect: gone })
  const statuses: number[] = []
  for (let count = 0; count < 4; count += 1) statuses.push((await askAnything()).status)
  expect(statuses).toEqual([200, 502, 502, 200])
  github.control.script({ on: ['GET /nothing', 'POST *'], times: 'always', effect: gone })
  expect([(await askAnything()).status, (await askAnything()).status]).toEqual([502, 502])
  github.control.clearScripts()
  expect((await askAnything()).status).toBe(200)
})

test('a script can be meant for one origin', async () => {
  github.control.script({ on: '*', origin: 'api', effect: { kind: 'respond', status: 500 } })
  expect((await askAnything()).status).toBe(200)
  expect((await get(`${github.api}/user`)).status).toBe(500)
})

test('a patched answer really happened', async () => {
  const { access_token, refresh_token } = await signIn(github)
  github.control.script({
    on: tokenRoute,
    effect: { kind: 'patch', json: { refresh_token: null }, omit: ['expires_in'] },
  })
  const { body } = await refresh(github, refresh_token)
  expect(body.refresh_token).toBeNull()
  expect(body).not.toHaveProperty('expires_in')
  expect((await get(`${github.api}/user`, String(access_token))).status).toBe(401)
})

test('a connection dropped before leaves the token as it was', async () => {
  const { refresh_token } = await signIn(github)
  github.control.script({ on: tokenRoute, effect: { kind: 'drop', when: 'before' } })
  await expect(refresh(github, refresh_token)).rejects.toThrow('fetch failed')
  expect((await refresh(github, refresh_token)).body.access_token).toBeDefined()
})

test('a connection dropped after loses only the answer', async () => {
  const { refresh_token } = await signIn(github)
  github.control.script({ on: tokenRoute, effect: { kind: 'drop', when: 'after' } })
  await expect(refresh(github, refresh_token)).rejects.toThrow('fetch failed')
  expect((await refresh(github, refresh_token)).body.error).toBe('bad_refresh_token')
  expect(github.calls(tokenRoute).map(({ status }) => status)).toEqual([200, undefined, 200])
})

test('held requests wait until they are released', async () => {
  github.control.script({ on: tokenRoute, times: 'always', effect: { kind: 'hold' } })
  const answers = [askAnything(), askAnything(), askAnything()]
  const entries = await github.arrived(tokenRoute, 3)
  expect(entries.map(({ status }) => status)).toEqual([undefined, undefined, undefined])
  github.control.release()
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200])
  expect((await askAnything()).status).toBe(200)
})

/** How a response ends when it is read byte by byte. */
async function readRaw(path: string): Promise<{ bytes: number; chunks: number; whole: boolean }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(new URL(path, github.api), { headers: { 'user-agent': 'x' } }, (response) => {
      let bytes = 0
      let chunks = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        chunks += 1
      })
      response.on('error', () => undefined)
      response.on('close', () => resolve({ bytes, chunks, whole: response.complete }))
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}

test('an answer can be cut short', async () => {
  github.control.script({ on: 'GET /user', effect: { kind: 'truncate', bytes: 10 } })
  expect(await readRaw('/user')).toMatchObject({ bytes: 10, whole: false })
})

test('an answer can be huge', async () => {
  github.control.script({ on: 'GET /user', effect: { kind: 'huge', bytes: 20_000_000 } })
  const { bytes, whole } = await readRaw('/user')
  expect(bytes).toBeGreaterThanOrEqual(20_000_000)
  expect(whole).toBe(true)
})

test('an answer can drip', async () => {
  github.control.script({ on: 'GET /user', effect: { kind: 'drip', bytes: 10, milliseconds: 1 } })
  const { bytes, chunks, whole } = await readRaw('/user')
  expect(chunks).toBeGreaterThan(bytes / 20)
  expect(whole).toBe(true)
})

test('an answer can be delayed', async () => {
  github.control.script({ on: tokenRoute, effect: { kind: 'delay', milliseconds: 5 } })
  expect((await askAnything()).status).toBe(200)
})
