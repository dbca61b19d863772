import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  onTestFinished,
  test,
  vi,
} from 'vitest'
import { defaultSwitches as github } from '../../standins/github/state.ts'
import { startGithub } from '../../standins/github.ts'
import { defaultSwitches as google } from '../../standins/google/state.ts'
import { browserStoppingAt, callbackUri, listed, subjectNamed } from '../authorization/steps.ts'
import { enterAging } from '../support/aging.ts'
import { callbackOf } from '../support/browser.ts'
import { requestLink } from '../support/connecting.ts'
import {
  calendar,
  enter,
  fetchToken,
  type House,
  type Person,
  type Room,
  startHouse,
  upstreamClient,
  visit,
} from '../support/house.ts'
import { claimsOf, newBrowser, retrieve } from '../support/world.ts'

// What providers are known to do, against a whole gateway. docs/provider-cases.md says which case is proven where.

let house: House
let ada: Person
let notes: Room
let agenda: Room

const tokenRoute = 'POST /login/oauth/access_token'
const redemptions = () => house.github.calls(tokenRoute).length

beforeAll(async () => {
  house = await startHouse({ env: () => ({ COATCHECK_METRICS_PORT: '0' }) })
  notes = await house.open('notes', { providers: [{ provider: 'github', scopes: ['repo'] }] })
  agenda = await house.open('agenda', { providers: [{ provider: 'google', scopes: [calendar] }] })
})
afterAll(() => house.stop())
beforeEach(() => {
  ada = house.newPerson()
})
afterEach(() => {
  for (const { control } of [house.github, house.google, house.atlassian]) {
    control.clearScripts()
    control.iss('always')
    control.autoApprove()
  }
  house.github.control.set({ ...github, tokensPerHour: 1000, liveTokens: 1000 })
  house.google.control.set(google)
  house.atlassian.control.set({ pickedSites: null })
})

const asGoogle = ['google', 'allow']

async function counted(what: 'sign_ins' | 'upstream_refreshes', outcome: string): Promise<number> {
  const text = await (await fetch(house.gateway.running().metricsUrl ?? '')).text()
  const series = `coatcheck_${what}_total{provider="github",outcome="${outcome}"} `
  const line = text.split('\n').find((each) => each.startsWith(series))
  return Number(line?.slice(series.length) ?? 0)
}

async function saveProvider(id: 'github' | 'google', more: Record<string, unknown>): Promise<void> {
  const variables = {
    github: { web: house.github.web, api: house.github.api },
    google: { issuer: house.google.issuer },
  }
  await house.gateway.admin('PUT', `/providers/${id}`, {
    descriptor: id,
    variables: variables[id],
    client_id: upstreamClient.clientId,
    client_secret: upstreamClient.clientSecret,
    admit: 'anyone',
    ...more,
  })
}

const connectionsOf = async (accessToken: string) =>
  await listed<Record<string, unknown>>(house, `/connections?subject_id=${claimsOf(accessToken).sub}`)

