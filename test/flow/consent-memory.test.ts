import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Browser } from '../support/browser.ts'
import { calendar, enter, type House, type Person, type Room, startHouse, visit } from '../support/house.ts'
import { callbackOf } from '../support/page.ts'
import { policyOf } from '../support/tool-policy.ts'
import { claimsOf, newBrowser, redeem, registerClient, type Tokens } from '../support/world.ts'

const webRedirect = 'https://app.test/callback'

let house: House
let desk: Room
let browser: Browser
let ada: Person

/** Clients of the configuration file, which can change there. */
const declared = [1, 2, 3, 4].map((number) => ({
  client_id: `declared-${number}`,
  client_secret: 'a-secret-of-forty-characters-or-even-more',
  client_name: 'Declared',
  redirect_uris: [webRedirect],
}))

beforeAll(async () => {
  house = await startHouse({ file: { clients: declared } })
  desk = await house.open('desk', {
    providers: [
      { provider: 'github', scopes: ['repo'] },
      { provider: 'google', scopes: [calendar], required: false, for: ['notes.write'] },
    ],
  })
})
afterAll(() => house.stop())
beforeEach(() => {
  ada = house.newPerson()
  browser = newBrowser()
})

async function preRegister(more: Record<string, unknown> = {}): Promise<string> {
  const client = await house.gateway.admin<{ client_id: string }>('POST', '/clients', {
    client_name: 'Workbench',
    redirect_uris: [webRedirect],
    grant_types: ['authorization_code', 'refresh_token'],
    ...more,
  })
  return client.client_id
}

type Asking = { clientId: string; redirect?: string; room?: Room; more?: Record<string, string> }

async function ask({ clientId, redirect = webRedirect, room = desk, more = {} }: Asking, presses: string[]) {
  const parameters = { redirect_uri: redirect, ...more }
  return (await visit(house, room, { browser, presses, parameters, clientId })).stop
}

/** Says yes once, from whatever page comes first. */
async function consentOnce(asking: Asking): Promise<void> {
  expect(callbackOf(await ask(asking, ['github', 'allow']))).toHaveProperty('code')
}

/** Whether the same browser is asked again. */
async function isAskedAgain(asking: Asking): Promise<boolean> {
  const stop = await ask(asking, [])
  if (stop.left) expect(callbackOf(stop)).toHaveProperty('code')
  else expect(stop.text).toContain('asks to use')
  return !stop.left
}

/** An administrator removes what the person has at a provider. */
async function disconnect(provider: string): Promise<void> {
  type List = { items: { id: string }[] }
  const { admin } = house.gateway
  const { items: people } = await admin<List>('GET', `/subjects?label=${ada.github}`)
  const query = `subject_id=${people[0]?.id}&provider=${provider}`
  const { items } = await admin<List>('GET', `/connections?${query}`)
  expect(items).toHaveLength(1)
  for (const { id } of items) await admin('DELETE', `/connections/${id}`)
}

