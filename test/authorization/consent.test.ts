import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Browser, callbackOf, type Stop } from '../support/browser.ts'
import { calendar, enter, type House, type Person, type Room, startHouse, visit } from '../support/house.ts'
import { claimsOf, newBrowser, registerClient } from '../support/world.ts'
import {
  approveAs,
  askAtProviders,
  callAs,
  heldBy,
  isAtProvider,
  listed,
  openRoom,
  preRegister,
  type RoomId,
  subjectNamed,
  tokensFor,
  urlFor,
} from './steps.ts'

let house: House
const room = {} as Record<RoomId, Room>
let ada: Person
let browser: Browser

beforeAll(async () => {
  house = await startHouse()
  for (const id of ['notes', 'gists', 'desk', 'loose'] as const) room[id] = await openRoom(house, id)
})
afterAll(() => house.stop())
beforeEach(() => {
  ada = house.newPerson()
  browser = newBrowser()
})

const isConsent = (stop: Stop) => stop.status === 200 && stop.text.includes('for you')
const upstreamCalls = () => house.github.log().length + house.google.log().length

describe('before the yes', () => {
  test('nothing is known of any provider: no trip, no state, no address', async () => {
    const before = upstreamCalls()
    const page = await browser.get(urlFor(house, room.desk))
    expect(isConsent(page)).toBe(true)
    expect(upstreamCalls()).toBe(before)
    for (const origin of [house.github.web, house.google.issuer]) expect(page.html).not.toContain(origin)
    expect(page.html).not.toContain('cc_state_')
    expect(browser.cookies.list().map(({ name }) => name.replace(/-[^-]*$/, ''))).toEqual([
      expect.stringMatching(/^coatcheck/),
    ])
    await browser.get(page.url)
    await browser.get(`${page.url}?decision=allow`)
    expect(upstreamCalls()).toBe(before)
  })

  test('no form without the button leads on', async () => {
    const before = upstreamCalls()
    const page = await browser.get(urlFor(house, room.notes))
    const shown = page.forms[0]?.fields.find(({ name }) => name === 'shown')?.value ?? ''
    const forms: Record<string, string | string[]>[] = [
      {},
      { shown },
      { decision: 'allow' },
      { decision: 'allow', shown: '' },
      { decision: 'allow', shown: shown.toLowerCase() },
      { decision: 'ALLOW', shown },
      { decision: ['allow', 'allow'], shown },
      { decision: 'allow', shown: [shown, shown] },
      { provider: 'google' },
      { provider: 'no-such' },
    ]
    for (const form of forms) {
      const answer = await browser.post(page.url, form, { from: page.url })
      expect(answer.left, JSON.stringify(form)).toBe(false)
      expect(isAtProvider(answer), JSON.stringify(form)).toBe(false)
    }
    expect(upstreamCalls()).toBe(before)
  })

  test('no is told to the client with its state and our name, and nothing is stored', async () => {
    const before = upstreamCalls()
    const page = await browser.get(urlFor(house, room.notes))
    const stop = await browser.submit(page, { button: 'deny' })
    expect(stop.status).toBe(303)
    expect(callbackOf(stop)).toMatchObject({
      error: 'access_denied',
      state: 'state-of-the-client',
      iss: house.gateway.issuer,
    })
    expect(upstreamCalls()).toBe(before)
    expect(await subjectNamed(house, ada.github)).toBeUndefined()
    // What was denied is over.
    expect((await browser.submit(page, { button: 'allow' })).status).toBe(400)
  })
})

