import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { askForLink, type Link, linkFor, stateOf } from '../support/connect-links.ts'
import {
  calendar,
  enter,
  fetchToken,
  type House,
  type Person,
  type Room,
  type Stay,
  startHouse,
} from '../support/house.ts'
import { newBrowser } from '../support/world.ts'

let house: House
/** People sign in with GitHub; Google is theirs to connect. */
let desk: Room
let ada: Person
/** A session of hers without Google. */
let stay: Stay
let link: Link

const leaveGoogleOut = ['github', { button: 'allow', fields: { provider: [] } }]

beforeAll(async () => {
  house = await startHouse()
  desk = await house.open('desk', {
    sign_in: ['github'],
    providers: [
      { provider: 'github', scopes: ['repo'] },
      { provider: 'google', scopes: [calendar], required: false },
    ],
  })
})
afterAll(() => house.stop())
beforeEach(async () => {
  ada = house.newPerson()
  stay = await enter(house, desk, { presses: leaveGoogleOut })
  link = await linkFor(house, desk, stay.tsid, 'google')
})

const state = async () => (await stateOf(house, desk, stay.tsid, link)).state
const google = async () => await fetchToken(house, desk, stay.tsid, 'google')

describe('the page of a connect link', () => {
  test('names the MCP server, the person, the provider and the rights', async () => {
    const page = await stay.browser.get(link.url)
    expect(page.status).toBe(200)
    expect(page.text).toContain('Connect Google?')
    expect(page.text).toContain('Asked by desk https://desk.test/mcp')
    expect(page.text).toContain(`For ${ada.github}`)
    expect(page.text).toContain(`Read your calendars ${calendar}`)
    expect(page.html).not.toContain(stay.tsid)
  })

  test('does not say whose it is in a browser that is not that person’s', async () => {
    const again = await askForLink(house, desk, stay.tsid, 'github')
    for (const { url } of [link, again]) {
      const page = await newBrowser().get(url)
      expect(page.text).toContain('Asked by desk https://desk.test/mcp')
      expect(page.text).not.toContain(ada.github)
    }
    expect((await stay.browser.get(again.url)).text).toContain(`GitHub account ${ada.github}`)
  })

  test('may be opened as often as anybody likes; only posting consumes it, once', async () => {
    for (const browser of [stay.browser, newBrowser(), stay.browser]) {
      expect((await browser.get(link.url)).status).toBe(200)
    }
    expect(await state()).toBe('pending')
    const page = await stay.browser.get(link.url)
    const done = await stay.browser.submit(page, { button: 'continue' })
    expect(done.text).toContain(`desk can now work with your Google account ${ada.google}.`)
    expect(done.text).toContain('Go back to your MCP client')
    expect(done.links).toMatchObject([{ text: 'your account page', href: `${house.gateway.issuer}/account` }])
    expect(await state()).toBe('completed')
    for (const again of [
      await stay.browser.get(link.url),
      await stay.browser.submit(page, { button: 'continue' }),
    ]) {
      expect(again.status).toBe(410)
      expect(again.text).toContain('This link was used before')
    }
  })

  test('is left as it is by Not now, and by a form of another site', async () => {
    const page = await stay.browser.get(link.url)
    const later = await stay.browser.submit(page, { button: 'not-now' })
    expect(later.text).toContain('Nothing was changed')
    const foreign = await stay.browser.post(
      link.url,
      { decision: 'continue' },
      { from: 'https://evil.test/' },
    )
    expect(foreign.status).toBe(403)
    expect(await state()).toBe('pending')
  })
})

