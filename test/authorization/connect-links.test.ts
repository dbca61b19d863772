import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Browser } from '../support/browser.ts'
import { askForLink, type Link, stateOf } from '../support/connect-links.ts'
import {
  calendar,
  enter,
  type House,
  type Person,
  type Room,
  type Stay,
  startHouse,
} from '../support/house.ts'
import { newBrowser } from '../support/world.ts'
import {
  approveAs,
  askAtProviders,
  browserStoppingAt,
  callbackUri,
  githubAuthorize,
  heldBy,
  isAtProvider,
  listed,
  openRoom,
  subjectNamed,
} from './steps.ts'

// A connect link must not bring one person's account into another one's session, whichever of the two sends it.

let house: House
let loose: Room
let notes: Room
let victim: Person
let attacker: Person
/** The attacker's session, without Google. */
let theirs: Stay
let link: Link

const githubAlone = [{ button: 'allow', fields: { provider: [] } }]

beforeAll(async () => {
  house = await startHouse()
  loose = await openRoom(house, 'loose')
  notes = await openRoom(house, 'notes')
})
afterAll(() => house.stop())
beforeEach(async () => {
  attacker = house.newPerson()
  theirs = await enter(house, loose, { presses: githubAlone })
  link = await askForLink(house, loose, theirs.tsid, 'google')
  victim = house.newPerson()
})

const state = async () => (await stateOf(house, loose, theirs.tsid, link)).state
const providersHeld = async ({ tsid }: Stay, room = loose) =>
  (await heldBy(house, room, tsid)).map(({ provider, account }) => `${provider} ${account.label}`)

describe('a link the attacker sends', () => {
  test('takes nothing from a victim who is signed in and says yes to everything', async () => {
    const browser = newBrowser()
    const own = await enter(house, loose, { browser, presses: githubAlone })
    const trips = house.trips().google
    const stop = await browser.walk(link.url, ['continue', 'allow'])
    expect(stop.status).toBe(409)
    expect((await browser.submit(stop, { button: 'switch' })).status).toBe(409)
    expect(house.trips().google).toBe(trips)
    expect(await providersHeld(theirs)).toEqual([`github ${attacker.github}`])
    expect(await providersHeld(own)).toEqual([`github ${victim.github}`])
    // The victim is still who they were.
    expect((await browser.get(`${house.gateway.issuer}/connect/x`)).status).toBe(404)
    const mine = await askForLink(house, loose, own.tsid, 'google')
    expect((await browser.get(mine.url)).text).toContain(`For ${victim.github}`)
  })

  test('takes nothing from a victim nobody knows, and makes them nobody', async () => {
    const stop = await newBrowser().walk(link.url, ['continue'])
    expect(stop.status).toBe(409)
    expect(await subjectNamed(house, victim.github)).toBeUndefined()
    expect(await providersHeld(theirs)).toEqual([`github ${attacker.github}`])
  })

  test('opened by the attacker, takes nothing from a victim who is sent its next page', async () => {
    const browser = browserStoppingAt(githubAuthorize(house), `${house.google.issuer}/o/oauth2/v2/auth`)
    for (const cookie of theirs.browser.cookies.list()) browser.cookies.plant(cookie)
    const upstream = await browser.walk(link.url, ['continue'])
    expect(upstream.url).toContain('state=')
    const stop = await newBrowser().get(upstream.url)
    expect(stop.status).toBe(403)
    expect(await providersHeld(theirs)).toEqual([`github ${attacker.github}`])
    expect(
      await listed(house, `/connections?subject_id=${await subjectNamed(house, victim.github)}`),
    ).toEqual([])
  })

  test('opened by the attacker, takes nothing by a callback caught from the victim', async () => {
    const mine = browserStoppingAt(callbackUri(house, 'google'))
    await enter(house, loose, { browser: mine, presses: githubAlone })
    const caught = await mine.walk(
      (
        await askForLink(
          house,
          loose,
          (
            await enter(house, loose, { browser: mine, presses: githubAlone })
          ).tsid,
          'google',
        )
      ).url,
      ['continue'],
    )
    expect(caught.url).toContain('code=')
    expect((await theirs.browser.get(caught.url)).status).toBe(403)
    expect(await providersHeld(theirs)).toEqual([`github ${attacker.github}`])
  })
})

describe('a link the attacker got hold of', () => {
  test('brings nothing of theirs into the victim’s session, and can be had again', async () => {
    const own = await enter(house, loose, { presses: githubAlone })
    const stolen = await askForLink(house, loose, own.tsid, 'google')
    house.seat(attacker)
    const stop = await theirs.browser.walk(stolen.url, ['continue'])
    expect(stop.status).toBe(409)
    expect(await providersHeld(own)).toEqual([`github ${victim.github}`])
    expect(await stateOf(house, loose, own.tsid, stolen)).toMatchObject({ state: 'opened' })
    house.seat(victim)
    const again = await askForLink(house, loose, own.tsid, 'google')
    await own.browser.walk(again.url, ['continue'])
    expect(await providersHeld(own)).toEqual(
      expect.arrayContaining([`github ${victim.github}`, `google ${victim.google}`]),
    )
  })

  test('is asked about by no other server, not even with the ticket', async () => {
    const mine = await enter(house, notes)
    const { ticket } = link
    expect(await stateOf(house, notes, mine.tsid, { url: '', ticket })).toMatchObject({
      error_code: 'unknown_token_session',
    })
  })
})