describe('a callback', () => {
  test.each([
    ['names the issuer', 'always'],
    ['names none', 'never'],
  ] as const)('that %s is taken, and its code redeemed with one call', async (_what, mode) => {
    house.github.control.iss(mode)
    const browser = browserStoppingAt(callbackUri(house, 'github'))
    const { stop } = await visit(house, notes, { browser })
    const told = new URL(stop.url).searchParams.get('iss')
    expect(told).toBe(mode === 'always' ? `${house.github.web}/login/oauth` : null)
    const before = redemptions()
    expect(callbackOf(await continued(stop.url, browser))).toHaveProperty('code')
    expect(redemptions()).toBe(before + 1)
  })

  test.each([
    ['the web address in place of the issuer', () => house.github.web],
    ['another provider', () => house.google.issuer],
  ])('that names %s ends on a page that gives no reason, and nothing is redeemed', async (_what, issuer) => {
    house.github.control.iss({ value: issuer() })
    const before = redemptions()
    const { stop } = await visit(house, notes)
    expect(stop.status).toBe(400)
    expect(stop.text).toContain('did not answer as it should')
    expect(stop.html).not.toContain(issuer())
    expect(redemptions()).toBe(before)
  })

  test('without the issuer that metadata promises is taken or refused as the descriptor says', async () => {
    house.google.control.set({ advertiseIss: true })
    house.google.control.iss('never')
    expect((await enter(house, agenda, { presses: asGoogle })).tokens).toHaveProperty('access_token')
    await saveProvider('google', { descriptor: { extends: 'google', callback: { iss: 'required' } } })
    const before = house.google.calls('POST /token').length
    const { stop } = await visit(house, agenda, { presses: asGoogle })
    house.google.control.iss('always')
    const { stop: after } = await visit(house, agenda, { presses: asGoogle })
    await saveProvider('google', {})
    expect(stop.status).toBe(400)
    expect(callbackOf(after)).toHaveProperty('code')
    expect(house.google.calls('POST /token')).toHaveLength(before + 1)
  })

  test('of Google may carry scope, authuser, prompt and hd', async () => {
    house.google.control.addUser({ sub: '7', email: 'hal@acme.test', name: 'Hal', hd: 'acme.test' })
    house.google.control.autoApprove('hal@acme.test')
    const browser = browserStoppingAt(callbackUri(house, 'google'))
    const { stop } = await visit(house, agenda, { browser, presses: asGoogle })
    const names = [...new URL(stop.url).searchParams.keys()]
    expect(names).toEqual(expect.arrayContaining(['scope', 'authuser', 'prompt', 'hd', 'iss']))
    expect(callbackOf(await continued(stop.url, browser))).toHaveProperty('code')
  })

  test('with an error ends the flow without a call to the provider, and nothing of its words is logged', async () => {
    const words = 'told\nno <b>by</b> hand'
    house.github.control.deny()
    house.github.control.nextCallback({ set: { error_description: words }, remove: [], append: [] })
    const before = house.github.log().length
    const { stop } = await visit(house, notes)
    const since = house.github.log().slice(before)
    expect(callbackOf(stop)).toMatchObject({ error: 'access_denied' })
    expect(since.map(({ path }) => path)).toEqual(['/login/oauth/authorize'])
    expect(house.gateway.logs()).not.toMatch(/told.{0,4}no/)
  })

  test('that says the app is suspended is the administrator’s matter: told, logged and counted as such', async () => {
    const client = { ...upstreamClient, redirectUris: [callbackUri(house, 'github')], expiringTokens: true }
    house.github.control.addClient({ ...client, suspended: true })
    const before = await counted('sign_ins', 'config')
    const { stop } = await visit(house, notes)
    house.github.control.addClient(client)
    expect(callbackOf(stop)).toMatchObject({ error: 'server_error' })
    expect(house.gateway.logs()).toContain('application_suspended')
    expect(await counted('sign_ins', 'config')).toBe(before + 1)
  })

  /** The same browser goes on from the callback it stopped at. */
  async function continued(url: string, stopped: ReturnType<typeof browserStoppingAt>) {
    const browser = newBrowser()
    for (const cookie of stopped.cookies.list()) browser.cookies.plant(cookie)
    return await browser.get(url)
  }
})

