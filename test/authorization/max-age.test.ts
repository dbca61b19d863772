import { afterAll, beforeAll, expect, test } from 'vitest'
import { claimsOf, newBrowser, signIn, startWorld, type World } from '../support/world.ts'

// With a provider that knows max_age, which of ours GitHub and Google are not.

let world: World
beforeAll(async () => {
  world = await startWorld('oidc')
})
afterAll(() => world.stop())

const asked = () =>
  world.upstream
    .calls('GET /auth')
    .map(({ query }) => query)
    .filter(({ client_id: id }) => id !== undefined)
    .at(-1)

test('max_age and prompt=login are handed on, and auth_time is when the person signed in there', async () => {
  const browser = newBrowser()
  const { tokens } = await signIn(world, { browser, parameters: { max_age: '3600' } })
  expect(asked()).toMatchObject({ max_age: '3600' })
  const authTime = Number(claimsOf(tokens.access_token).auth_time)
  expect(Math.abs(authTime - world.clock.now())).toBeLessThan(5)

  await signIn(world, { browser, parameters: { prompt: 'login' } })
  expect(asked()?.prompt).toContain('login')
})

test('a provider is asked when the person signed in, also where the client does not care', async () => {
  await signIn(world, { browser: newBrowser(), parameters: { prompt: 'select_account' } })
  expect(asked()).toMatchObject({ max_age: '31536000' })
})
