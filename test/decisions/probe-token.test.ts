import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { type Habits, startMcpStandin } from '../support/mcp-standin.ts'
import { askDecision, listTools, policyOf, publishTools, tool } from '../support/tool-policy.ts'
import {
  basic,
  claimsOf,
  createCredential,
  introspect,
  type ResourceCredential,
  retrieve,
} from '../support/world.ts'

/** What a hostile MCP server can make of the tokens it is tried with. */
let gateway: TestGateway
let server: Awaited<ReturnType<typeof startMcpStandin>>
let hostile: { gateway: TestGateway; credential: ResourceCredential }
let own: string
let foreign: string

beforeAll(async () => {
  gateway = await startTestGateway()
  server = await startMcpStandin(gateway.issuer)
  const definition = {
    resource: server.uri,
    name: 'Hostile',
    scopes: { read: 'Read', write: 'Write' },
    default_scopes: ['read'],
    providers: [],
  }
  await gateway.admin('PUT', '/resources/hostile', definition)
  await gateway.admin('PUT', '/resources/victim', {
    ...definition,
    resource: 'https://victim.test/mcp',
    callers: [{ resource: 'hostile', for: { read: ['read'] } }],
  })
  hostile = { gateway, credential: await createCredential(gateway, 'hostile') }
  await publishTools(hostile, [tool('read_it'), tool('about')])
  const policy = policyOf(gateway, 'hostile')
  await policy.open('read_it', { scopes: ['read'] })
  await policy.open('about', { access: 'public' })
  const habits: Habits = {}
  server.behave(habits)
  await gateway.admin('POST', '/resources/hostile/application/probe')
  const jwts = server.heard.flatMap(({ token }) => (token?.includes('.') ? [token] : []))
  const find = (audience: string) => jwts.find((token) => claimsOf(token).aud === audience) ?? ''
  own = find(server.uri)
  foreign = find('urn:coatcheck:probe:another-audience')
})
afterAll(async () => {
  await gateway.stop()
  await server.stop()
})

async function exchange(more: Record<string, string>) {
  const response = await fetch(`${gateway.url}/oauth/token`, {
    method: 'POST',
    headers: { authorization: basic(hostile.credential) },
    body: new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: own,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      ...more,
    }),
  })
  return response.status
}

test('it may believe that its own token is good, and that it holds nothing', async () => {
  const said = await introspect(hostile, own)
  expect(said).toMatchObject({ active: true, sub: 'sub_probe', client_id: 'client_probe', aud: server.uri })
  expect([said.scope, said.tsid]).toEqual(['', undefined])
  expect(await introspect(hostile, foreign)).toEqual({ active: false })
})

test('another server is told nothing of it', async () => {
  const victim = { gateway, credential: await createCredential(gateway, 'victim') }
  expect(await introspect(victim, own)).toEqual({ active: false })
  expect((await askDecision(victim, own, { tool: 'read_it' })).body).toMatchObject({
    code: 'invalid_audience',
  })
})

test('it gets no upstream token and no token for another server for it', async () => {
  const { status } = await retrieve({ ...hostile, provider: 'github' }, String(claimsOf(own).jti))
  expect(status).toBe(404)
  const upstream = {
    requested_token_type: 'urn:coatcheck:token-type:upstream-access-token',
    provider: 'github',
  }
  for (const more of [
    upstream,
    { audience: 'https://victim.test/mcp' },
    { resource: 'https://victim.test/mcp' },
  ]) {
    expect(await exchange(more), JSON.stringify(more)).toBeGreaterThanOrEqual(400)
  }
})

describe('a decision', () => {
  test('is no, but for what is public', async () => {
    await policyOf(gateway, 'hostile').activate()
    const { body } = await askDecision(hostile, own, { tool: 'read_it' })
    expect(body).toMatchObject({ allowed: false, code: 'scope_insufficient' })
    expect((await askDecision(hostile, own, { tool: 'about' })).body).toMatchObject({ allowed: true })
    expect((await listTools(hostile, own)).body.tools).toMatchObject([
      { name: 'about', allowed: true },
      { name: 'read_it', allowed: false },
    ])
  })
})

test('no list shows it, and ending it changes nothing', async () => {
  for (const path of ['/subjects', '/clients', '/token-sessions?state=any', '/connections']) {
    expect(JSON.stringify(await gateway.admin('GET', path)), path).not.toContain('_probe')
  }
  const revoked = await fetch(`${gateway.url}/oauth/revoke`, {
    method: 'POST',
    headers: { authorization: basic(hostile.credential) },
    body: new URLSearchParams({ token: own }),
  })
  expect(revoked.status).toBeLessThan(500)
})

test('what was found of it, its logs included, holds no token', async () => {
  const found = JSON.stringify(await gateway.admin('GET', '/resources/hostile/application'))
  for (const token of [own, foreign]) {
    expect(found).not.toContain(token)
    expect(gateway.logs()).not.toContain(token)
  }
})

test('it is good for two minutes', async () => {
  gateway.clock.advance(121)
  expect(await introspect(hostile, own)).toEqual({ active: false })
})