describe('at the token endpoint', () => {
  test('answers that are form-encoded, whatever was asked for, sign in and refresh', async () => {
    house.github.control.set({ accept: 'ignored' })
    const session = await enterAging(house, notes, 'github')
    const first = await session.fetch()
    await session.age(28_801)
    const second = await session.fetch()
    expect(second.status).toBe(200)
    expect(second.body.access_token).not.toBe(first.body.access_token)
    const answers = house.github.calls(tokenRoute).slice(-2)
    expect(answers.map(({ status }) => status)).toEqual([200, 200])
  })

  test('a code that is refused leaves nothing behind, and the next attempt works', async () => {
    const body = { error: 'bad_verification_code' }
    house.github.control.script({ on: tokenRoute, effect: { kind: 'respond', status: 200, body } })
    const { stop } = await visit(house, notes)
    expect(callbackOf(stop)).toMatchObject({ error: 'access_denied' })
    expect(callbackOf(stop).error_description).toContain('try again')
    expect(await subjectNamed(house, ada.github)).toBeUndefined()
    expect((await enter(house, notes)).tokens).toHaveProperty('access_token')
  })

  test('our own credentials that are refused are counted, logged, and blamed on nobody else', async () => {
    const session = await enterAging(house, notes, 'github')
    await session.age(28_801)
    const before = [await counted('sign_ins', 'config'), await counted('upstream_refreshes', 'config')]
    const body = { error: 'incorrect_client_credentials' }
    house.github.control.script({ on: tokenRoute, times: 2, effect: { kind: 'respond', status: 200, body } })
    const { stop } = await visit(house, notes)
    expect(callbackOf(stop)).toMatchObject({ error: 'server_error' })
    const refused = await session.fetch()
    expect(refused.body).toMatchObject({ error_code: 'provider_misconfigured', who_must_act: 'admin' })
    expect(refused.body).not.toHaveProperty('connect_url')
    const after = [await counted('sign_ins', 'config'), await counted('upstream_refreshes', 'config')]
    expect(after).toEqual(before.map((count) => count + 1))
    expect(house.gateway.logs()).toContain('incorrect_client_credentials')
    house.clock.advance(31)
    expect((await session.fetch()).status).toBe(200)
  })

  test('a life told in quotes is refreshed five minutes before its end, and not much earlier', async () => {
    house.github.control.set({ numbersAsStrings: true })
    const session = await enterAging(house, notes, 'github')
    const before = redemptions()
    await session.age(28_800 - 375)
    expect((await session.fetch()).status).toBe(200)
    expect(redemptions()).toBe(before)
    await session.age(80)
    expect((await session.fetch()).body.expires_in).toBe(28_800)
    expect(redemptions()).toBe(before + 1)
  })

  test('an older server that ignores offline_access connects, and nobody is told of an end', async () => {
    const client = { ...upstreamClient, redirectUris: [callbackUri(house, 'github')] }
    house.github.control.addClient({ ...client, expiringTokens: false })
    house.github.control.set({ ghesOld: true })
    const { tokens, tsid } = await enter(house, notes)
    house.github.control.addClient({ ...client, expiringTokens: true })
    const { status, body } = await fetchToken(house, notes, tsid, 'github')
    expect(status).toBe(200)
    expect(body).not.toHaveProperty('expires_in')
    const [connection] = await connectionsOf(tokens.access_token)
    expect(connection).toMatchObject({ status: 'live', can_refresh: false })
    expect(connection).not.toHaveProperty('ends_at')
    expect(connection).not.toHaveProperty('idle_ends_at')
  })

  test('scopes that come back as the widest of them are all there', async () => {
    const scopes = ['repo', 'gist', 'user:email', 'user']
    const wide = await house.open('wide', { providers: [{ provider: 'github', scopes }] })
    const { tokens, tsid } = await enter(house, wide)
    expect(await connectionsOf(tokens.access_token)).toMatchObject([{ scopes: ['gist', 'repo', 'user'] }])
    for (const scope of [...scopes, 'read:user', scopes.join(' ')]) {
      expect((await fetchToken(house, wide, tsid, 'github', { scope })).status, scope).toBe(200)
    }
  })

  test('lives that are short, told by a clock that is ahead of ours, are counted from the answer', async () => {
    house.github.control.clockOffset(600)
    house.github.control.set({ accessLifetime: 20 })
    const session = await enterAging(house, notes, 'github')
    const before = redemptions()
    for (let second = 0; second < 9; second++) {
      expect((await session.fetch({ min_ttl: '3600' })).status).toBe(200)
      house.clock.advance(1)
    }
    expect(redemptions()).toBe(before)
    house.clock.advance(10)
    expect((await session.fetch()).status).toBe(200)
    expect(redemptions()).toBe(before + 1)
    house.github.control.clockOffset(0)
  })

  test('twelve MCP clients of one person need one token', async () => {
    const { browser } = await enter(house, notes)
    const before = redemptions()
    for (let count = 0; count < 11; count++) await enter(house, notes, { browser })
    expect(redemptions()).toBe(before)
  })
})

test('a GitHub App, whose tokens name no scopes, connects and serves', async () => {
  const app = { clientId: 'Iv1.app', clientSecret: 'the-secret-of-the-app' }
  house.github.control.addClient({ ...app, kind: 'github-app', redirectUris: [callbackUri(house, 'app')] })
  await house.gateway.admin('PUT', '/providers/app', {
    descriptor: 'github-app',
    variables: { web: house.github.web, api: house.github.api },
    client_id: app.clientId,
    client_secret: app.clientSecret,
    admit: 'anyone',
  })
  const room = await house.open('apps', { providers: [{ provider: 'app', scopes: [] }] })
  const session = await enter(house, room, { presses: ['app', 'allow'] })
  const call = { gateway: house.gateway, credential: room.credential, provider: 'app' }
  const { status, body } = await retrieve(call, session.tsid)
  expect(status).toBe(200)
  expect(String(body.access_token)).toMatch(/^ghu_/)
})