describe('a remembered consent', () => {
  test('skips the page for a confidential client that an administrator registered', async () => {
    const clientId = await preRegister()
    await consentOnce({ clientId })
    expect(await isAskedAgain({ clientId })).toBe(false)
  })

  test('skips the page for a public client that an administrator marked trusted', async () => {
    const clientId = await preRegister({ token_endpoint_auth_method: 'none', trusted: true })
    await consentOnce({ clientId })
    expect(await isAskedAgain({ clientId })).toBe(false)
  })

  test('skips nothing for a public client that nobody marked trusted', async () => {
    const clientId = await preRegister({ token_endpoint_auth_method: 'none' })
    await consentOnce({ clientId })
    expect(await isAskedAgain({ clientId })).toBe(true)
  })

  test.each(['none', 'client_secret_basic'])(
    'skips nothing for a client that registered itself with %s',
    async (method) => {
      const clientId = await registerClient(house.gateway, {
        redirect_uris: [webRedirect],
        token_endpoint_auth_method: method,
      })
      await consentOnce({ clientId })
      expect(await isAskedAgain({ clientId })).toBe(true)
    },
  )

  test.each(['http://127.0.0.1:7777/callback', 'cursor://anysphere.cursor-mcp/oauth/callback'])(
    'skips nothing where the answer goes to a program on the person’s device, %s',
    async (redirect) => {
      const clientId = await preRegister({ redirect_uris: [redirect], trusted: true })
      await consentOnce({ clientId, redirect })
      expect(await isAskedAgain({ clientId, redirect })).toBe(true)
    },
  )

  test('serves no other client', async () => {
    await consentOnce({ clientId: await preRegister() })
    expect(await isAskedAgain({ clientId: await preRegister() })).toBe(true)
  })

  test('serves no other redirect URI of the same client', async () => {
    const other = 'https://app.test/other'
    const clientId = await preRegister({ redirect_uris: [webRedirect, other] })
    await consentOnce({ clientId })
    expect(await isAskedAgain({ clientId, redirect: other })).toBe(true)
    expect(await isAskedAgain({ clientId })).toBe(false)
  })

  test('serves no other resource', async () => {
    const room = await house.open('other', { providers: [{ provider: 'github', scopes: ['repo'] }] })
    const clientId = await preRegister()
    await consentOnce({ clientId })
    expect(await isAskedAgain({ clientId, room })).toBe(true)
  })

  test('serves no other person in the same browser', async () => {
    const clientId = await preRegister()
    await consentOnce({ clientId })
    const bob = house.newPerson()
    browser.cookies.clear()
    await enter(house, desk, { browser })
    const stop = await ask({ clientId }, [])
    expect(stop.text).toContain(`Signed in as ${bob.github}.`)
  })

  test('serves no scope that was not on the page, and no provider that was left out', async () => {
    const clientId = await preRegister()
    await consentOnce({ clientId })
    expect(await isAskedAgain({ clientId, more: { scope: 'notes.write' } })).toBe(true)
    const both = { scope: 'notes.read notes.write' }
    const parameters = { redirect_uri: webRedirect, ...both }
    const presses = [{ button: 'allow', fields: { provider: [] } }]
    await visit(house, desk, { browser, clientId, parameters, presses })
    expect(await isAskedAgain({ clientId, more: both })).toBe(true)
    await consentOnce({ clientId, more: both })
    expect(await isAskedAgain({ clientId, more: both })).toBe(false)
    expect(await isAskedAgain({ clientId })).toBe(false)
  })

  test('ends when the resource is shown by another name, or wants more of a provider', async () => {
    const room = await house.open('growing', { providers: [{ provider: 'github', scopes: ['repo'] }] })
    const clientId = await preRegister()
    await consentOnce({ clientId, room })
    await house.open('growing', { name: 'Grown', providers: [{ provider: 'github', scopes: ['repo'] }] })
    expect(await isAskedAgain({ clientId, room })).toBe(true)
    await consentOnce({ clientId, room })
    expect(await isAskedAgain({ clientId, room })).toBe(false)
    await house.open('growing', {
      name: 'Grown',
      providers: [{ provider: 'github', scopes: ['repo', 'gist'] }],
    })
    expect(await isAskedAgain({ clientId, room })).toBe(true)
  })

  test('is not one to what a role gave only afterwards, and no token has it before', async () => {
    const providers = [{ provider: 'github', scopes: ['repo'] }]
    const room = await house.open('bound', { access: 'bindings', providers })
    const roles = policyOf(house.gateway, 'bound')
    await roles.bind({ scopes: ['notes.read'] }, { everyone: true }, { role: 'reader' })
    const clientId = await preRegister({ token_endpoint_auth_method: 'none', trusted: true })
    const wish = { clientId, room, more: { scope: 'notes.read notes.write' } }
    await consentOnce(wish)
    expect(await isAskedAgain(wish)).toBe(false)
    await roles.bind({ scopes: ['notes.read', 'notes.write'] }, { everyone: true }, { role: 'writer' })
    expect(await isAskedAgain(wish)).toBe(true)
    await consentOnce(wish)
    expect(await isAskedAgain(wish)).toBe(false)
  })

  test('ends when the client changes its name, its page or its redirect URIs', async () => {
    const ids = declared.map((client) => client.client_id)
    for (const clientId of ids) {
      await consentOnce({ clientId })
      expect(await isAskedAgain({ clientId })).toBe(false)
    }
    const changes = [
      { client_name: 'Another name' },
      { client_uri: 'https://elsewhere.test/' },
      { redirect_uris: [webRedirect, 'https://elsewhere.test/callback'] },
      {},
    ]
    const clients = declared.map((client, index) => ({ ...client, ...changes[index] }))
    await house.gateway.restart({ clients })
    const asked = await Promise.all(ids.map((clientId) => isAskedAgain({ clientId })))
    expect(asked).toEqual([true, true, true, false])
  })

  test('ends with the session that an administrator ends, and that session alone', async () => {
    type List = { items: { id: string }[] }
    const trusted = { token_endpoint_auth_method: 'none', trusted: true }
    const [ended, other] = [
      { clientId: await preRegister(trusted) },
      { clientId: await preRegister(trusted) },
    ]
    for (const { clientId } of [ended, other]) {
      const parameters = { redirect_uri: webRedirect }
      const presses = ['github', 'allow']
      const { stop, verifier } = await visit(house, desk, { browser, presses, parameters, clientId })
      const { code = '' } = callbackOf(stop)
      expect((await redeem({ ...house, clientId }, { code, verifier }, webRedirect)).status).toBe(200)
    }
    expect(await isAskedAgain(ended)).toBe(false)
    const { items } = await house.gateway.admin<List>('GET', `/token-sessions?client_id=${ended.clientId}`)
    for (const { id } of items) await house.gateway.admin('DELETE', `/token-sessions/${id}`)
    expect(await isAskedAgain(ended)).toBe(true)
    expect(await isAskedAgain(other)).toBe(false)
  })

  test('brings back a provider whose connection died, and a no there leaves it out', async () => {
    const clientId = await preRegister()
    const more = { scope: 'notes.read notes.write' }
    await consentOnce({ clientId, more })
    await disconnect('google')
    house.google.control.deny()
    const trips = house.trips().google
    expect(callbackOf(await ask({ clientId, more }, []))).toHaveProperty('code')
    expect(house.trips().google).toBe(trips + 1)
  })
})