describe('the page says', () => {
  test('who asks and how sure that is, where the answer goes, for what, and what it means at the provider', async () => {
    const clientId = await registerClient(house.gateway, {
      client_name: 'Honest Client',
      client_uri: 'https://says-it-is.test/about',
      redirect_uris: ['https://goes-to.test:8443/cb'],
    })
    const page = await browser.get(
      urlFor({ ...house, clientId }, room.loose, { redirect_uri: 'https://goes-to.test:8443/cb' }),
    )
    for (const said of [
      '“ Honest Client ” asks to use loose for you',
      'Not verified: it chose this name itself',
      'Says it is from says-it-is.test',
      'Sends you back to goes-to.test:8443',
      'You will be sent to GitHub to sign in',
      'https://loose.test/mcp',
      'Read what is there',
      'Read and change everything in your repositories, private ones included',
      'Read your calendars',
      'Include Google',
    ]) {
      expect(page.text).toContain(said)
    }
    expect(page.text).not.toContain('Change what is there')
  })

  test('that a program on this computer gets the answer, with its port', async () => {
    const page = await browser.get(urlFor(house, room.notes))
    expect(page.text).toContain('A program on this computer 127.0.0.1:7777')
    expect(page.text).toContain('Did you start this yourself, just now?')
  })

  test('nothing a stranger wrote as anything but text', async () => {
    const hostile = `"><img src=x onerror=alert(1)></title><script>alert(2)</script>{{7*7}}`
    const clientId = await registerClient(house.gateway, { client_name: hostile })
    house.github.control.addUser({ id: 666, login: 'mallory"><script>alert(3)</script>', emails: [] })
    house.github.control.autoApprove('666')
    const client = { ...house, clientId }
    await visit(house, room.notes, { browser, clientId })
    const page = await browser.get(urlFor(client, room.notes))
    expect(page.text).toContain('Signed in as mallory"><script>alert(3)</script>')
    expect(page.html).not.toMatch(/<img|<script|onerror=alert\(1\)>/)
    expect(page.html).not.toContain('</title><')
  })
})

describe('a yes is to what was on the page and to nothing else', () => {
  test('the form of one rendering does not answer for another client, address, scope or server', async () => {
    const page = await browser.get(urlFor(house, room.notes))
    const other = await registerClient(house.gateway)
    const elsewhere = 'http://127.0.0.1:7778/callback'
    const others = [
      urlFor({ ...house, clientId: other }, room.notes),
      urlFor(house, room.notes, { redirect_uri: elsewhere }),
      urlFor(house, room.notes, { scope: 'read write' }),
      urlFor(house, room.gists),
    ]
    const shown = page.forms[0]?.fields.find(({ name }) => name === 'shown')?.value ?? ''
    for (const url of others) {
      const asked = await browser.get(url)
      const answer = await browser.post(asked.url, { decision: 'allow', shown }, { from: asked.url })
      expect(isConsent(answer), url).toBe(true)
      expect(answer.forms[0]?.fields.find(({ name }) => name === 'shown')?.value).not.toBe(shown)
    }
  })

  test('a page shown to nobody in particular does not answer for who signed in meanwhile', async () => {
    const page = await browser.get(urlFor(house, room.notes))
    await enter(house, room.notes, { browser })
    const answer = await browser.submit(page, { button: 'allow' })
    expect(isConsent(answer)).toBe(true)
    expect(answer.text).toContain(`Signed in as ${ada.github}`)
  })

  test('the page named one account, so that another one is not used instead', async () => {
    const { tsid } = await enter(house, room.notes, { browser })
    const visited = await visit(house, room.notes, { browser, presses: [] })
    expect(visited.stop.text).toContain(`You are connected there as ${ada.github}`)
    // A second account comes beside the first, and would be the fresher one.
    const second = house.newPerson()
    const link = await callAs(house, room.notes, `${tsid}/connect/github`, { account: 'new' })
    house.clock.advance(5)
    const done = await browser.walk(String(link.body.connect_url), ['continue'])
    expect(done.text).toContain(second.github)

    const answer = await browser.submit(visited.stop, { button: 'allow' })
    expect(isConsent(answer)).toBe(true)
    expect(answer.text).toContain(`You are connected there as ${second.github}`)
    const tokens = await tokensFor(house, {
      ...visited,
      stop: await browser.submit(answer, { button: 'allow' }),
    })
    const held = await heldBy(house, room.notes, String(claimsOf(tokens.access_token).tsid))
    expect(held.map(({ account }) => account.label)).toEqual([second.github])
  })

  test('the first and the second press of the button give one answer', async () => {
    const page = await browser.get(urlFor(house, room.notes))
    const both = await Promise.all([0, 1].map(() => browser.submit(page, { button: 'allow' })))
    expect(both.filter(({ left }) => left)).toHaveLength(1)
  })
})