describe('Atlassian', () => {
  test('ends a grant with status 403, and the person is asked to connect again', async () => {
    const jira = await house.open('jira', {
      providers: [{ provider: 'atlassian', scopes: ['read:jira-work'] }],
    })
    const session = await enterAging(house, jira, 'atlassian')
    house.atlassian.control.passwordChanged(ada.atlassian)
    await session.age(3601)
    const { status, body } = await session.fetch()
    expect(status).toBe(424)
    expect(body).toMatchObject({ error_code: 'needs_reauthorization', reason: 'invalid_grant' })
    expect(body).toHaveProperty('connect_url')
    expect(house.atlassian.calls('POST /oauth/token').at(-1)?.status).toBe(403)
  })
})

describe('the sites of an Atlassian account', () => {
  const list = 'GET /oauth/token/accessible-resources'
  let jira: Room
  beforeAll(async () => {
    jira = await house.open('sites', { providers: [{ provider: 'atlassian', scopes: ['read:jira-work'] }] })
  })
  const withSites = (sites: string[]) => {
    for (const id of sites) house.atlassian.control.addSite({ id, name: id })
    const accountId = `5b10:${ada.name}`
    house.atlassian.control.addUser({ accountId, email: ada.atlassian, name: ada.name, sites })
    house.atlassian.control.set({ pickedSites: sites })
  }
  const presses = ['atlassian', 'allow']

  test('are none: it is not connected, the client is told why, and what was brought is revoked', async () => {
    withSites([])
    const { stop } = await visit(house, jira, { presses })
    expect(callbackOf(stop)).toMatchObject({
      error: 'access_denied',
      error_description: 'This account opens no site at the provider',
    })
    const [person] = await listed<{ id: string }>(house, `/subjects?label=${ada.atlassian}`)
    expect(await listed(house, `/connections?subject_id=${person?.id}`)).toEqual([])
    const brought = house.atlassian.control.issued().findLast(({ kind }) => kind === 'access_token')
    const headers = { authorization: `Bearer ${brought?.value}` }
    // The person may be about to come back with the same grant.
    house.clock.advance(601)
    await house.gateway.running().gateway.revocations.carryOutDue()
    expect((await fetch(`${house.atlassian.api}/me`, { headers })).status).toBe(401)
  })

  test('are none, which a connect link says on its page', async () => {
    const room = await house.open('later', {
      providers: [{ provider: 'atlassian', scopes: ['read:jira-work'], required: false }],
      sign_in: ['github'],
    })
    const leaveOut = { button: 'allow', fields: { provider: [] } }
    const { tsid, browser } = await enter(house, room, { presses: [leaveOut] })
    withSites([])
    const link = await requestLink(house, room, tsid, {}, 'atlassian')
    const stop = await browser.walk(link.connect_url, ['continue'])
    expect(stop.status).toBe(400)
    expect(stop.text).toContain('This Atlassian account opens no site')
  })

  test('are several: the token opens those that the person picked, and lists them', async () => {
    withSites(['acme', 'umbrella', 'initech'])
    const { tsid } = await enter(house, jira, { presses: [...presses, 'umbrella'] })
    const { body } = await fetchToken(house, jira, tsid, 'atlassian')
    const headers = { authorization: `Bearer ${body.access_token}` }
    const answer = await fetch(`${house.atlassian.api}/oauth/token/accessible-resources`, { headers })
    const opened = (await answer.json()) as { id: string }[]
    expect(opened.map(({ id }) => id)).toEqual(['acme', 'umbrella', 'initech'])
  })

  test('cannot be listed right now, which costs nobody their connection', async () => {
    house.atlassian.control.script({ on: list, effect: { kind: 'respond', status: 503 } })
    const { tsid } = await enter(house, jira, { presses })
    expect((await fetchToken(house, jira, tsid, 'atlassian')).status).toBe(200)
  })

  test('are not asked about where nothing but who somebody is was wanted', async () => {
    withSites([])
    const lobby = await house.open('lobby', { providers: [], sign_in: ['atlassian'] })
    const before = house.atlassian.calls(list).length
    expect((await enter(house, lobby, { presses })).tokens).toHaveProperty('access_token')
    expect(house.atlassian.calls(list)).toHaveLength(before)
  })
})