describe('the person of a link, whoever was signed in before', () => {
  test('is somebody else’s browser’s guest only if they say so; who stays ends the link', async () => {
    const browser = newBrowser()
    await enter(house, loose, { browser, presses: githubAlone })
    house.seat(attacker)
    const question = await browser.walk(link.url, ['continue'])
    expect(question.text).toContain(`Here you are signed in as ${victim.github}`)
    const stayed = await browser.submit(question, { button: 'back' })
    expect(stayed.status).toBe(200)
    expect(stayed.text).toContain('Nothing was changed')
    expect(await state()).toBe('failed')
    expect(await providersHeld(theirs)).toEqual([`github ${attacker.github}`])
  })

  test('cannot be exchanged for another between two steps', async () => {
    const browser = newBrowser()
    house.seat(attacker)
    await enter(house, loose, { browser, presses: githubAlone })
    askAtProviders(house)
    const atGoogle = await browser.walk(link.url, ['continue'])
    expect(isAtProvider(atGoogle)).toBe(true)
    // Another tab signs the victim in in this browser.
    house.github.control.autoApprove(victim.github)
    await enter(house, notes, { browser, presses: ['allow', 'switch'], parameters: { prompt: 'login' } })
    const done = await approveAs(browser, atGoogle, victim)
    // What comes back is for the person who went.
    expect(done.text).toContain(`your Google account ${victim.google}`)
    const victimId = await subjectNamed(house, victim.github)
    const owned = await listed<{ provider: string }>(house, `/connections?subject_id=${victimId}`)
    expect(owned.map(({ provider }) => provider)).toEqual(['github'])
  })
})

describe('which account a link brings', () => {
  async function followAs(browser: Browser, { url }: Link) {
    const first = await browser.walk(url, ['continue'])
    return first
  }

  test('another one is another one, even where signing in takes an account of the same provider', async () => {
    const another = await askForLink(house, loose, theirs.tsid, 'github', { account: 'new' })
    askAtProviders(house)
    const browser = newBrowser()
    const signIn = await followAs(browser, another)
    const choose = await approveAs(browser, signIn, attacker)
    expect(isAtProvider(choose)).toBe(true)
    const second = house.newPerson()
    askAtProviders(house)
    const done = await approveAs(browser, await browser.get(choose.url), second)
    expect(done.text).toContain(`your GitHub account ${second.github}`)
    expect((await providersHeld(theirs)).sort()).toEqual(
      [`github ${attacker.github}`, `github ${second.github}`].sort(),
    )
  })

  test('one to repair is that one, though the person signs in with the other', async () => {
    // The attacker is an ordinary person here, with two accounts.
    const second = house.newPerson()
    const another = await askForLink(house, loose, theirs.tsid, 'github', { account: 'new' })
    await theirs.browser.walk(another.url, ['continue'])
    const account = (await heldBy(house, loose, theirs.tsid)).find(
      ({ account: { label } }) => label === second.github,
    )?.account.id
    const repair = await askForLink(house, loose, theirs.tsid, 'github', { account: account ?? '' })
    askAtProviders(house)
    const browser = newBrowser()
    const choose = await approveAs(browser, await followAs(browser, repair), attacker)
    expect(isAtProvider(choose)).toBe(true)
    // The first one again is not the one to repair.
    const wrong = await approveAs(browser, choose, attacker)
    expect(wrong.status).toBe(409)
    expect(wrong.text).toContain(`as ${second.github}, but came back as ${attacker.github}`)
    const retry = await browser.submit(wrong, { button: 'switch' })
    const done = await approveAs(browser, retry, second)
    expect(done.text).toContain(`your GitHub account ${second.github}`)
  })
})

describe('the steps of a link', () => {
  test('are taken once, however many follow it at the same moment', async () => {
    const page = await theirs.browser.get(link.url)
    house.seat(attacker)
    const stops = await Promise.all(
      Array.from({ length: 5 }, () => theirs.browser.submit(page, { button: 'continue' })),
    )
    expect(stops.map(({ status }) => status).sort()).toEqual([200, 410, 410, 410, 410])
  })

  test('take no answer that belongs on the pages of an authorization', async () => {
    askAtProviders(house)
    const atProvider = await theirs.browser.walk(link.url, ['continue'])
    expect(isAtProvider(atProvider)).toBe(true)
    const [interaction] = theirs.browser.steps
      .map(({ url }) => url)
      .filter((url) => url.includes('int_'))
      .slice(-1)
    const answer = await theirs.browser.post(
      interaction ?? '',
      { decision: 'deny' },
      { from: interaction ?? '' },
    )
    expect(answer.left).toBe(false)
    expect(await state()).toBe('failed')
    expect((await theirs.browser.get(interaction ?? '')).status).toBe(400)
  })

  test('end where the server may not have the rights any more', async () => {
    const providers = [{ provider: 'github', scopes: ['repo'] }]
    const page = await theirs.browser.get(link.url)
    await openRoom(house, 'loose', { providers })
    const trips = house.trips().google
    const stop = await theirs.browser.submit(page, { button: 'continue' })
    expect(stop.status).toBe(410)
    await openRoom(house, 'loose')
    const wider = await askForLink(house, loose, theirs.tsid, 'google')
    await openRoom(house, 'loose', {
      providers: [
        ...providers,
        { provider: 'google', scopes: [calendar.replace('readonly', 'events')], required: false },
      ],
    })
    const refused = await theirs.browser.walk(wider.url, ['continue'])
    await openRoom(house, 'loose')
    expect(refused.status).toBe(410)
    expect(house.trips().google).toBe(trips)
  })
})
