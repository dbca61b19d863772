import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { askDecision, policyOf, publishTools, tool } from '../support/tool-policy.ts'
import {
  authorizeUrl,
  claimsOf,
  newBrowser,
  newPkce,
  registerClient,
  signIn,
  startWorld,
  type World,
} from '../support/world.ts'

let world: World
let browser: ReturnType<typeof newBrowser>
let token: string

beforeAll(async () => {
  world = await startWorld('oidc')
  await publishTools(world, [tool('delete_all', { folder: {} }), tool('read')])
  const policy = policyOf(world.gateway, 'notes')
  await policy.open('delete_all', { scopes: ['notes.read'], step_up: { max_age: 300 } })
  await policy.open('read', { scopes: ['notes.read'] })
  await policy.activate()
})
afterAll(() => world.stop())
beforeEach(async () => {
  browser = newBrowser()
  token = (await signIn(world, { browser })).tokens.access_token
  world.clock.advance(120)
  world.upstream.advance(0)
})

type Required = { acr_values: string; max_age: number }
const call = (folder = 'work', by = token) =>
  askDecision(world, by, { tool: 'delete_all', arguments: { folder } }).then(({ body }) => body)
const stepUp = async (required: Required, more: Record<string, string> = {}) =>
  await signIn(world, {
    browser,
    parameters: { acr_values: required.acr_values, max_age: String(required.max_age), ...more },
  })

describe('a tool that demands a sign-in for each call', () => {
  test('is refused with what to ask for (RFC 9470), the same however often it is tried', async () => {
    const first = await call()
    expect(first).toMatchObject({
      allowed: false,
      code: 'step_up_required',
      reason: 'sign_in_for_this_call',
      required: { acr_values: expect.stringMatching(/^urn:coatcheck:step-up:su_[\w-]{22}$/), max_age: 300 },
    })
    expect((await call()).required).toEqual(first.required)
    expect((await call('private')).required).not.toEqual(first.required)
  })

  test('opens to that call once, after the person signed in for it', async () => {
    const { required } = await call()
    const { tokens } = await stepUp(required as Required)
    expect(Number(claimsOf(tokens.access_token).auth_time)).toBeGreaterThan(Number(claimsOf(token).auth_time))
    expect(await call('private', tokens.access_token)).toMatchObject({ code: 'step_up_required' })
    expect(await call('work', tokens.access_token)).toMatchObject({ allowed: true, cache_for: 0 })
    expect(await call('work', tokens.access_token)).toMatchObject({ code: 'step_up_required' })
  })

  test('is not opened by a sign-in made for something else', async () => {
    await call()
    const { tokens } = await signIn(world, { browser, parameters: { max_age: '0' } })
    expect(await call('work', tokens.access_token)).toMatchObject({ code: 'step_up_required' })
  })

  test('twenty calls at once have one of them let through', async () => {
    const { required } = await call('race')
    const { tokens } = await stepUp(required as Required)
    const answers = await Promise.all(Array.from({ length: 20 }, () => call('race', tokens.access_token)))
    expect(answers.filter(({ allowed }) => allowed)).toHaveLength(1)
  })

  test('a dry run uses nothing up', async () => {
    const { required } = await call('dry')
    const { tokens } = await stepUp(required as Required)
    const body = { tool: 'delete_all', arguments: { folder: 'dry' }, dry_run: true }
    await askDecision(world, tokens.access_token, body)
    expect(await call('dry', tokens.access_token)).toMatchObject({ allowed: true })
  })
})

