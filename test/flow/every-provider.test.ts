import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { UpstreamKind } from '../support/upstreams.ts'
import {
  authorize,
  claimsOf,
  introspect,
  newBrowser,
  refresh,
  registerClient,
  resourceUri,
  retrieve,
  signIn,
  startWorld,
  type World,
} from '../support/world.ts'

const kinds: UpstreamKind[] = ['github', 'google', 'atlassian', 'oidc']

describe.each(kinds)('a person signs in at %s', (kind) => {
  let world: World
  beforeAll(async () => {
    world = await startWorld(kind)
  })
  afterAll(async () => await world.stop())

  test('and an MCP server trades the tsid for that person’s upstream token', async () => {
    const { tokens, tsid } = await signIn(world)
    expect(claimsOf(tokens.access_token)).toMatchObject({
      iss: world.gateway.issuer,
      aud: resourceUri,
      client_id: world.clientId,
      scope: 'notes.read',
      tsid,
    })
    const { status, body } = await retrieve(world, tsid)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      token_type: 'Bearer',
      provider: kind,
      account: { label: world.upstream.labels.ada },
    })
    expect(body).not.toHaveProperty('refresh_token')
    expect(await world.upstream.whoseToken(String(body.access_token))).toContain('ada')
    expect(await introspect(world, tokens.access_token)).toMatchObject({ active: true, tsid })
  })

  test('and the next client in the same browser asks for consent alone', async () => {
    const { browser } = await signIn(world)
    const before = world.upstream.calls(world.upstream.tokenRoute).length
    const second = { ...world, clientId: await registerClient(world.gateway, { client_name: 'Another' }) }
    const { tsid } = await signIn(second, { browser })
    expect(world.upstream.calls(world.upstream.tokenRoute)).toHaveLength(before)
    expect((await retrieve(world, tsid)).status).toBe(200)
  })

  test('and an expired upstream token is refreshed once for fifty who ask at the same moment', async () => {
    const { tsid, tokens } = await signIn(world)
    const first = await retrieve(world, tsid)
    const before = world.upstream.calls(world.upstream.tokenRoute).length
    world.clock.advance(Number(first.body.expires_in) + 1)
    // A session answers no longer than its last access token, so the client refreshes first.
    expect((await refresh(world, tokens.refresh_token)).status).toBe(200)
    const answers = await Promise.all(Array.from({ length: 50 }, () => retrieve(world, tsid)))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    expect(new Set(answers.map(({ body }) => body.access_token)).size).toBe(1)
    expect(world.upstream.calls(world.upstream.tokenRoute)).toHaveLength(before + 1)
    expect(await world.upstream.whoseToken(String(answers[0]?.body.access_token))).toContain('ada')
  })

  test('twelve clients of one person leave the first one’s upstream token alive', async () => {
    const first = await signIn(world)
    const browser = first.browser
    for (let count = 0; count < 11; count += 1) {
      const clientId = await registerClient(world.gateway, { client_name: `Client ${count}` })
      await signIn({ ...world, clientId }, { browser })
    }
    const { body } = await retrieve(world, first.tsid)
    expect(await world.upstream.whoseToken(String(body.access_token))).toContain('ada')
  })

  test('and saying no at the provider is told to the client', async () => {
    world.upstream.deny()
    const browser = newBrowser()
    await expect(authorize(world, { browser })).rejects.toThrow('access_denied')
    world.upstream.approveAs('ada')
  })

  test('two people never meet in one subject', async () => {
    const ada = await signIn(world)
    world.upstream.approveAs('bob')
    const bob = await signIn(world)
    world.upstream.approveAs('ada')
    expect(claimsOf(bob.tokens.access_token).sub).not.toBe(claimsOf(ada.tokens.access_token).sub)
    const { body } = await retrieve(world, bob.tsid)
    expect(await world.upstream.whoseToken(String(body.access_token))).toContain('bob')
  })
})
