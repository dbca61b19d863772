import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RunningGateway } from '../../src/main.ts'
import { type Notes, notesDefinition, startNotes } from '../support/notes.ts'

// The documents that everybody reads are made once and sent often; no change may stay behind for it.

const metadata = '/.well-known/oauth-authorization-server'
const jwks = '/.well-known/jwks.json'

let notes: Notes
let replica: RunningGateway

beforeAll(async () => {
  notes = await startNotes()
  replica = await notes.gateway.replica()
})
afterAll(async () => {
  await replica.stop()
  await notes.stop()
})

const read = async (url: string, path: string, headers: Record<string, string> = {}) => {
  const response = await fetch(url + path, { headers })
  return { response, body: await response.text(), etag: response.headers.get('etag') ?? '' }
}

const opens = (...scopes: string[]) =>
  notes.gateway.admin('PUT', '/resources/notes', {
    ...notesDefinition,
    scopes: Object.fromEntries([...Object.entries(notesDefinition.scopes), ...scopes.map((s) => [s, s])]),
  })

test('a change made here is in the very next answer, one made elsewhere within a second', async () => {
  const { url } = notes.gateway
  await Promise.all([read(url, metadata), read(replica.url, metadata)])
  await opens('notes.share')
  expect((await read(url, metadata)).body).toContain('notes.share')
  notes.clock.advance(1)
  expect((await read(replica.url, metadata)).body).toContain('notes.share')
  await opens()
  expect((await read(url, metadata)).body).not.toContain('notes.share')
})

test('a new signing key is published at once where it was made, and elsewhere within a second', async () => {
  const { url } = notes.gateway
  const count = async (at: string) => JSON.parse((await read(at, jwks)).body).keys.length
  const before = await count(url)
  expect(await count(replica.url)).toBe(before)
  await notes.gateway.admin('POST', '/signing-keys/rotate', {})
  expect(await count(url)).toBe(before + 1)
  notes.clock.advance(1)
  expect(await count(replica.url)).toBe(before + 1)
})

test.each([
  [metadata, 'application/json; charset=utf-8'],
  [jwks, 'application/jwk-set+json; charset=utf-8'],
])('who has %s as it is is told so, and nothing more', async (path, type) => {
  const { response, etag } = await read(notes.gateway.url, path)
  expect(response.headers.get('content-type')).toBe(type)
  for (const known of [etag, `"other", W/${etag}`, '*']) {
    const again = await read(notes.gateway.url, path, { 'if-none-match': known })
    expect([again.response.status, again.body, again.etag]).toEqual([304, '', etag])
    expect(again.response.headers.get('cache-control')).toBe(response.headers.get('cache-control'))
  }
  expect((await read(notes.gateway.url, path, { 'if-none-match': '"other"' })).response.status).toBe(200)
  const head = await fetch(notes.gateway.url + path, { method: 'HEAD' })
  expect([head.status, head.headers.get('etag')]).toEqual([200, etag])
  expect(head.headers.get('content-length')).toBe(response.headers.get('content-length'))
})