describe('a sign-in for one call', () => {
  const policy = () => policyOf(world.gateway, 'notes')
  const dry = (folder: string, by: string) =>
    askDecision(world, by, { tool: 'delete_all', arguments: { folder }, dry_run: true })

  test('is what a dry run says it is', async () => {
    const { required } = await call('said')
    expect((await dry('said', token)).body).toMatchObject({ code: 'step_up_required' })
    const { tokens } = await stepUp(required as Required)
    expect((await dry('said', tokens.access_token)).body).toMatchObject({ allowed: true, cache_for: 0 })
    expect(await call('said', tokens.access_token)).toMatchObject({ allowed: true })
    expect((await dry('said', tokens.access_token)).body).toMatchObject({ code: 'step_up_required' })
  })

  test('is too old once the age that the tool demands is over', async () => {
    const { required } = await call('late')
    const { tokens } = await stepUp(required as Required)
    world.clock.advance(400)
    expect(await call('late', tokens.access_token)).toMatchObject({ code: 'step_up_required' })
  })

  test('is asked for anew where the one that was asked for is nearly over', async () => {
    const first = await call('slow')
    world.clock.advance(200)
    expect((await call('slow')).required).toEqual(first.required)
    world.clock.advance(200)
    expect((await call('slow')).required).not.toEqual(first.required)
  })

  test('opens nothing once an administrator demands something else', async () => {
    const { required } = await call('stricter')
    const { tokens } = await stepUp(required as Required)
    const demand = async (rule: object) =>
      await policy().open('delete_all', { scopes: ['notes.read'], step_up: rule })
    await demand({ max_age: 300, acr_values: ['mfa'] })
    expect(await call('stricter', tokens.access_token)).toMatchObject({ code: 'step_up_unavailable' })
    await demand({ max_age: 300 })
    expect(await call('stricter', tokens.access_token)).toMatchObject({ allowed: true })
  })

  test('is not asked of somebody whom no provider that the resource takes would let make it', async () => {
    const change = async (more: object) => {
      const { id: _, ...now } = await world.gateway.admin<Record<string, unknown>>('GET', '/resources/notes')
      const { resource, name, scopes, default_scopes, providers } = now
      await world.gateway.admin('PUT', '/resources/notes', {
        ...{ resource, name, scopes, default_scopes, providers },
        ...more,
      })
    }
    await world.gateway.admin('PUT', '/providers/another', world.upstream.definition)
    await change({ sign_in: ['another'] })
    expect(await call('nowhere')).toMatchObject({ code: 'step_up_unavailable' })
    await change({})
    expect(await call('nowhere')).toMatchObject({ code: 'step_up_required' })
  })

  test('is not made silently', async () => {
    const { required } = await call('silent')
    const { acr_values } = required as Required
    const parameters = { acr_values, prompt: 'none' }
    const stop = await browser.get(authorizeUrl(world, newPkce().challenge, parameters))
    expect(new URL(stop.url).searchParams.get('error')).toMatch(/^(login|consent)_required$/)
    expect(await call('silent')).toMatchObject({ code: 'step_up_required' })
  })

  test('takes nothing of a quota while it is not made, and is not asked for where that is full', async () => {
    await publishTools(world, [tool('delete_all', { folder: {} }), tool('read'), tool('once')])
    await policy().open('once', { scopes: ['notes.read'], step_up: { max_age: 300 } })
    await policy().limit({ per: 'subject', limit: 1, window: 'month', tools: ['once'] })
    const once = async (by: string) => (await askDecision(world, by, { tool: 'once' })).body
    const { required } = await once(token)
    const { tokens } = await stepUp(required as Required)
    const other = async () => await askDecision(world, token, { tool: 'once', arguments: { other: 1 } })
    const [answer, ...others] = await Promise.all([once(tokens.access_token), other(), other(), other()])
    expect(answer).toMatchObject({ allowed: true })
    for (const { body } of others) expect(['step_up_required', 'rate_limited']).toContain(body.code)
    expect((await other()).body).toMatchObject({ code: 'rate_limited', retry_after: expect.any(Number) })
  })
})

describe('the page', () => {
  test('names the call, and is shown though the person is signed in and said yes before', async () => {
    const { required } = await call('page')
    const url = authorizeUrl(world, newPkce().challenge, { acr_values: (required as Required).acr_values })
    const stop = await browser.get(url)
    expect(stop.text).toContain('delete_all')
    expect(stop.text).toContain('This confirms one call')
    expect(world.upstream.calls('GET /auth').at(-1)?.query).not.toMatchObject({ max_age: '0' })
  })

  test('is an ordinary one where the sign-in is another client’s, over, or nobody’s', async () => {
    const { required } = await call('elsewhere')
    const { acr_values: values } = required as Required
    const clientId = await registerClient(world.gateway)
    const other = await browser.get(
      authorizeUrl({ ...world, clientId }, newPkce().challenge, { acr_values: values }),
    )
    expect(other.text).not.toContain('delete_all')
    const unknown = { acr_values: 'urn:coatcheck:step-up:su_none mfa' }
    expect((await browser.get(authorizeUrl(world, newPkce().challenge, unknown))).text).not.toContain(
      'delete_all',
    )
    world.clock.advance(601)
    const late = await browser.get(authorizeUrl(world, newPkce().challenge, { acr_values: values }))
    expect(late.text).not.toContain('delete_all')
  })
})

test('somebody else’s sign-in confirms nothing, and ends with an error for the client', async () => {
  const { required } = await call('mine')
  world.upstream.approveAs('bob')
  const url = authorizeUrl(world, newPkce().challenge, { acr_values: (required as Required).acr_values })
  const stop = await newBrowser().walk(url, ['allow'])
  world.upstream.approveAs('ada')
  expect(new URL(stop.url).searchParams.get('error')).toBe('access_denied')
  expect(await call('mine')).toMatchObject({ code: 'step_up_required' })
})

test('a person whose providers prove nothing is told so, and sent nowhere', async () => {
  const github = await startWorld('github')
  await publishTools(github, [tool('delete_all')])
  const policy = policyOf(github.gateway, 'notes')
  await policy.open('delete_all', { scopes: ['notes.read'], step_up: { max_age: 300 } })
  await policy.activate()
  const { tokens } = await signIn(github)
  const { body } = await askDecision(github, tokens.access_token, { tool: 'delete_all' })
  expect(body).toMatchObject({ allowed: false, code: 'step_up_unavailable' })
  expect(body).not.toHaveProperty('required')
  await github.stop()
})

test('a sign-in of the very same second is one of before', async () => {
  world.clock.advance(1)
  const { required } = await call('at-once')
  const before = world.upstream.calls('GET /auth').length
  await signIn(world, { browser, parameters: { max_age: '0' } })
  await stepUp(required as Required)
  expect(world.upstream.calls('GET /auth').length - before).toBeGreaterThanOrEqual(2)
})