describe('an administrator changes the server while the person is at the provider', () => {
  /** Says yes, stops at GitHub, lets the definition change, and comes back. */
  async function comeBack(id: RoomId, change: Record<string, unknown>): Promise<Stop> {
    askAtProviders(house)
    const page = await browser.get(urlFor(house, room[id]))
    const upstream = await browser.submit(page, { button: 'allow' })
    expect(isAtProvider(upstream)).toBe(true)
    await openRoom(house, id, change)
    try {
      house.seat({ google: ada.google })
      return await approveAs(browser, upstream, ada)
    } finally {
      await openRoom(house, id)
    }
  }

  test('wider rights at the provider are asked for again', async () => {
    const wider = { providers: [{ provider: 'github', scopes: ['repo', 'delete_repo'] }] }
    const stop = await comeBack('notes', wider)
    expect(isConsent(stop)).toBe(true)
    expect(stop.text).toContain('Delete your repositories')
  })

  test('a further provider is asked for first', async () => {
    const trips = house.trips().google
    const more = {
      providers: [
        { provider: 'github', scopes: ['repo'] },
        { provider: 'google', scopes: [calendar] },
      ],
    }
    const stop = await comeBack('notes', more)
    expect(isConsent(stop)).toBe(true)
    expect(stop.text).toContain('Read your calendars')
    expect(house.trips().google).toBe(trips)
  })

  test('another name of the server is a question to be asked again', async () => {
    askAtProviders(house)
    const upstream = await browser.submit(await browser.get(urlFor(house, room.notes)), { button: 'allow' })
    await openRoom(house, 'notes', { name: 'Payroll' })
    const stop = await approveAs(browser, upstream, ada)
    await openRoom(house, 'notes')
    expect(isConsent(stop)).toBe(true)
    expect(stop.text).toContain('asks to use Payroll for you')
  })

  test('what was left out and is needed now is asked for', async () => {
    askAtProviders(house)
    const page = await browser.get(urlFor(house, room.loose))
    const upstream = await browser.submit(page, { button: 'allow', fields: { provider: [] } })
    const { providers } = {
      providers: [
        { provider: 'github', scopes: ['repo'] },
        { provider: 'google', scopes: [calendar] },
      ],
    }
    await openRoom(house, 'loose', { providers })
    const stop = await approveAs(browser, upstream, ada)
    await openRoom(house, 'loose')
    expect(isConsent(stop)).toBe(true)
    expect(stop.text).not.toContain('Include Google')
  })

  test('what was brought for wider rights is never released where only narrower ones are allowed: those are asked for anew', async () => {
    const narrower = { providers: [{ provider: 'github', scopes: ['public_repo'] }] }
    askAtProviders(house)
    const visited = await visit(house, room.notes, { browser, presses: ['allow'] })
    await openRoom(house, 'notes', narrower)
    const asked = await approveAs(browser, visited.stop, ada)
    expect(isConsent(asked)).toBe(true)
    house.seat(ada)
    const stop = await browser.submit(asked, { button: 'allow' })
    const { access_token: token } = await tokensFor(house, { ...visited, stop })
    const answer = await callAs(house, room.notes, `${claimsOf(token).tsid}/tokens/github`)
    await openRoom(house, 'notes')
    expect(answer).toMatchObject({ status: 200, body: { scope: 'public_repo read:user user:email' } })
  })

  test('a scope that is gone is not granted, and one that was never shown neither', async () => {
    const parameters = { scope: 'read write' }
    const visited = await visit(house, room.notes, { browser, presses: [], parameters })
    expect(visited.stop.text).toContain('Change what is there')
    await openRoom(house, 'notes', { scopes: { read: 'Read what is there' } })
    const again = await browser.submit(visited.stop, { button: 'allow' })
    expect(isConsent(again)).toBe(true)
    expect(again.text).not.toContain('Change what is there')
    const stop = await browser.submit(again, { button: 'allow' })
    const tokens = await tokensFor(house, { ...visited, stop })
    await openRoom(house, 'notes')
    expect(tokens.scope).toBe('read')
  })

  test('a request of which no scope is left is refused', async () => {
    const page = await browser.get(urlFor(house, room.notes, { scope: 'write' }))
    await openRoom(house, 'notes', { scopes: { read: 'Read what is there' } })
    const stop = await browser.get(page.url)
    await openRoom(house, 'notes')
    expect(callbackOf(stop)).toMatchObject({ error: 'invalid_scope' })
  })
})

