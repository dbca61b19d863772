import { upstreamOf } from '@coatcheck/mcp'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { listed, subjectNamed } from '../authorization/steps.ts'
import { callbackOf } from '../support/browser.ts'
import { requestLink } from '../support/connecting.ts'
import { askExchange } from '../support/faces.ts'
import {
  enter,
  fetchToken,
  type House,
  type Person,
  type Room,
  type Stay,
  startHouse,
  visit,
} from '../support/house.ts'
import { basic, newBrowser } from '../support/world.ts'

// Where a provider's accounts open sites, a person says once which of them an MCP server is to work with.

let house: House
let ada: Person
let desk: Room
let wiki: Room

const list = 'GET /oauth/token/accessible-resources'
const asAda = ['atlassian', 'allow']
const site = (id: string) => ({ id, name: id, url: `https://${id}.atlassian.net` })

beforeAll(async () => {
  house = await startHouse()
  const providers = [{ provider: 'atlassian', scopes: ['read:jira-work'] }]
  desk = await house.open('desk', { providers, offline_retrieval: 86_400 })
  wiki = await house.open('wiki', { providers, offline_retrieval: 86_400 })
})
afterAll(() => house.stop())
beforeEach(() => {
  ada = house.newPerson()
})
afterEach(() => {
  house.atlassian.control.clearScripts()
  house.atlassian.control.set({ pickedSites: null })
})

function opens(...sites: string[]) {
  const { control } = house.atlassian
  for (const id of sites) control.addSite({ id, name: id })
  control.addUser({ accountId: `5b10:${ada.name}`, email: ada.atlassian, name: ada.name, sites })
  control.set({ pickedSites: sites })
}

const token = async (room: Room, { tsid }: Pick<Stay, 'tsid'>) => {
  const { status, body } = await fetchToken(house, room, tsid, 'atlassian')
  return { status, body: body as Record<string, unknown> }
}

async function session({ credential }: Room, { tsid }: Pick<Stay, 'tsid'>) {
  const headers = { authorization: basic(credential) }
  const response = await fetch(`${house.gateway.issuer}/v1/token-sessions/${tsid}`, { headers })
  return ((await response.json()) as { connections: Record<string, unknown>[] }).connections
}

const looks = () => house.atlassian.calls(list).length

describe('an account that opens several sites', () => {
  beforeEach(() => opens('acme', 'umbrella', 'initech'))

  test('is asked about on a page, and the session is for the one that was picked, on both faces', async () => {
    const { stop } = await visit(house, desk, { presses: asAda })
    expect(stop).toMatchObject({ left: false, status: 200 })
    expect(stop.text).toContain(`Your account ${ada.atlassian} opens several`)
    const stay = await enter(house, desk, { presses: [...asAda, 'umbrella'] })
    expect((await token(desk, stay)).body).toMatchObject({ site: site('umbrella') })
    const asked = { credential: desk.credential, tsid: stay.tsid, provider: 'atlassian' }
    const exchanged = await askExchange(house.gateway, { ...asked, userToken: stay.tokens.access_token })
    expect(exchanged.body).toMatchObject({ site: site('umbrella') })
    const { issuer } = house.gateway
    const owner = {
      token: stay.tokens.access_token,
      expiresAt: house.clock.now() + 60,
      extra: { tsid: stay.tsid },
    }
    const { upstreamToken } = upstreamOf({ issuer, credential: desk.credential, clock: house.clock.now })
    expect((await upstreamToken(owner, 'atlassian')).site).toEqual(site('umbrella'))
    expect(await session(desk, stay)).toMatchObject([{ state: 'live', site: site('umbrella') }])
  })

  test('is for another site at another MCP server, though they share one connection', async () => {
    const browser = newBrowser()
    const at = { desk: await enter(house, desk, { browser, presses: [...asAda, 'acme'] }) }
    const there = await enter(house, wiki, { browser, presses: ['allow', 'initech'] })
    expect((await token(wiki, there)).body).toMatchObject({ site: site('initech') })
    expect((await token(desk, at.desk)).body).toMatchObject({ site: site('acme') })
    const subject = await subjectNamed(house, ada.atlassian)
    const [connection, ...more] = await listed<{ sites: unknown }>(
      house,
      `/connections?subject_id=${subject}`,
    )
    expect(more).toEqual([])
    expect(connection?.sites).toEqual(['acme', 'umbrella', 'initech'].map(site))
    const sessions = await listed<{ sites: unknown }>(house, `/token-sessions?subject_id=${subject}`)
    expect(sessions.map(({ sites }) => sites)).toEqual([{ atlassian: 'initech' }, { atlassian: 'acme' }])
    const page = await browser.get(`${house.gateway.issuer}/account`)
    expect(page.text).toMatch(/desk \W?\(site acme \)/)
    expect(page.text).toMatch(/wiki \W?\(site initech \)/)
  })

  test('gives nothing to a session before the pick, nor where the person leaves', async () => {
    const { stop, browser } = await visit(house, desk, { presses: asAda })
    const subject = await subjectNamed(house, ada.atlassian)
    expect(await listed(house, `/token-sessions?subject_id=${subject}`)).toEqual([])
    expect(callbackOf(await browser.walk(stop, ['deny']))).toMatchObject({ error: 'access_denied' })
    expect(await listed(house, `/token-sessions?subject_id=${subject}`)).toEqual([])
  })

  test('takes no pick from another browser, of a site that is not listed, or a second time', async () => {
    const { stop, browser } = await visit(house, desk, { presses: asAda })
    const form = (fields: Record<string, string>) => ({ provider: 'atlassian', ...fields })
    expect((await newBrowser().post(stop.url, form({ site: 'acme' }), { from: stop.url })).text).toContain(
      'another browser',
    )
    expect((await browser.post(stop.url, form({ site: 'elsewhere' }), { from: stop.url })).status).toBe(400)
    const elsewhere = { provider: 'github', site: 'acme' }
    expect((await browser.post(stop.url, elsewhere, { from: stop.url })).text).toBe(stop.text)
    expect(callbackOf(await browser.walk(stop, ['acme']))).toHaveProperty('code')
    expect((await browser.post(stop.url, form({ site: 'umbrella' }), { from: stop.url })).status).toBe(400)
  })

  test('is not asked about again when a link mends the session, and is, with the old one first, in a new one', async () => {
    const browser = newBrowser()
    const stay = await enter(house, desk, { browser, presses: [...asAda, 'umbrella'] })
    const link = await requestLink(house, desk, stay.tsid, {}, 'atlassian')
    expect((await browser.walk(link.connect_url, ['continue', 'atlassian'])).text).toContain(
      'can now work with',
    )
    expect((await token(desk, stay)).body).toMatchObject({ site: site('umbrella') })
    const { stop } = await visit(house, desk, { browser, presses: ['allow'] })
    expect(stop.text).toMatch(/umbrella umbrella\.atlassian\.net You picked this one before acme/)
    expect(callbackOf(await browser.walk(stop, ['initech']))).toHaveProperty('code')
    expect((await token(desk, stay)).body).toMatchObject({ site: site('umbrella') })
  })
})

