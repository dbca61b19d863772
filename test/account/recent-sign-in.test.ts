import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openRoom, subjectNamed } from '../authorization/steps.ts'
import type { Browser, Stop } from '../support/browser.ts'
import { createStillClock } from '../support/gateway.ts'
import { enter, type House, type Person, type Room, startHouse } from '../support/house.ts'
import { newBrowser, startWorld, type World } from '../support/world.ts'
import { accountUrl, identitiesOf, link, open, press, proofOf } from './steps.ts'

// Who gets in as somebody is changed only by whoever signed in a moment ago.

let house: House
let either: Room
let bob: Person
let ada: Person
let browser: Browser

beforeAll(async () => {
  house = await startHouse({ clock: createStillClock() })
  either = await openRoom(house, 'either')
})
afterAll(() => house.stop())
beforeEach(async () => {
  bob = house.newPerson()
  ada = house.newPerson()
  browser = newBrowser()
  await press(house, browser, 'github')
})

const forgotten = () => house.clock.advance(601)
const google = () => house.trips().google
const asksAgain = (page: Stop) => page.text.includes('Sign in again first')
const again = (button: string) => ({ button: `Sign in with ${button}` })
const asked = () =>
  browser.steps
    .map(({ url }) => url)
    .filter((url) => url.includes('?asked='))
    .at(-1) ?? ''

describe('linking', () => {
  test('goes straight on within ten minutes, and not a second later', async () => {
    const page = await open(house, browser)
    house.clock.advance(600)
    expect((await browser.submit(page, link('Google'))).text).toContain('At Google you came back as')
    house.clock.advance(601)
    const trips = google()
    const { interactions } = house.gateway.running().gateway.store
    const before = await interactions.countUnderWay('', house.clock.now())
    expect(asksAgain(await press(house, browser, link('Google')))).toBe(true)
    expect(google()).toBe(trips)
    expect(await interactions.countUnderWay('', house.clock.now())).toEqual(before)
  })

  test('comes back to the question after a fresh sign-in, and is still to be confirmed', async () => {
    forgotten()
    const first = await press(house, browser, link('Google'))
    expect(first.text).toContain('You are about to add a way to sign in as you.')
    expect(first.links.map(({ href }) => href)).toEqual([accountUrl(house)])
    const before = browser.cookies.find('coatcheck-session')?.value
    const question = await browser.submit(first, again('GitHub'))
    expect(house.github.calls('GET /login/oauth/authorize').at(-1)?.query).toMatchObject({
      prompt: 'select_account',
    })
    expect(browser.cookies.find('coatcheck-session')?.value).not.toBe(before)
    expect(question.text).toContain('Add a way to sign in with Google?')
    expect(await identitiesOf(house, ada.github)).toHaveLength(1)
    const found = await browser.submit(question)
    expect(found.text).toContain(`At Google you came back as ${ada.google}`)
    await browser.submit(found, { button: 'link' })
    expect(await identitiesOf(house, ada.github)).toHaveLength(2)
  })

  test('by somebody at a browser that was left open gets them nothing', async () => {
    forgotten()
    house.seat(bob)
    const first = await press(house, browser, link('Google'))
    const refused = await browser.submit(first, again('GitHub'))
    expect(refused.status).toBe(409)
    expect(refused.text).toContain(`as ${ada.github}, but came back as ${bob.github}`)
    expect(await subjectNamed(house, bob.github)).toBeUndefined()
    expect((await open(house, browser)).text).toContain(`Signed in as ${ada.github}`)
    expect(asksAgain(await press(house, browser, link('Google')))).toBe(true)
    // Trying again is as strict, and stopping leads back.
    expect((await browser.submit(refused, { button: 'switch' })).status).toBe(409)
    house.seat(ada)
    const question = await browser.submit(refused, { button: 'switch' })
    expect(question.text).toContain('Add a way to sign in with Google?')
    expect(await identitiesOf(house, ada.github)).toEqual([`github ${ada.github}`])
  })

  test('is not let through by any form or address that says so', async () => {
    forgotten()
    const proof = proofOf(await open(house, browser))
    const from = accountUrl(house)
    const fields = { action: 'link', proof, provider: 'google', confirmed: 'yes', state: 'proven' }
    const trips = google()
    for (const more of [{}, { again: 'google' }, { again: 'nothing' }, { again: '' }]) {
      expect(asksAgain(await browser.post(from, { ...fields, ...more }, { from }))).toBe(true)
    }
    expect(google()).toBe(trips)
    // A trip that was begun and not made proves nothing.
    house.github.control.deny()
    const denied = await browser.post(from, { ...fields, again: 'github' }, { from })
    expect(denied.status).toBe(400)
    expect(denied.text).toContain('start again from your account page')
    house.seat(ada)
    const id = browser.steps.flatMap(({ url }) => /interactions\/(int_[\w-]+)/.exec(url)?.[1] ?? []).at(-1)
    expect((await browser.get(`${from}?asked=${id}`)).text).toContain('Your account')
    expect(asksAgain(await press(house, browser, link('Google')))).toBe(true)
  })
})