describe('a provider that need not be there', () => {
  test('is left out where its box is not ticked, and was never asked', async () => {
    const trips = house.trips().google
    const visited = await visit(house, room.loose, { browser, presses: [] })
    const stop = await browser.submit(visited.stop, { button: 'allow', fields: { provider: [] } })
    const tokens = await tokensFor(house, { ...visited, stop })
    const held = await heldBy(house, room.loose, String(claimsOf(tokens.access_token).tsid))
    expect(held.map(({ provider }) => provider)).toEqual(['github'])
    expect(house.trips().google).toBe(trips)
  })

  test('is left out though the person has a connection there that would do', async () => {
    await enter(house, room.loose, { browser })
    const visited = await visit(house, room.loose, { browser, presses: [] })
    expect(visited.stop.text).toContain(`You are connected there as ${ada.google}`)
    const stop = await browser.submit(visited.stop, { button: 'allow', fields: { provider: [] } })
    const tokens = await tokensFor(house, { ...visited, stop })
    const held = await heldBy(house, room.loose, String(claimsOf(tokens.access_token).tsid))
    expect(held.map(({ provider }) => provider)).toEqual(['github'])
  })

  test('one that is needed cannot be left out by leaving out its box', async () => {
    const visited = await visit(house, room.desk, { browser, presses: [] })
    const shown = visited.stop.forms[0]?.fields.find(({ name }) => name === 'shown')?.value ?? ''
    const form = { decision: 'allow', shown, provider: 'nothing' }
    const stop = await browser.post(visited.stop.url, form, { from: visited.stop.url })
    const tokens = await tokensFor(house, { ...visited, stop })
    const held = await heldBy(house, room.desk, String(claimsOf(tokens.access_token).tsid))
    expect(held.map(({ provider }) => provider).sort()).toEqual(['github', 'google'])
  })
})

describe('a remembered yes', () => {
  test('is never enough for a client that registered itself', async () => {
    await enter(house, room.notes, { browser })
    expect(isConsent(await browser.get(urlFor(house, room.notes)))).toBe(true)
    const clientId = await registerClient(house.gateway, {
      redirect_uris: ['https://client.test/cb'],
      token_endpoint_auth_method: 'client_secret_basic',
      trusted: true,
      skip_consent: true,
    })
    const asking = () =>
      browser.walk(urlFor({ ...house, clientId }, room.notes, { redirect_uri: 'https://client.test/cb' }), [])
    expect(callbackOf(await browser.submit(await asking(), { button: 'allow' }))).toHaveProperty('code')
    expect(isConsent(await asking())).toBe(true)
  })

  test('is asked for again where an account it was given for is gone or dead, with the account left to choose', async () => {
    const { clientId } = await preRegister(house)
    const asking = () =>
      browser.get(urlFor({ ...house, clientId }, room.notes, { redirect_uri: 'https://client.test/cb' }))
    expect(callbackOf(await browser.submit(await asking(), { button: 'allow' }))).toHaveProperty('code')
    expect(callbackOf(await asking())).toHaveProperty('code')
    const adaId = await subjectNamed(house, ada.github)
    for (const { id } of await listed(house, `/connections?subject_id=${adaId}`)) {
      await house.gateway.admin('DELETE', `/connections/${id}`)
    }
    const trips = house.trips().github
    expect(callbackOf(await asking())).toHaveProperty('code')
    expect(house.trips().github).toBe(trips + 1)
  })
})

describe('every page', () => {
  test('cannot be framed, loads nothing, is not stored and says nothing to where it leads', async () => {
    await enter(house, room.notes, { browser })
    const consent = await browser.get(urlFor(house, room.notes))
    const pages = [
      consent,
      await newBrowser().get(consent.url),
      await newBrowser().get(`${house.gateway.issuer}/oauth/authorize`),
      await newBrowser().get(`${house.gateway.issuer}/oauth/callback/github?state=unknown&code=x`),
      await newBrowser().get(`${house.gateway.issuer}/connect/unknown`),
      await newBrowser().get(urlFor(house, room.notes, { redirect_uri: 'https://evil.test/' })),
    ]
    for (const { url, headers, html } of pages) {
      const policy = headers.get('content-security-policy') ?? ''
      expect(policy, url).toContain("default-src 'none'")
      expect(policy, url).toContain("frame-ancestors 'none'")
      expect(policy, url).not.toContain('form-action')
      expect(headers.get('x-frame-options'), url).toBe('DENY')
      expect(headers.get('cache-control'), url).toBe('no-store')
      expect(headers.get('x-content-type-options'), url).toBe('nosniff')
      expect(headers.get('access-control-allow-origin'), url).toBeNull()
      // A page with a form must let the browser name its origin with the POST.
      const hasForm = html.includes('<form')
      expect(headers.get('referrer-policy'), url).toBe(hasForm ? 'same-origin' : 'no-referrer')
      expect(html, url).not.toMatch(/<(script|img|iframe|object)|src="http|@import/)
    }
  })
})