test('a pick is kept though the list is out of reach when the session is given more rights', async () => {
  opens('acme', 'umbrella')
  const scopes = ['read:jira-work', 'write:jira-work']
  const room = await house.open('wide', {
    providers: [{ provider: 'atlassian', scopes: scopes.slice(0, 1) }],
    offline_retrieval: 86_400,
  })
  const stay = await enter(house, room, { presses: [...asAda, 'umbrella'] })
  const { credential } = room
  await house.open('wide', { providers: [{ provider: 'atlassian', scopes }], offline_retrieval: 86_400 })
  house.atlassian.control.script({ on: list, times: 'always', effect: { kind: 'respond', status: 503 } })
  const link = await requestLink(house, { ...room, credential }, stay.tsid, {}, 'atlassian')
  const stop = await stay.browser.walk(link.connect_url, ['continue', 'atlassian'])
  expect(stop.text).toContain('can now work with')
  expect((await token(room, stay)).body).not.toHaveProperty('site')
  house.atlassian.control.clearScripts()
  house.clock.advance(31)
  const { body } = await token(room, stay)
  expect(body).toMatchObject({ site: site('umbrella') })
  expect(String(body.scope).split(' ')).toEqual(expect.arrayContaining(scopes))
})

test('a pick is kept when the person reconnects on their account page, which an account without sites cannot', async () => {
  opens('acme', 'umbrella')
  const stay = await enter(house, desk, { presses: [...asAda, 'umbrella'] })
  house.atlassian.control.passwordChanged(ada.atlassian)
  house.clock.advance(3600)
  expect((await token(desk, stay)).body).toMatchObject({ reason: 'invalid_grant' })
  const account = `${house.gateway.issuer}/account`
  opens()
  for (const id of ['acme', 'umbrella']) house.atlassian.control.removeSite(id)
  const none = await stay.browser.walk(account, ['reconnect'])
  expect(none.text).toContain('This Atlassian account opens no site')
  opens('acme', 'umbrella')
  const stop = await stay.browser.walk(account, ['reconnect'])
  expect(stop.text).toContain('The account is connected again')
  expect((await token(desk, stay)).body).toMatchObject({ site: site('umbrella') })
})