describe('whoever follows it', () => {
  test('in the browser where they are signed in makes one trip', async () => {
    const before = house.trips()
    await stay.browser.walk(link.url, ['continue'])
    expect(house.trips()).toEqual({ ...before, google: before.google + 1 })
    expect((await google()).body.account).toMatchObject({ label: ada.google })
  })

  test('in a fresh browser signs in as the same person first', async () => {
    const before = house.trips()
    const done = await newBrowser().walk(link.url, ['continue'])
    expect(done.text).toContain(`desk can now work with your Google account ${ada.google}.`)
    expect(house.trips()).toEqual({ ...before, github: before.github + 1, google: before.google + 1 })
    expect((await google()).status).toBe(200)
  })

  test('in a fresh browser makes one trip where the provider to connect is the one that signs in', async () => {
    const again = await askForLink(house, desk, stay.tsid, 'github')
    const before = house.trips()
    const done = await newBrowser().walk(again.url, ['continue'])
    expect(done.text).toContain(`desk can now work with your GitHub account ${ada.github}.`)
    expect(house.trips()).toEqual({ ...before, github: before.github + 1 })
  })

  test.each(['signed in', 'fresh'])('as another person, %s, gets nothing and gives nothing', async (how) => {
    const bob = house.newPerson()
    const browser = newBrowser()
    if (how === 'signed in') await enter(house, desk, { browser, presses: leaveGoogleOut })
    const trips = house.trips().google
    const refused = await browser.walk(link.url, ['continue'])
    expect(refused.status).toBe(409)
    expect(refused.text).toContain(`as ${ada.github}, but came back as ${bob.github}.`)
    const stopped = await browser.submit(refused, { button: 'back' })
    expect(stopped.text).toContain('Nothing was changed')
    expect(house.trips().google).toBe(trips)
    expect(await state()).toBe('failed')
    expect((await google()).body.error_code).toBe('not_connected')
  })

  test('as another person may try again, and says that the switch is meant', async () => {
    const bob = house.newPerson()
    const browser = newBrowser()
    await enter(house, desk, { browser, presses: leaveGoogleOut })
    const refused = await browser.walk(link.url, ['continue'])
    house.seat(ada)
    const question = await browser.submit(refused, { button: 'switch' })
    expect(question.text).toContain(`Here you are signed in as ${bob.github}.`)
    const done = await browser.submit(question, { button: 'switch' })
    expect(done.text).toContain(`your Google account ${ada.google}.`)
    expect((await google()).body.account).toMatchObject({ label: ada.google })
  })

  test('with an account that signs in somebody else is refused', async () => {
    const lobby = await house.open('lobby', { providers: [{ provider: 'google', scopes: [] }] })
    const bob = house.newPerson()
    await enter(house, lobby)
    house.seat({ ...ada, google: bob.google })
    const refused = await stay.browser.walk(link.url, ['continue'])
    expect(refused.status).toBe(409)
    expect(refused.text).toContain('This Google account belongs to somebody else here')
    expect((await google()).body.error_code).toBe('not_connected')
    expect(await state()).toBe('failed')
  })
})

describe('its state', () => {
  test('is waited for as long as asked, and told as soon as it is settled', async () => {
    const polled = stateOf(house, desk, stay.tsid, link, { wait: '20' })
    await stay.browser.walk(link.url, ['continue'])
    expect(await polled).toEqual({ state: 'completed', provider: 'google' })
  })

  test('is failed, with the reason, where the provider was told no', async () => {
    house.google.control.deny()
    const page = await stay.browser.walk(link.url, ['continue'])
    expect(page.status).toBe(400)
    expect(page.text).toContain('Google')
    expect(await stateOf(house, desk, stay.tsid, link)).toEqual({
      state: 'failed',
      provider: 'google',
      reason: 'access_denied',
    })
  })

  test('is told to its own session only', async () => {
    const other = await enter(house, desk)
    expect((await stateOf(house, desk, other.tsid, link)).error_code).toBe('unknown_token_session')
    const unknown = { ...link, ticket: `cc_link_${'x'.repeat(43)}` }
    expect((await stateOf(house, desk, stay.tsid, unknown)).error_code).toBe('unknown_token_session')
  })

  test('is expired after ten minutes, and the link opens nothing', async () => {
    // The clock goes on by itself, too, and not equally fast on every machine.
    house.clock.advance(560)
    const page = await stay.browser.get(link.url)
    expect(page.status).toBe(200)
    house.clock.advance(40)
    for (const late of [
      await stay.browser.get(link.url),
      await stay.browser.submit(page, { button: 'continue' }),
    ]) {
      expect(late.status).toBe(410)
      expect(late.text).toContain('This took too long')
    }
    expect(await state()).toBe('expired')
  })

  test('is expired, too, where somebody followed the link and never came back', async () => {
    house.google.control.ask()
    const away = await stay.browser.walk(link.url, ['continue'])
    expect(new URL(away.url).origin).toBe(house.google.issuer)
    expect(await state()).toBe('opened')
    house.clock.advance(1200)
    expect(await state()).toBe('expired')
  })
})

describe('when the session ends meanwhile', () => {
  const revoke = async () => {
    const answer = await fetch(`${house.gateway.issuer}/oauth/revoke`, {
      method: 'POST',
      body: new URLSearchParams({ client_id: house.clientId, token: stay.tokens.refresh_token }),
    })
    expect(answer.status).toBe(200)
  }

  test('the link is over', async () => {
    const page = await stay.browser.get(link.url)
    await revoke()
    for (const late of [
      await stay.browser.get(link.url),
      await stay.browser.submit(page, { button: 'continue' }),
    ]) {
      expect(late.status).toBe(410)
    }
  })

  test('a trip that is under way brings nothing home', async () => {
    house.google.control.ask()
    const away = await stay.browser.walk(link.url, ['continue'])
    await revoke()
    const exchanges = house.google.calls('POST /token').length
    const late = await stay.browser.submit(away, { button: 'approve' })
    expect(late.status).toBe(410)
    expect(late.text).not.toContain('can now work')
    expect(house.google.calls('POST /token')).toHaveLength(exchanges)
    expect((await google()).body.error_code).toBe('unknown_token_session')
  })
})
