import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Browser, callbackOf } from '../support/browser.ts'
import { askForLink } from '../support/connect-links.ts'
import {
  enter,
  type House,
  type Person,
  type Room,
  startHouse,
  upstreamClient,
  visit,
} from '../support/house.ts'
import { authorizeUrl, claimsOf, newBrowser, newPkce, postToken, tsidOf } from '../support/world.ts'
import {
  approveAs,
  askAtProviders,
  browserStoppingAt,
  githubAuthorize,
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
let bob: Person
let browser: Browser

beforeAll(async () => {
  house = await startHouse()
  for (const id of ['notes', 'agenda', 'desk', 'loose', 'either'] as const) {
    room[id] = await openRoom(house, id)
  }
})
afterAll(() => house.stop())
beforeEach(() => {
  bob = house.newPerson()
  ada = house.newPerson()
  browser = newBrowser()
})

const subOf = (tokens: { access_token: string }) => String(claimsOf(tokens.access_token).sub)

describe('a flow belongs to one person from their yes to its end', () => {
  test('a yes given before signing in is that of whoever signs in by it, not of another tab’s', async () => {
    askAtProviders(house)
    const consent = await browser.get(urlFor(house, room.notes))
    expect(isAtProvider(await browser.submit(consent, { button: 'allow' }))).toBe(true)
    house.seat(bob)
    await enter(house, room.notes, { browser })
    askAtProviders(house)
    expect(isAtProvider(await browser.get(consent.url))).toBe(true)
  })

  test('what one person connected never ends up in the session of another who took the browser over', async () => {
    const { clientId, secret } = await preRegister(house)
    const client = { ...house, clientId }
    const { verifier, challenge } = newPkce()
    const redirectUri = 'https://client.test/cb'
    const url = authorizeUrl(client, challenge, { redirect_uri: redirectUri, resource: room.desk.uri })
    expect(callbackOf(await browser.walk(url, ['allow']))).toHaveProperty('code')
    const adaId = await subjectNamed(house, ada.github)
    for (const { id } of await listed(house, `/connections?subject_id=${adaId}`)) {
      await house.gateway.admin('DELETE', `/connections/${id}`)
    }

    // Her remembered yes skips the page and GitHub is silent, so that she stops at Google only.
    house.google.control.ask()
    house.google.control.currentUser(null)
    const atGoogle = await browser.get(url)
    expect(isAtProvider(atGoogle)).toBe(true)
    // In another tab Bob takes her place.
    house.github.control.autoApprove(bob.github)
    await enter(house, room.notes, {
      browser,
      presses: ['allow', 'switch'],
      parameters: { prompt: 'login' },
    })

    const end = await browser.walk(await approveAs(browser, atGoogle, bob), ['allow'])
    const answer = await postToken(house, {
      grant_type: 'authorization_code',
      client_id: clientId,
      client_secret: secret,
      code: callbackOf(end).code ?? '',
      code_verifier: verifier,
      redirect_uri: redirectUri,
    })
    const tokens = (await answer.json()) as { access_token: string }
    const held = await heldBy(house, room.desk, tsidOf(tokens))
    const owned = await listed<{ account: { id: string } }>(house, `/connections?subject_id=${subOf(tokens)}`)
    const accounts = owned.map(({ account }) => account.id)
    expect(held).toHaveLength(2)
    for (const { account } of held) expect(accounts).toContain(account.id)
  })

  test('the accounts a yes was given for are the ones that are used, whatever is connected meanwhile', async () => {
    const { tsid } = await enter(house, room.notes, { browser })
    askAtProviders(house)
    const visited = await visit(house, room.desk, { browser, presses: ['allow'] })
    expect(isAtProvider(visited.stop)).toBe(true)
    const second = house.newPerson()
    house.clock.advance(5)
    const link = await askForLink(house, room.notes, tsid, 'github', { account: 'new' })
    expect((await browser.walk(link.url, ['continue'])).text).toContain(second.github)
    const stop = await approveAs(browser, visited.stop, ada)
    const tokens = await tokensFor(house, { ...visited, stop })
    const held = await heldBy(house, room.desk, tsidOf(tokens))
    expect(held.map(({ account }) => account.label).sort()).toEqual([ada.github, ada.google].sort())
  })

  test('what was brought and taken away again meanwhile is brought anew', async () => {
    house.google.control.ask()
    house.google.control.currentUser(null)
    const visited = await visit(house, room.desk, { browser, presses: ['allow'] })
    expect(isAtProvider(visited.stop)).toBe(true)
    const adaId = await subjectNamed(house, ada.github)
    for (const { id } of await listed(house, `/connections?subject_id=${adaId}`)) {
      await house.gateway.admin('DELETE', `/connections/${id}`)
    }
    const trips = house.trips().github
    const stop = await approveAs(browser, visited.stop, ada)
    expect(house.trips().github).toBe(trips + 1)
    const tokens = await tokensFor(house, { ...visited, stop })
    const held = await heldBy(house, room.desk, tsidOf(tokens))
    expect(held.map(({ provider, state }) => `${provider} ${state}`).sort()).toEqual([
      'github live',
      'google live',
    ])
  })

  test('what was brought and died meanwhile is brought anew', async () => {
    house.google.control.ask()
    house.google.control.currentUser(null)
    const visited = await visit(house, room.desk, { browser, presses: ['allow'] })
    const adaId = await subjectNamed(house, ada.github)
    const { connections } = house.gateway.running().gateway.store
    const [github] = await connections.listOf(adaId ?? '')
    const now = house.clock.now()
    const event = {
      id: `test-${now}`,
      at: now,
      event: 'connection.dead',
      actor: 'test',
      outcome: 'ok',
      detail: {},
    }
    if (github) await connections.markDead(github, { reason: 'test', at: now }, event)
    const stop = await approveAs(browser, visited.stop, ada)
    const tokens = await tokensFor(house, { ...visited, stop })
    const held = await heldBy(house, room.desk, tsidOf(tokens))
    expect(held.map(({ provider, state }) => `${provider} ${state}`).sort()).toEqual([
      'github live',
      'google live',
    ])
  })

  test('a yes does not outlive a switch of accounts made in another tab', async () => {
    await enter(house, room.notes, { browser })
    // Ada says yes, and stops on her way to Google.
    askAtProviders(house)
    const consent = await browser.get(urlFor(house, room.desk))
    const atGoogle = await browser.submit(consent, { button: 'allow' })
    expect(isAtProvider(atGoogle)).toBe(true)
    // The page of before is still open in another tab, and somebody presses "Switch account" there.
    const switched = await browser.submit(consent, { button: 'switch' })
    expect(switched.text).toContain('asks to use desk for you')
    expect(switched.text).not.toContain('Signed in as')
  })

  test('somebody who switches accounts is asked at the provider which one they want', async () => {
    const stopping = browserStoppingAt(githubAuthorize(house))
    await enter(house, room.notes, { browser })
    for (const cookie of browser.cookies.list()) stopping.cookies.plant(cookie)
    const consent = await stopping.get(urlFor(house, room.notes))
    expect(consent.text).toContain(`Signed in as ${ada.github}`)
    const again = await stopping.submit(consent, { button: 'switch' })
    const upstream = await stopping.submit(again, { button: 'allow' })
    expect(new URL(upstream.url).searchParams.get('prompt')).toBe('select_account')
  })
})

describe('somebody else than the person signed in here comes back', () => {
  const asBob = { parameters: { prompt: 'login' } }

  async function atSwitchPage() {
    await enter(house, room.notes, { browser })
    house.seat(bob)
    const { stop, verifier } = await visit(house, room.notes, { browser, ...asBob })
    expect(stop.text).toContain('That is a different account')
    expect(stop.text).toContain(`Here you are signed in as ${ada.github}. GitHub says you are ${bob.github}`)
    return { stop, verifier }
  }

  test('and until they say that the switch is meant, nothing of theirs is kept', async () => {
    await atSwitchPage()
    const bobId = await subjectNamed(house, bob.github)
    expect(await listed(house, `/connections?subject_id=${bobId}`)).toEqual([])
    expect(await listed(house, `/token-sessions?subject_id=${bobId}&state=any`)).toEqual([])
  })

  test('and who stays is asked again, still signed in as before', async () => {
    const { stop } = await atSwitchPage()
    const stayed = await browser.submit(stop, { button: 'back' })
    expect(stayed.text).toContain('asks to use notes for you')
    house.seat(ada)
    const { tokens } = await enter(house, room.notes, { browser })
    expect(subOf(tokens)).toBe(await subjectNamed(house, ada.github))
  })

  test('and who switches goes on as the new person, in a session of its own', async () => {
    const before = browser.cookies.find('coatcheck-session')?.value
    const { stop } = await atSwitchPage()
    expect(callbackOf(await browser.submit(stop, { button: 'switch' }))).toHaveProperty('code')
    expect(browser.cookies.find('coatcheck-session')?.value).not.toBe(before)
    const { tokens } = await enter(house, room.notes, { browser })
    expect(subOf(tokens)).toBe(await subjectNamed(house, bob.github))
  })

  test('and nothing else counts on that page', async () => {
    const { stop } = await atSwitchPage()
    for (const decision of ['allow', 'deny', 'continue', '']) {
      const answer = await browser.post(stop.url, { decision }, { from: stop.url })
      expect(answer.status, decision).toBe(400)
    }
  })
})

describe('the session of a browser', () => {
  test('starts under a new secret at every sign-in, whatever was planted before', async () => {
    const { host } = new URL(house.gateway.issuer)
    browser.cookies.plant({ name: 'coatcheck-session', value: 'planted', host: host.split(':')[0] ?? '' })
    await enter(house, room.notes, { browser })
    const first = browser.cookies.find('coatcheck-session')?.value
    expect(first).toMatch(/^cc_session_[\w-]{43}$/)
    await enter(house, room.notes, { browser, parameters: { prompt: 'login' } })
    const second = browser.cookies.find('coatcheck-session')?.value
    expect(second).not.toBe(first)

    const thief = newBrowser()
    thief.cookies.plant({ name: 'coatcheck-session', value: first ?? '', host: host.split(':')[0] ?? '' })
    const page = await thief.get(urlFor(house, room.notes))
    expect(page.text).toContain('You will be sent to GitHub to sign in')
  })

  test('is worth nothing when a bit of it is changed', async () => {
    await enter(house, room.notes, { browser })
    const session = browser.cookies.find('coatcheck-session')
    const value = session?.value ?? ''
    browser.cookies.plant({
      ...session,
      name: 'coatcheck-session',
      host: session?.host ?? '',
      value: `${value.slice(0, -1)}!`,
    })
    const page = await browser.get(urlFor(house, room.notes))
    expect(page.text).toContain('You will be sent to GitHub to sign in')
  })

  test('signs in only where the provider it was made at may sign people in', async () => {
    await enter(house, room.agenda, { browser, presses: ['allow'] })
    expect((await browser.get(urlFor(house, room.agenda))).text).toContain('Signed in as')
    expect((await browser.get(urlFor(house, room.notes))).text).toContain('You will be sent to GitHub')
  })

  test('ends where the provider it was made at admits others, is another client’s, or was set up anew', async () => {
    const { admin } = house.gateway
    const stays = async (signedIn: boolean, what: string) => {
      const { text } = await browser.get(urlFor(house, room.either))
      expect([what, text.includes('Signed in as')]).toEqual([what, signedIn])
    }
    const github = await admin('GET', '/providers/github')
    const { descriptor, variables, client_id: clientId } = github
    const whole = { descriptor, variables, client_id: clientId, admit: 'anyone', enabled: true }
    const secret = { client_secret: upstreamClient.clientSecret }
    const changes: [string, boolean, () => Promise<unknown>][] = [
      ['nothing', true, () => admin('PUT', '/providers/github', whole)],
      ['its scopes', true, () => admin('PUT', '/providers/github', { ...whole, scopes: ['repo', 'gist'] })],
      [
        'whom it admits',
        false,
        () => admin('PUT', '/providers/github', { ...whole, admit: { subjects: ['1'] } }),
      ],
      [
        'its client',
        false,
        () => admin('PUT', '/providers/github', { ...whole, ...secret, client_id: 'other' }),
      ],
      ['all of it', false, () => admin('DELETE', '/providers/github')],
    ]
    for (const [what, signedIn, change] of changes) {
      await enter(house, room.either, { browser, presses: ['github', 'allow'] })
      await stays(true, what)
      await change()
      await stays(signedIn, what)
      // As it was, and yet not the one it was if it was deleted in between.
      house.clock.advance(5)
      await admin('PUT', '/providers/github', { ...whole, ...secret })
      await stays(what !== 'all of it', what)
    }
  })

  test('ends after eight idle hours, and a day after it began however busy', async () => {
    const { advance } = house.clock
    const stays = async (signedIn: boolean) => {
      const { text } = await browser.get(urlFor(house, room.either))
      expect(text.includes('Signed in as')).toBe(signedIn)
    }
    await enter(house, room.either, { browser, presses: ['github', 'allow'] })
    for (let looks = 0; looks < 3; looks += 1) {
      advance(8 * 3600 - 60)
      await stays(true)
    }
    advance(240)
    await stays(false)
    await enter(house, room.either, { browser, presses: ['github', 'allow'] })
    advance(8 * 3600)
    await stays(false)
  })
})

describe('people are told apart by the provider’s own id of them', () => {
  test('the same verified address at two providers makes two people', async () => {
    const { tokens } = await enter(house, room.either, { presses: ['github', 'allow'] })
    const other = await enter(house, room.either, { presses: ['google', 'allow'] })
    expect(subOf(tokens)).not.toBe(subOf(other.tokens))
    const people = await listed<{ identities: { email: string }[] }>(house, `/subjects?email=${ada.google}`)
    expect(people).toHaveLength(2)
  })

  test('an address that nobody verified makes nobody somebody else', async () => {
    const { tokens } = await enter(house, room.either, { presses: ['google', 'allow'] })
    const { control } = house.github
    control.addUser({
      id: 777,
      login: 'mallory',
      emails: [{ email: ada.google, primary: true, verified: false }],
    })
    control.autoApprove('mallory')
    const other = await enter(house, room.either, { presses: ['github', 'allow'] })
    expect(subOf(other.tokens)).not.toBe(subOf(tokens))
    const people = await listed<{ id: string }>(house, `/subjects?email=${ada.google}`)
    expect(people.map(({ id }) => id)).toEqual([subOf(tokens)])
  })

  test('a renamed account is the same person, and its old name is nobody’s', async () => {
    const { tokens } = await enter(house, room.notes)
    const user = house.github.control
    const id = 1000 + Number(ada.name.replace('person', ''))
    user.addUser({ id, login: `${ada.github}-renamed`, emails: [{ email: ada.google, primary: true }] })
    user.autoApprove(`${ada.github}-renamed`)
    const again = await enter(house, room.notes)
    expect(subOf(again.tokens)).toBe(subOf(tokens))
    expect(await subjectNamed(house, ada.github)).toBeUndefined()
  })

  test('an account that signs in somebody else is not connected to this person', async () => {
    await enter(house, room.agenda, { presses: ['allow'] })
    // The same Google account, now beside another GitHub one.
    house.github.control.autoApprove(bob.github)
    const { stop } = await visit(house, room.desk, { browser })
    expect(stop.status).toBe(409)
    expect(stop.text).toContain('This Google account belongs to somebody else here')
    const bobId = await subjectNamed(house, bob.github)
    const held = await listed<{ provider: string }>(house, `/connections?subject_id=${bobId}`)
    expect(held.map(({ provider }) => provider)).toEqual(['github'])
  })
})

describe('prompt and max_age', () => {
  const upstreamPrompt = async (parameters: Record<string, string>, at: Room = room.notes) => {
    const stopping = browserStoppingAt(githubAuthorize(house))
    for (const cookie of browser.cookies.list()) stopping.cookies.plant(cookie)
    const stop = await stopping.walk(urlFor(house, at, parameters), ['allow'])
    return stop.url.startsWith(githubAuthorize(house))
      ? new URL(stop.url).searchParams.get('prompt')
      : 'not there'
  }

  test('prompt=login makes a signed-in person act at the provider', async () => {
    await enter(house, room.notes, { browser })
    expect(await upstreamPrompt({})).toBe('not there')
    // GitHub cannot be asked for a password; that an account is picked is the most it can be asked for.
    expect(await upstreamPrompt({ prompt: 'login' })).toBe('select_account')
    expect(await upstreamPrompt({ prompt: 'select_account' })).toBe('select_account')
  })

  test('max_age counts from the sign-in, and one that is too old is not enough', async () => {
    await enter(house, room.notes, { browser })
    house.clock.advance(100)
    expect(await upstreamPrompt({ max_age: '160' })).toBe('not there')
    expect(await upstreamPrompt({ max_age: '99' })).toBe('select_account')
    expect(await upstreamPrompt({ max_age: '0' })).toBe('select_account')
  })

  test('auth_time is when the provider signed the person in, where it says so', async () => {
    const authTime = house.clock.now() - 5000
    house.google.control.set({ idTokenClaims: { auth_time: authTime } })
    const { tokens } = await enter(house, room.agenda, { browser, presses: ['allow'] })
    house.google.control.set({ idTokenClaims: {} })
    expect(claimsOf(tokens.access_token).auth_time).toBe(authTime)
    const stop = await browser.get(urlFor(house, room.agenda, { prompt: 'none', max_age: '4000' }))
    expect(callbackOf(stop).error).toBe('login_required')
  })

  test('a max_age that is no number of seconds is an error', async () => {
    for (const value of ['-1', '1.5', '1e3', ' 1', '0x10', 'x', '9999999999']) {
      const stop = await browser.get(urlFor(house, room.notes, { max_age: value }))
      expect(callbackOf(stop), value).toMatchObject({ error: 'invalid_request' })
    }
  })

  test('prompt=none shows nothing and goes nowhere', async () => {
    const trips = house.trips()
    const none = async (at: Room, more = {}) =>
      callbackOf(await browser.get(urlFor(house, at, { prompt: 'none', ...more }))).error
    expect(await none(room.notes)).toBe('login_required')
    await enter(house, room.notes, { browser })
    expect(await none(room.notes)).toBe('consent_required')
    expect(await none(room.agenda)).toBe('login_required')
    house.clock.advance(10)
    expect(await none(room.notes, { max_age: '5' })).toBe('login_required')
    for (const prompt of ['none login', 'none consent', 'login none', 'none select_account']) {
      expect(await none(room.notes, { prompt }), prompt).toBe('invalid_request')
    }
    expect(house.trips()).toEqual({ ...trips, github: trips.github + 1 })
  })
})