describe('removing a way to sign in', () => {
  const remove = /^Remove Google/
  beforeEach(async () => {
    await press(house, browser, link('Google'), 'link')
    forgotten()
  })

  test('takes a fresh sign-in by any of the ways in, and then the same question as ever', async () => {
    const first = await press(house, browser, remove)
    expect(first.text).toContain('You are about to remove a way to sign in as you.')
    const question = await browser.submit(first, again('Google'))
    expect(question.text).toContain('No longer sign in with Google?')
    expect(await identitiesOf(house, ada.github)).toHaveLength(2)
    expect((await browser.submit(question)).url).toContain('done=unlinked')
    expect(await identitiesOf(house, ada.github)).toEqual([`github ${ada.github}`])
  })

  test('asks once more where the person thought about it for long', async () => {
    const question = await press(house, browser, remove, again('GitHub'))
    forgotten()
    expect(asksAgain(await browser.submit(question))).toBe(true)
    expect(await identitiesOf(house, ada.github)).toHaveLength(2)
  })

  test('is asked about in that browser and that person’s session alone, and not for ever', async () => {
    await press(house, browser, remove, again('GitHub'))
    const address = asked()
    expect((await browser.get(address)).text).toContain('No longer sign in with Google?')
    const stranger = newBrowser()
    await press(house, stranger, 'github')
    expect((await stranger.get(address)).text).toContain('Your account')
    house.seat(bob)
    const parameters = { prompt: 'login' }
    await enter(house, either, { browser, parameters, presses: ['github', 'allow', 'switch'] })
    expect((await browser.get(address)).text).toContain(`Signed in as ${bob.github}`)
    expect(await identitiesOf(house, ada.github)).toHaveLength(2)
  })

  test('is not asked about what is gone meanwhile', async () => {
    const other = newBrowser()
    await press(house, browser, remove, again('GitHub'))
    for (const cookie of browser.cookies.list()) other.cookies.plant(cookie)
    await browser.submit(await browser.get(asked()))
    expect((await other.get(asked())).text).toContain('Your account')
  })
})

test('a provider that says it remembered the person for long proves nothing, and the person is told', async () => {
  await press(house, browser, link('Google'), 'link')
  forgotten()
  house.google.control.set({ idTokenClaims: { auth_time: Math.floor(house.clock.now()) - 3600 } })
  const refused = await press(house, browser, /^Remove Google/, again('Google'))
  house.google.control.set({ idTokenClaims: {} })
  expect(refused.status).toBe(400)
  expect(refused.text).toContain('Google did not ask you again')
  expect(asksAgain(await press(house, browser, /^Remove Google/))).toBe(true)
  expect(await identitiesOf(house, ada.github)).toHaveLength(2)
})

test('what only ends things asks for no fresh sign-in: nobody has to wait with that', async () => {
  await enter(house, either, { browser })
  forgotten()
  for (const button of [/^End access/, 'End all access', 'Sign out everywhere']) {
    const page = await press(house, browser, button)
    expect(asksAgain(page)).toBe(false)
  }
  expect((await browser.submit(await press(house, browser, 'Sign out everywhere'))).text).toContain(
    'You are signed out.',
  )
})

test('a trip to sign in anew that ends in another person’s session, or in none, changes nothing', async () => {
  await press(house, browser, link('Google'), 'link')
  forgotten()
  house.github.control.ask()
  const away = await press(house, browser, /^Remove Google/, again('GitHub'))
  await press(house, browser, 'Sign out here')
  const late = await browser.submit(away, { button: 'Authorize' })
  expect(late.status).toBe(400)
  expect((await open(house, browser)).text).toContain('Sign in to your account page')
  expect(await identitiesOf(house, ada.github)).toHaveLength(2)
})

describe('a provider that can make people sign in', () => {
  let world: World
  beforeAll(async () => {
    world = await startWorld('oidc')
  })
  afterAll(() => world.stop())

  test('is asked to, and its word for when they did is what counts', async () => {
    const { upstream, clock } = world
    const from = newBrowser()
    await press(world, from, 'oidc')
    clock.advance(601)
    const first = await press(world, from, link('OpenID Connect'))
    expect(asksAgain(first)).toBe(true)
    const question = await from.submit(first, { button: 'oidc' })
    const trip = upstream
      .calls('GET /auth')
      .map(({ query }) => query)
      .filter(({ client_id: id }) => id !== undefined)
      .at(-1)
    expect(trip).toMatchObject({ max_age: '600' })
    expect(trip?.prompt).toContain('login')
    expect(question.text).toContain('Add a way to sign in with OpenID Connect?')
  })
})
