import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RunningGateway } from '../../src/main.ts'
import { introspect, refresh, signIn, startWorld, type Tokens, type World } from '../support/world.ts'

// CR-10: what a leaked key signed counts nowhere from the next second on.

let world: World
let other: RunningGateway
beforeAll(async () => {
  world = await startWorld()
  other = await world.gateway.replica()
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
  const beside = { ...world, gateway: { ...world.gateway, url: other.url } }
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
