import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestFile } from '../support/database.ts'
import { startWorld, type World } from '../support/world.ts'

let world: World
let file: string

beforeAll(async () => {
  const database = await createTestFile()
  world = await startWorld('github', { database })
  file = join(database.folder, 'coatcheck.db')
})
afterAll(() => world.stop())

const ask = async (path: string, init: RequestInit = {}) =>
  (await fetch(`${world.gateway.url}${path}`, init)).status

const register = () =>
  ask('/oauth/register', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      redirect_uris: ['http://127.0.0.1/callback'],
      token_endpoint_auth_method: 'none',
    }),
  })

describe.each(['', '-wal'])('a database file%s that is taken away while it is open', (suffix) => {
  test.each(['moved away', 'replaced'])('and is %s: nothing is accepted until it is back', async (how) => {
    const path = file + suffix
    expect(await register()).toBe(201)
    renameSync(path, `${path}.away`)
    if (how === 'replaced') writeFileSync(path, '')
    expect(await register()).toBe(503)
    // Whether it is ready is looked at once a second.
    world.gateway.clock.advance(1)
    expect(await ask('/readyz')).toBe(503)
    expect(await ask('/healthz')).toBe(200)
    renameSync(`${path}.away`, path)
    world.gateway.clock.advance(1)
    expect(await ask('/readyz')).toBe(200)
    expect(await register()).toBe(201)
  })
})
