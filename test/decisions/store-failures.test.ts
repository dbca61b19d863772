import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  expectUnavailable,
  type FailingStore,
  failingStore,
  forEveryFailure,
} from '../support/failing-store.ts'
import { policyOf, publishTools, tool } from '../support/tool-policy.ts'
import { basic, newBrowser, signIn, startWorld, type World } from '../support/world.ts'

// What a person or a quota gave for a call is gone only with the yes that says so, however the store fails.

let world: World
let store: FailingStore
const browser = newBrowser()

beforeAll(async () => {
  world = await startWorld('oidc', { chores: 'none' })
  await publishTools(world, [tool('counted'), tool('grave')])
  const policy = policyOf(world.gateway, 'notes')
  await policy.open('counted', { scopes: ['notes.read'] })
  await policy.open('grave', { scopes: ['notes.read'], step_up: { max_age: 300 } })
  await policy.activate()
  await policy.limit({ per: 'subject', limit: 1_000, window: 'month', tools: ['counted', 'grave'] })
  store = failingStore(world.gateway.running().gateway.store)
})
afterAll(() => world.stop())
afterEach(() => store.heal())

const headers = (token: string) => ({
  authorization: basic(world.credential),
  'coatcheck-user-token': token,
  'content-type': 'application/json',
})
const ask = (token: string, body: unknown) =>
  fetch(`${world.gateway.url}/v1/decisions`, {
    method: 'POST',
    headers: headers(token),
    body: JSON.stringify(body),
  })
const said = async (response: Response) => (await response.json()) as Record<string, unknown>

async function used(): Promise<number> {
  const { store: rows } = world.gateway.running().gateway
  const [quota] = await rows.quotas.list('notes')
  const month = new Date(world.clock.now() * 1000)
  const end = Date.UTC(month.getUTCFullYear(), month.getUTCMonth() + 1, 1) / 1000
  return (await rows.quotas.useOf(quota?.id ?? '', end)).calls
}
const decided = async () =>
  (await world.gateway.admin<{ items: unknown[] }>('GET', '/decisions?resource_id=notes&limit=200')).items
    .length

describe('a decision while one call of the store fails', () => {
  test('that counts is a 503, and counts only what is on record', async () => {
    const { tokens } = await signIn(world, { browser })
    let before = { calls: 0, kept: 0 }
    const seen = await forEveryFailure(
      { store, clock: world.clock },
      async () => {
        before = { calls: await used(), kept: await decided() }
        return () => ask(tokens.access_token, { tool: 'counted' })
      },
      async (response, failed, again) => {
        await expectUnavailable(response, failed)
        const isDrawn = failed.name === 'quotas.draw' && failed.point === 'after'
        const counted = { calls: before.calls + Number(isDrawn), kept: before.kept + Number(isDrawn) }
        expect({ failed, calls: await used(), kept: await decided() }).toEqual({ failed, ...counted })
        expect(await said(await again())).toMatchObject({ allowed: true })
      },
    )
    expect(seen).toContain('quotas.draw')
  })

  test.each([
    ['stepUps.listOpen', 'before'],
    ['quotas.draw', 'before'],
    ['quotas.draw', 'after'],
  ] as const)('that needs a sign-in of its own costs nobody theirs: %s, %s', async (name, point) => {
    const call = { tool: 'grave', arguments: { name, point } }
    const first = (await signIn(world, { browser })).tokens.access_token
    const { required } = await said(await ask(first, call))
    const { acr_values, max_age } = required as { acr_values: string; max_age: number }
    const parameters = { acr_values, max_age: String(max_age) }
    const token = (await signIn(world, { browser, parameters })).tokens.access_token
    store.arm([name], point)
    await expectUnavailable(await ask(token, call), { name, point, nth: 1 })
    store.heal()
    const answer = point === 'after' ? { code: 'step_up_required' } : { allowed: true }
    expect(await said(await ask(token, call))).toMatchObject(answer)
  })

  test('that asks for a sign-in is a 503, and asks for the same one the next time', async () => {
    const { tokens } = await signIn(world, { browser })
    let turn = 0
    await forEveryFailure(
      { store, clock: world.clock },
      async () => {
        turn++
        return () => ask(tokens.access_token, { tool: 'grave', arguments: { asked: turn } })
      },
      async (response, failed, again) => {
        await expectUnavailable(response, failed)
        const { required } = await said(await again())
        expect((await said(await again())).required).toEqual(required)
      },
    )
  })
})

test.each([
  ['PUT', '/tools', { tools: [tool('counted'), tool('grave')] }],
  ['GET', '/tools', undefined],
  ['GET', '/decisions/none', undefined],
])('%s %s is a 503 while one call of the store fails', async (method, path, body) => {
  const { tokens } = await signIn(world, { browser })
  await forEveryFailure(
    { store, clock: world.clock },
    async () => () =>
      fetch(`${world.gateway.url}/v1${path}`, {
        method,
        headers: headers(tokens.access_token),
        ...(body && { body: JSON.stringify(body) }),
      }),
    async (response, failed, again) => {
      await expectUnavailable(response, failed)
      expect((await again()).status).toBeLessThan(500)
    },
  )
})
