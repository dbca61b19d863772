import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RunningGateway } from '../../src/main.ts'
import { coatcheck } from '../support/cli.ts'
import { introspect, kidOf, refresh, signIn, startWorld, type Tokens, type World } from '../support/world.ts'

// CR-10: what a leaked key signed counts nowhere from the next second on.

let world: World
let other: RunningGateway
/** The world by way of the other gateway. */
let beside: World
beforeAll(async () => {
  world = await startWorld()
  other = await world.gateway.replica()
  beside = { ...world, gateway: { ...world.gateway, url: other.url } }
})
afterAll(async () => {
  await other.stop()
  await world.stop()
})

const published = async (url: string) => {
  const response = await fetch(`${url}/.well-known/jwks.json`)
  expect(response.headers.get('cache-control')).toBe('public, max-age=300')
  const { keys } = (await response.json()) as { keys: { kid: string }[] }
  return keys.map(({ kid }) => kid)
}

test('a removed key is gone from every replica within a second, with all it signed, and everybody goes on', async () => {
  const { tokens } = await signIn(world)
  for (const at of [world, beside]) expect(await introspect(at, tokens.access_token)).toHaveProperty('tsid')
  const [leaked = ''] = await published(other.url)

  const removed = await world.gateway.admin('DELETE', `/signing-keys/${leaked}`)
  expect(removed).toMatchObject({ kid: leaked, successor: expect.any(String) })
  world.clock.advance(1)
  for (const at of [world, beside]) {
    expect(await published(at.gateway.url)).toEqual([removed.successor])
    expect(await introspect(at, tokens.access_token)).toEqual({ active: false })
  }
  const renewed = (await (await refresh(beside, tokens.refresh_token)).json()) as Tokens
  expect(await introspect(world, renewed.access_token)).toMatchObject({ active: true })
  await world.gateway.admin('DELETE', `/signing-keys/${leaked}`, undefined, 404)
  const { items } = await world.gateway.admin<{ items: unknown[] }>(
    'GET',
    '/audit-events?event=signing_key.removed',
  )
  expect(items).toMatchObject([
    { actor: 'admin:token', detail: { kid: leaked, successor: removed.successor } },
  ])
})

/** On the machine of the gateways: what opens their database, and what they are asked with. */
async function rotate(...options: string[]) {
  const { issuer, adminToken, masterKey, database } = world.gateway
  const env = {
    COATCHECK_ISSUER: issuer,
    COATCHECK_ADMIN_TOKEN: adminToken,
    COATCHECK_DATABASE_URL: database.url,
    COATCHECK_MASTER_KEYS: `test:${Buffer.from(masterKey).toString('base64')}`,
  }
  const { out = '', exitCode } = await coatcheck(['key', 'rotate', ...options], { env })
  expect(exitCode).toBe(0)
  const [, kid = ''] = /^Key (\S+) is published now; it signs from /.exec(out) ?? []
  return { kid, out }
}

test('key rotate --offline, where gateways run after all: what was signed counts, and the next key waits', async () => {
  const { tokens } = await signIn(world)
  const before = await published(other.url)
  const { kid, out } = await rotate('--offline')
  expect(out).not.toContain('Nothing that was signed before counts any more.')
  world.clock.advance(1)
  for (const at of [world, beside]) {
    expect((await published(at.gateway.url)).toSorted()).toEqual([...before, kid].toSorted())
    expect(await introspect(at, tokens.access_token)).toMatchObject({ active: true })
  }
  const renewed = (await (await refresh(world, tokens.refresh_token)).json()) as Tokens
  expect(before).toContain(kidOf(renewed))
})

test.each([[['--emergency']], [['--offline', '--emergency']]])(
  'key rotate %j: within a second nothing counts at any gateway that was signed before, and everybody goes on',
  async (options) => {
    const { tokens } = await signIn(world)
    const { kid, out } = await rotate(...options)
    expect(out).toContain('Nothing that was signed before counts any more.')
    world.clock.advance(1)
    for (const at of [world, beside]) {
      expect(await published(at.gateway.url)).toEqual([kid])
      expect(await introspect(at, tokens.access_token)).toEqual({ active: false })
    }
    const renewed = (await (await refresh(beside, tokens.refresh_token)).json()) as Tokens
    expect(kidOf(renewed)).toBe(kid)
    expect(await introspect(world, renewed.access_token)).toMatchObject({ active: true })
  },
)