describe('who Google says it is', () => {
  const googleAccount = (more: Record<string, unknown>) => {
    const email = `${ada.name}@acme.test`
    house.google.control.addUser({ sub: `acme-${ada.name}`, email, name: ada.name, ...more })
    house.google.control.autoApprove(email)
    return email
  }

  test.each([
    [{ exp: -20 }, 'code'],
    [{ nbf: 20 }, 'code'],
    [{ exp: -300 }, 'error'],
    [{ nbf: 300 }, 'error'],
    [{ iat: 3600 }, 'error'],
  ])('with the times %j in the ID token ends with %s', async (idTokenTimes, end) => {
    house.google.control.set({ idTokenTimes })
    const { stop } = await visit(house, agenda, { presses: asGoogle })
    expect(callbackOf(stop)).toHaveProperty(end)
  })

  test('counts by the claim of the organization, never by the address', async () => {
    await saveProvider('google', { admit: { hosted_domains: ['acme.test'] } })
    const ends = []
    for (const more of [{}, { hd: 'other.test' }, { hd: 'acme.test' }]) {
      googleAccount(more)
      ends.push(callbackOf((await visit(house, agenda, { presses: asGoogle })).stop))
    }
    await saveProvider('google', {})
    expect(ends).toMatchObject([{ error: 'access_denied' }, { error: 'access_denied' }, {}])
    expect(ends[2]).toHaveProperty('code')
  })

  test('has a verified address only where that is said as true, and not in quotes', async () => {
    await saveProvider('google', { admit: { email_domains: ['acme.test'] } })
    const ends = []
    for (const emailVerified of ['false', 'true', false, true]) {
      googleAccount({ emailVerified })
      ends.push('code' in callbackOf((await visit(house, agenda, { presses: asGoogle })).stop))
    }
    await saveProvider('google', {})
    expect(ends).toEqual([false, false, false, true])
  })

  test('is verified by keys that are read again once they have rotated, and sessions go on meanwhile', async () => {
    const keysRoute = 'GET /oauth2/v3/certs'
    // The library that keeps the keys reads the time of the system.
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => {
      vi.useRealTimers()
      house.clock.advance(3600)
    })
    const session = await enterAging(house, agenda, 'google')
    await house.google.control.rotateKeys('hard')
    const down = { kind: 'respond', status: 503, body: '' } as const
    house.google.control.script({ on: keysRoute, times: 'always', effect: down })
    vi.setSystemTime(Date.now() + 3_600_000)
    await session.age(0)
    const read = house.google.calls(keysRoute).length
    house.newPerson()
    const { stop } = await visit(house, agenda, { presses: asGoogle })
    expect(callbackOf(stop)).toMatchObject({ error: 'temporarily_unavailable' })
    expect((await session.fetch()).status).toBe(200)
    house.google.control.clearScripts()
    expect((await enter(house, agenda, { presses: asGoogle })).tokens).toHaveProperty('access_token')
    expect((await enter(house, agenda, { presses: asGoogle })).tokens).toHaveProperty('access_token')
    expect(house.google.calls(keysRoute)).toHaveLength(read + 2)
  })
})

test('the same id at another address of a provider is another person, and nobody is renamed', async () => {
  const subject = async () => claimsOf((await enter(house, notes)).tokens.access_token).sub
  const before = await subject()
  const id = 1000 + Number(ada.name.replace('person', ''))
  const elsewhere = await startGithub({
    clock: house.clock.now,
    clients: [{ ...upstreamClient, redirectUris: [callbackUri(house, 'github')], expiringTokens: true }],
    users: [{ id, login: ada.github }],
  })
  onTestFinished(elsewhere.stop)
  elsewhere.control.autoApprove(ada.github)
  await saveProvider('github', { variables: { web: elsewhere.web, api: elsewhere.api } })
  const there = await subject()
  await saveProvider('github', {})
  expect(there).not.toBe(before)
  expect(await subject()).toBe(before)
})

test('GitHub’s verified second address is not taken for the primary one, and signing in by id works', async () => {
  const id = 1000 + Number(ada.name.replace('person', ''))
  const emails = [
    { email: 'victim@acme.test', primary: true, verified: false },
    { email: 'mine@octo.test', verified: true },
  ]
  house.github.control.addUser({ id, login: ada.github, emails })
  const { tokens } = await enter(house, notes)
  const people = await listed<Record<string, unknown>>(house, `/subjects?label=${ada.github}`)
  expect(people.map((each) => each.id)).toEqual([claimsOf(tokens.access_token).sub])
  expect(JSON.stringify(people)).not.toMatch(/victim@acme\.test|mine@octo\.test/)
})
