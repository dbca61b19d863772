import { afterAll, beforeAll, expect, test } from 'vitest'
import { askDecision, policyOf, publishTools, tool } from '../support/tool-policy.ts'
import { claimsOf, newBrowser, refresh, signIn, startWorld, type World } from '../support/world.ts'

// Roles and calls that take a strong sign-in, at a provider that says how strong one was.

let world: World
const browser = newBrowser()
const stronger = { extends: 'oidc', authorization: { acr_values: true } }

beforeAll(async () => {
  world = await startWorld('oidc')
  await world.gateway.admin('PUT', '/providers/oidc', { ...world.upstream.definition, descriptor: stronger })
  await publishTools(world, [tool('pay'), tool('sign')])
  const policy = policyOf(world.gateway, 'notes')
  await policy.open('pay', { scopes: ['notes.read'], step_up: { acr_values: ['mfa'] } })
  await policy.open('sign', { scopes: ['notes.read'], step_up: { acr_values: ['hardware'] } })
  await policy.activate()
})
afterAll(() => world.stop())

const signInFor = async (acr: string) =>
  (await signIn(world, { browser, parameters: { acr_values: acr } })).tokens

test('a token says how strong the sign-in was that was asked for, and a refreshed one says it still', async () => {
  const { tokens: plain } = await signIn(world, { browser })
  expect(claimsOf(plain.access_token)).not.toHaveProperty('acr')
  const strong = await signInFor('mfa')
  expect(claimsOf(strong.access_token).acr).toBe('mfa')
  const refreshed = (await (await refresh(world, strong.refresh_token)).json()) as { access_token: string }
  expect(claimsOf(refreshed.access_token).acr).toBe('mfa')
})

test('a person who signed in before goes to the provider again for a strength', async () => {
  const before = world.upstream.calls('GET /auth').length
  await signInFor('mfa')
  const asked = world.upstream.calls('GET /auth').slice(before)
  expect(asked[0]?.query.acr_values).toBe('mfa')
})

test('a call that takes a strong sign-in opens after one, once', async () => {
  const { tokens } = await signIn(world, { browser })
  const call = async (token: string) => (await askDecision(world, token, { tool: 'pay' })).body
  const denied = await call(tokens.access_token)
  const { acr_values: values } = denied.required as { acr_values: string }
  expect(values).toMatch(/^urn:coatcheck:step-up:su_[\w-]+ mfa$/)
  world.clock.advance(120)
  const stepped = await signInFor(values)
  expect(await call(stepped.access_token)).toMatchObject({ allowed: true })
  expect(await call(stepped.access_token)).toMatchObject({ code: 'step_up_required' })
})

test('a weaker sign-in than the call takes confirms nothing', async () => {
  const { tokens } = await signIn(world, { browser })
  const denied = (await askDecision(world, tokens.access_token, { tool: 'sign' })).body
  const { acr_values: values } = denied.required as { acr_values: string }
  await expect(signInFor(values)).rejects.toThrow('access_denied')
  expect((await askDecision(world, tokens.access_token, { tool: 'sign' })).body).toMatchObject({
    allowed: false,
  })
})

test('a role that takes a strength is given by a sign-in of that strength alone', async () => {
  await world.gateway.admin('PUT', '/resources/notes', {
    resource: 'https://notes.test/mcp',
    name: 'Notes',
    scopes: { 'notes.read': 'Read your notes', 'notes.write': 'Change your notes' },
    default_scopes: ['notes.read'],
    providers: [],
    access: 'bindings',
  })
  const policy = policyOf(world.gateway, 'notes')
  await publishTools(world, [tool('pay'), tool('sign'), tool('look')])
  await policy.open('look', { scopes: ['notes.read'] })
  await policy.bind({ scopes: ['notes.read'] }, { everyone: true }, { conditions: { acr_values: ['mfa'] } })
  const { tokens } = await signIn(world, { browser })
  expect((await askDecision(world, tokens.access_token, { tool: 'look' })).body).toMatchObject({
    code: 'step_up_required',
    required: { acr_values: 'mfa' },
  })
  const strong = await signInFor('mfa')
  expect((await askDecision(world, strong.access_token, { tool: 'look' })).body).toMatchObject({
    allowed: true,
  })
})

test('nobody is sent for a strength no provider of theirs proves', async () => {
  await world.gateway.admin('PUT', '/providers/oidc', { ...world.upstream.definition, descriptor: 'oidc' })
  const { tokens } = await signIn(world, { browser: newBrowser() })
  expect((await askDecision(world, tokens.access_token, { tool: 'look' })).body).toMatchObject({
    code: 'step_up_unavailable',
  })
})