describe('an account that opens one site', () => {
  beforeEach(() => opens('acme'))

  test('is pinned to it without a question', async () => {
    const stay = await enter(house, desk, { presses: asAda })
    opens('acme', 'umbrella')
    expect((await token(desk, stay)).body).toMatchObject({ site: site('acme') })
  })

  test('whose list is out of reach is pinned once it is there, and served meanwhile', async () => {
    house.atlassian.control.script({ on: list, times: 'always', effect: { kind: 'respond', status: 503 } })
    const stay = await enter(house, desk, { presses: asAda })
    const first = await token(desk, stay)
    expect(first.status).toBe(200)
    expect(first.body).not.toHaveProperty('site')
    const before = looks()
    await token(desk, stay)
    expect(looks()).toBe(before)
    house.atlassian.control.clearScripts()
    house.clock.advance(31)
    expect((await token(desk, stay)).body).toMatchObject({ site: site('acme') })
    const browser = newBrowser()
    opens('acme', 'umbrella')
    await visit(house, wiki, { browser, presses: [...asAda, 'umbrella'] })
    house.clock.advance(3700)
    expect((await token(desk, stay)).body).toMatchObject({ site: site('acme') })
  })
})

describe('a site that is no longer on the list', () => {
  let stay: Stay
  let other: Stay
  beforeEach(async () => {
    opens('acme', 'umbrella', 'initech')
    const browser = newBrowser()
    stay = await enter(house, desk, { browser, presses: [...asAda, 'acme'] })
    other = await enter(house, wiki, { browser, presses: ['allow', 'umbrella'] })
  })

  test('ends with an error that says so, within the hour, and harms no other session', async () => {
    house.atlassian.control.removeSite('acme')
    house.clock.advance(3600)
    const since = house.clock.now()
    const { status, body } = await token(desk, stay)
    expect(status).toBe(424)
    expect(body).toMatchObject({ error_code: 'needs_reauthorization', reason: 'site_gone', since })
    expect(body).not.toHaveProperty('access_token')
    expect((await token(wiki, other)).body).toMatchObject({ site: site('umbrella') })
    expect(await session(desk, stay)).toMatchObject([
      { state: 'needs_reauthorization', reason: 'site_gone', since },
    ])
    expect(await session(wiki, other)).toMatchObject([{ state: 'live', site: site('umbrella') }])
    const page = await other.browser.get(`${house.gateway.issuer}/account`)
    expect(page.text).toContain('desk (its site is no longer open)')
    expect(page.text).toMatch(/wiki \W?\(site umbrella \)/)
  })

  test('is looked for once by however many ask at once, and not again within the hour', async () => {
    house.clock.advance(3500)
    await token(desk, stay)
    const before = looks()
    await Promise.all(Array.from({ length: 8 }, () => token(desk, stay)))
    expect(looks()).toBe(before)
    house.clock.advance(3600)
    const answers = await Promise.all(Array.from({ length: 8 }, () => token(desk, stay)))
    expect(answers.map(({ body }) => body.site)).toEqual(answers.map(() => site('acme')))
    expect(looks()).toBe(before + 1)
  })

  test('is replaced by the one the person picks over the link', async () => {
    house.atlassian.control.removeSite('acme')
    house.atlassian.control.set({ pickedSites: ['umbrella', 'initech'] })
    house.clock.advance(3600)
    const { body } = await token(desk, stay)
    const page = await stay.browser.get(String(body.connect_url))
    expect(page.text).toContain('Pick another Atlassian site?')
    const stop = await stay.browser.walk(String(body.connect_url), ['continue', 'atlassian', 'initech'])
    expect(stop.status).toBe(200)
    expect((await token(desk, stay)).body).toMatchObject({ site: site('initech') })
    expect((await token(wiki, other)).body).toMatchObject({ site: site('umbrella') })
  })

  test('is there again once the provider lists it again', async () => {
    house.atlassian.control.removeSite('acme')
    house.clock.advance(3600)
    expect((await token(desk, stay)).status).toBe(424)
    house.atlassian.control.set({ pickedSites: ['acme'] })
    house.newPerson()
    house.seat(ada)
    await visit(house, wiki, { presses: asAda })
    house.clock.advance(31)
    expect((await token(desk, stay)).body).toMatchObject({ site: site('acme') })
  })

  test('is not taken for gone while the list is out of reach, or not understood', async () => {
    house.clock.advance(3600)
    for (const effect of [
      { kind: 'respond' as const, status: 503 },
      { kind: 'respond' as const, status: 200, body: [{ name: 'acme' }] },
      { kind: 'respond' as const, status: 200, body: { sites: [] } },
    ]) {
      house.atlassian.control.clearScripts()
      house.atlassian.control.script({ on: list, times: 'always', effect })
      house.clock.advance(31)
      const before = looks()
      expect((await token(desk, stay)).body).toMatchObject({ site: site('acme') })
      expect(looks()).toBe(before + 1)
    }
  })
})