describe('prompt and max_age', () => {
  let clientId: string
  beforeEach(async () => {
    clientId = await preRegister({ token_endpoint_auth_method: 'none', trusted: true })
  })

  const errorOf = async (more: Record<string, string>) => callbackOf(await ask({ clientId, more }, [])).error

  test('none is answered login_required where nobody is signed in, without any page or trip', async () => {
    const trips = house.trips()
    expect(await errorOf({ prompt: 'none' })).toBe('login_required')
    expect(house.trips()).toEqual(trips)
  })

  test('none is answered consent_required where the yes is missing, and a code where it is not', async () => {
    await enter(house, desk, { browser })
    expect(await errorOf({ prompt: 'none' })).toBe('consent_required')
    await consentOnce({ clientId })
    const stop = await ask({ clientId, more: { prompt: 'none' } }, [])
    expect(callbackOf(stop)).toMatchObject({ code: expect.any(String), state: 'state-of-the-client' })
  })

  test('none is answered interaction_required where a provider would have to be visited', async () => {
    await consentOnce({ clientId })
    await disconnect('github')
    expect(await errorOf({ prompt: 'none' })).toBe('interaction_required')
  })

  test('none with another value is refused', async () => {
    expect(await errorOf({ prompt: 'none login' })).toBe('invalid_request')
  })

  test('consent shows the page though a yes is remembered', async () => {
    await consentOnce({ clientId })
    expect(await isAskedAgain({ clientId, more: { prompt: 'consent' } })).toBe(true)
  })

  test('login goes to the provider though the person is signed in, and dates the sign-in anew', async () => {
    await consentOnce({ clientId })
    house.clock.advance(100)
    const trips = house.trips().github
    const before = house.clock.now()
    expect(await authTime({ prompt: 'login' })).toBeGreaterThanOrEqual(before)
    expect(house.trips().github).toBe(trips + 1)
  })

  test('max_age accepts a sign-in that is young enough, and asks for a new one otherwise', async () => {
    await consentOnce({ clientId })
    house.clock.advance(300)
    const trips = house.trips().github
    const before = house.clock.now()
    expect(await authTime({ max_age: '600' })).toBeLessThan(before)
    expect(house.trips().github).toBe(trips)
    expect(await authTime({ max_age: '299' })).toBeGreaterThanOrEqual(before)
    expect(house.trips().github).toBe(trips + 1)
  })

  test('none with a max_age that is over is answered login_required', async () => {
    await consentOnce({ clientId })
    house.clock.advance(300)
    expect(await errorOf({ prompt: 'none', max_age: '60' })).toBe('login_required')
    expect(await errorOf({ max_age: 'yesterday' })).toBe('invalid_request')
  })

  /** When the access token of a new authorization says that the person signed in. */
  async function authTime(more: Record<string, string>): Promise<number> {
    const parameters = { redirect_uri: webRedirect, ...more }
    const { stop, verifier } = await visit(house, desk, { browser, parameters, clientId })
    const { code = '' } = callbackOf(stop)
    const answer = await redeem({ ...house, clientId }, { code, verifier }, webRedirect)
    expect(answer.status).toBe(200)
    return Number(claimsOf(((await answer.json()) as Tokens).access_token).auth_time)
  }
})
