import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import {
  approveAs,
  askAtProviders,
  browserStoppingAt,
  callbackUri,
  heldBy,
  isAtProvider,
  listed,
  openRoom,
  type RoomId,
  subjectNamed,
} from '../authorization/steps.ts'
import type { Browser, Stop } from '../support/browser.ts'
import { askForLink } from '../support/connect-links.ts'
import {
  enter,
  fetchToken,
  type House,
  type Person,
  type Room,
  startHouse,
  upstreamClient,
  visit,
} from '../support/house.ts'
import { newBrowser, refresh, registerClient } from '../support/world.ts'
import { endAtGithub, identitiesOf, link, open, press } from './steps.ts'

// What somebody tries who wants to stay in another person's account, or to have what is theirs.

let house: House
const room = {} as Record<RoomId, Room>
let bob: Person
let ada: Person
let browser: Browser

beforeAll(async () => {
  house = await startHouse()
  for (const id of ['notes', 'desk', 'either'] as const) room[id] = await openRoom(house, id)
})
afterAll(() => house.stop())
beforeEach(() => {
  bob = house.newPerson()
  ada = house.newPerson()
  browser = newBrowser()
})

/** Defines a provider anew with a change, until the test is over. */
async function change(provider: 'github' | 'google', changed: Record<string, unknown>): Promise<void> {
  const { admin } = house.gateway
  const { descriptor, variables, client_id, admit } = await admin('GET', `/providers/${provider}`)
  const definition = { descriptor, variables, client_id, admit }
  await admin('PUT', `/providers/${provider}`, { ...definition, ...changed })
  onTestFinished(async () => {
    await admin('PUT', `/providers/${provider}`, { ...definition, enabled: true })
  })
}

const nobody = { admit: { subjects: ['nobody'] } }

/** A browser that stops where a provider sends it back to, and one that has the same cookies and goes on. */
async function cameBack(provider: 'github' | 'google', ...presses: Parameters<typeof press>[2][]) {
  const stopping = browserStoppingAt(callbackUri(house, provider))
  for (const cookie of browser.cookies.list()) stopping.cookies.plant(cookie)
  const away = await press(house, stopping, ...presses)
  expect(away.left).toBe(true)
  for (const cookie of stopping.cookies.list()) browser.cookies.plant(cookie)
  return away.url
}

const due = () => house.gateway.running().gateway.revocations.carryOutDue()
const lastToken = () =>
  house.github.control
    .issued()
    .filter(({ kind }) => kind === 'access_token')
    .at(-1)?.value ?? ''
async function worksAtGithub(token: string): Promise<boolean> {
  const headers = { authorization: `Bearer ${token}`, 'user-agent': 'test' }
  return (await fetch(`${house.github.api}/user`, { headers })).ok
}

/** Something happens while the provider is asked who came back. */
function meanwhile(happens: () => Promise<unknown>): void {
  const { upstream } = house.gateway.running().gateway
  const { identify } = upstream
  upstream.identify = async (...asked) => {
    upstream.identify = identify
    const identified = await identify(...asked)
    await happens()
    return identified
  }
}

describe('a sign-in that counts no more', () => {
  test('finishes nothing that it began: not the trip, nor the yes at its end', async () => {
    await press(house, browser, 'github')
    const callback = await cameBack('google', link('Google'))
    const other = newBrowser()
    const found = await press(house, other, 'github', link('Google'))
    await change('github', nobody)
    expect((await browser.get(callback)).status).toBe(400)
    expect((await other.submit(found, { button: 'link' })).status).toBe(400)
    expect(await identitiesOf(house, ada.github)).toEqual([`github ${ada.github}`])
  })

  test('is told nothing by a link that is still theirs', async () => {
    const stay = await enter(house, room.notes, { browser })
    const { url } = await askForLink(house, room.notes, stay.tsid, 'github')
    expect((await browser.get(url)).text).toContain(`For ${ada.github}`)
    await change('github', nobody)
    expect((await browser.get(url)).text).not.toContain(ada.github)
  })

  test('is not lengthened by signing in somewhere else every day', async () => {
    await press(house, browser, 'github', link('Google'), 'link')
    for (let half = 0; half < 4; half++) {
      house.clock.advance(7 * 3600)
      const parameters = { prompt: 'login' }
      await enter(house, room.either, { browser, parameters, presses: ['google', 'allow'] })
    }
    // A room that takes GitHub alone: the sign-in there is 28 hours old.
    const trips = house.trips().github
    await enter(house, room.notes, { browser })
    expect(house.trips().github).toBe(trips + 1)
  })
})

describe('a provider that admits others since', () => {
  test('links nobody it had admitted before', async () => {
    const found = await press(house, browser, 'github', link('Google'))
    await change('google', nobody)
    expect((await browser.submit(found, { button: 'link' })).status).toBe(400)
    expect(await identitiesOf(house, ada.github)).toEqual([`github ${ada.github}`])
  })

  test('lets nobody switch to whom it had admitted before', async () => {
    house.seat(bob)
    await press(house, browser, 'github')
    // Two tabs: one goes to sign in, the other did.
    await press(house, browser, 'Sign out here')
    const tab = await open(house, browser)
    await press(house, browser, 'github')
    await press(house, browser, 'Sign out here')
    const callback = await cameBack('google', 'google')
    await press(house, browser, 'github')
    expect(tab.status).toBe(200)
    const question = await browser.get(callback)
    expect(question.text).toContain('That is a different account')
    await change('google', nobody)
    expect((await browser.submit(question, { button: 'switch' })).status).toBe(400)
    expect((await open(house, browser)).text).toContain(`Signed in as ${bob.github}`)
  })
})

describe('on the way to an MCP client', () => {
  test('nobody switches to whom a provider had admitted before', async () => {
    house.seat(bob)
    await press(house, browser, 'google')
    house.seat(ada)
    const { stop } = await visit(house, room.notes, { browser })
    expect(stop.text).toContain('That is a different account')
    await change('github', nobody)
    expect((await browser.submit(stop, { button: 'switch' })).status).toBe(400)
    expect((await open(house, browser)).text).toContain(`Signed in as ${bob.google}`)
  })

  test('what a link brought is thrown away where its session ended at that moment', async () => {
    const stay = await enter(house, room.notes, { browser })
    const other = await askForLink(house, room.notes, stay.tsid, 'github', { account: 'new' })
    meanwhile(() => house.gateway.admin('DELETE', `/clients/${encodeURIComponent(house.clientId)}`))
    onTestFinished(async () => {
      house.clientId = await registerClient(house.gateway)
    })
    house.seat(house.newPerson())
    const stop = await browser.walk(other.url, ['continue'])
    expect(stop.status).toBe(400)
    await due()
    expect(await worksAtGithub(lastToken())).toBe(false)
  })
})

describe('who takes over a browser', () => {
  test('does not finish what the person before had begun and signed out of', async () => {
    await press(house, browser, 'github')
    askAtProviders(house)
    const halfway = await visit(house, room.desk, { browser, presses: ['allow'] })
    const atGoogle = isAtProvider(halfway.stop) ? await approveIfGithub(halfway.stop) : halfway.stop
    expect(isAtProvider(atGoogle)).toBe(true)
    await press(house, browser, 'Sign out here')
    const late = await approveAs(browser, atGoogle, bob)
    expect(late.left).toBe(false)
    expect(late.status).toBe(400)
    const adaId = await subjectNamed(house, ada.github)
    expect(await listed(house, `/connections?subject_id=${adaId}`)).toHaveLength(1)
  })

  /** The desk takes repositories, too, so that GitHub is asked once more. */
  async function approveIfGithub(stop: Stop): Promise<Stop> {
    return stop.url.startsWith(house.github.web) ? await approveAs(browser, stop, ada) : stop
  }

  test('ends nothing in another browser by signing out here', async () => {
    const other = newBrowser()
    await press(house, other, 'github')
    const found = await press(house, other, link('Google'))
    await press(house, browser, 'github')
    await press(house, browser, 'Sign out here')
    expect((await other.submit(found, { button: 'link' })).text).toContain('You can now sign in that way')
  })

  test('brings nothing home on a trip that somebody else began', async () => {
    await press(house, browser, 'github')
    const callback = await cameBack('google', link('Google'))
    await press(house, browser, 'Sign out here')
    house.seat(bob)
    await press(house, browser, 'github')
    const exchanges = house.google.calls('POST /token').length
    expect((await browser.get(callback)).status).toBe(400)
    expect(house.google.calls('POST /token')).toHaveLength(exchanges)
    expect(await identitiesOf(house, bob.github)).toEqual([`github ${bob.github}`])
  })
})

describe('two who link one account at the same moment', () => {
  test('do not become one person: it is one of theirs, and no news to the other', async () => {
    const others = newBrowser()
    house.seat(bob)
    await press(house, others, 'github')
    house.seat({ ...bob, google: ada.google })
    const theirs = await press(house, others, link('Google'))
    house.seat(ada)
    const mine = await press(house, browser, 'github', link('Google'))
    const answers = await Promise.all([
      browser.submit(mine, { button: 'link' }),
      others.submit(theirs, { button: 'link' }),
    ])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409])
    const all = [...(await identitiesOf(house, ada.github)), ...(await identitiesOf(house, bob.github))]
    expect(all.sort()).toEqual(
      [`github ${ada.github}`, `github ${bob.github}`, `google ${ada.google}`].sort(),
    )
  })
})

test('what was signed out of everywhere is not linked, however late that comes', async () => {
  const found = await press(house, browser, 'github', link('Google'))
  const other = newBrowser()
  await press(house, other, 'github')
  const { completions } = house.gateway.running().gateway.store
  const { withIdentity } = completions
  completions.withIdentity = async (...made) => {
    completions.withIdentity = withIdentity
    await other.submit(await press(house, other, 'Sign out everywhere'))
    return await withIdentity(...made)
  }
  expect((await browser.submit(found, { button: 'link' })).status).toBe(400)
  expect(await identitiesOf(house, ada.github)).toEqual([`github ${ada.github}`])
  expect((await open(house, browser)).text).toContain('Sign in to your account page')
})

test('who signs in by a way that is being removed at that moment is not let in', async () => {
  await press(house, browser, 'github', link('Google'), 'link')
  const removing = async () => browser.submit(await press(house, browser, /^Remove Google/))
  const { subjects } = house.gateway.running().gateway.store
  const { recordSignIn } = subjects
  const attacker = newBrowser()
  for (const enters of [
    () => press(house, attacker, 'google'),
    () => visit(house, room.either, { browser: attacker, presses: ['google', 'allow'] }),
  ]) {
    subjects.recordSignIn = async (...seen) => {
      subjects.recordSignIn = recordSignIn
      await recordSignIn(...seen)
      await removing()
    }
    await enters()
    expect((await open(house, attacker)).text).toContain('Sign in to your account page')
    expect(await identitiesOf(house, ada.github)).toEqual([`github ${ada.github}`])
    await press(house, browser, link('Google'), 'link')
  }
})

describe('who is refused on the account page', () => {
  test('is on record, and what they brought is thrown away', async () => {
    await change('github', nobody)
    expect((await press(house, browser, 'github')).status).toBe(400)
    await press(house, newBrowser(), 'github')
    const refused = await listed<{ provider: string; outcome: string; detail: { upstream_subject: string } }>(
      house,
      '/audit-events?event=subject.refused&limit=1',
    )
    expect(refused).toMatchObject([{ provider: 'github', outcome: 'not_admitted' }])
    await due()
    expect(await worksAtGithub(lastToken())).toBe(false)
  })

  test('because an administrator disabled them is on record as that person', async () => {
    await press(house, browser, 'github')
    const adaId = await subjectNamed(house, ada.github)
    await house.gateway.admin('PATCH', `/subjects/${adaId}`, { enabled: false })
    expect((await press(house, browser, 'github')).status).toBe(400)
    const refused = await listed(house, `/audit-events?event=subject.refused&subject_id=${adaId}`)
    expect(refused).toMatchObject([{ outcome: 'subject_disabled' }])
    await due()
    expect(await worksAtGithub(lastToken())).toBe(false)
  })

  test('because the account is somebody else’s leaves that person what they have', async () => {
    house.seat(bob)
    const his = await enter(house, room.notes)
    const token = String((await fetchToken(house, room.notes, his.tsid, 'github')).body.access_token)
    const mine = newBrowser()
    house.seat(ada)
    await press(house, mine, 'google')
    house.seat({ ...ada, github: bob.github })
    expect((await press(house, mine, link('GitHub'))).status).toBe(409)
    const brought = lastToken()
    expect(brought).not.toBe(token)
    await due()
    expect(await Promise.all([brought, token].map(worksAtGithub))).toEqual([false, true])
  })
})

describe('what a repair brought that is not kept', () => {
  test('of another account, or one of somebody else, is thrown away and nothing else of theirs', async () => {
    house.seat(bob)
    const his = await enter(house, room.notes)
    house.seat(ada)
    const stay = await enter(house, room.notes, { browser })
    await endAtGithub(house, ada, stay, room.notes)
    await press(house, browser, 'github')
    await refresh(house, his.tokens.refresh_token)
    const token = String((await fetchToken(house, room.notes, his.tsid, 'github')).body.access_token)
    house.seat(bob)
    const owned = await press(house, browser, /^Reconnect/)
    expect(owned.status).toBe(409)
    expect(owned.text).toContain('belongs to somebody else here')
    const brought = [lastToken()]
    house.seat(house.newPerson())
    expect((await press(house, browser, /^Reconnect/)).status).toBe(409)
    brought.push(lastToken())
    await due()
    expect(await Promise.all([...brought, token].map(worksAtGithub))).toEqual([false, false, true])
  })

  test('at a provider where that would end everything leaves the account’s owner what they have', async () => {
    const agenda = await openRoom(house, 'agenda')
    house.seat(bob)
    const his = await enter(house, agenda, { presses: ['google', 'allow'] })
    house.seat(ada)
    const stay = await enter(house, agenda, { browser, presses: ['google', 'allow'] })
    house.google.control.revoke({ clientId: upstreamClient.clientId, user: ada.google })
    house.clock.advance(3601)
    await refresh(house, stay.tokens.refresh_token)
    expect((await fetchToken(house, agenda, stay.tsid, 'google')).status).toBe(424)
    house.seat({ ...ada, google: bob.google })
    expect((await press(house, browser, /^Reconnect/)).status).toBe(409)
    // The person may be about to come back, so the provider is told later.
    house.clock.advance(1800)
    await due()
    await refresh(house, his.tokens.refresh_token)
    const { status, body } = await fetchToken(house, agenda, his.tsid, 'google')
    expect(status).toBe(200)
    const headers = { authorization: `Bearer ${body.access_token}` }
    expect((await fetch(`${house.google.issuer}/v1/userinfo`, { headers })).ok).toBe(true)
  })

  test('after the person signed out, or disconnected the account, is thrown away', async () => {
    const stay = await enter(house, room.notes, { browser })
    await endAtGithub(house, ada, stay, room.notes)
    await press(house, browser, 'github')
    const tab = newBrowser()
    for (const cookie of browser.cookies.list()) tab.cookies.plant(cookie)
    meanwhile(() => press(house, tab, 'Sign out here'))
    expect((await press(house, browser, /^Reconnect/)).status).toBe(400)
    await due()
    expect(await worksAtGithub(lastToken())).toBe(false)

    await press(house, browser, 'github')
    for (const cookie of browser.cookies.list()) tab.cookies.plant(cookie)
    meanwhile(async () => tab.submit(await press(house, tab, /^Disconnect/)))
    expect((await press(house, browser, /^Reconnect/)).status).toBe(400)
    await due()
    expect(await worksAtGithub(lastToken())).toBe(false)
    const adaId = await subjectNamed(house, ada.github)
    expect(await listed(house, `/connections?subject_id=${adaId}`)).toEqual([])
  })

  test('with fewer rights is thrown away, and the connection stays as it was', async () => {
    const stay = await enter(house, room.notes, { browser })
    await endAtGithub(house, ada, stay, room.notes)
    await press(house, browser, 'github')
    house.github.control.script({
      on: 'POST /login/oauth/access_token',
      effect: { kind: 'patch', json: { scope: 'read:user,user:email' } },
    })
    const refused = await press(house, browser, /^Reconnect/)
    house.github.control.clearScripts()
    expect(refused.status).toBe(400)
    expect(refused.text).toContain('GitHub was told no')
    expect(refused.text).toContain('your account page')
    await due()
    expect(await worksAtGithub(lastToken())).toBe(false)
    const [trip] = browser.steps
      .map(({ url }) => url)
      .filter((url) => url.includes('/interactions/'))
      .slice(-1)
    expect((await browser.get(trip ?? '')).status).toBe(400)
    expect((await open(house, browser)).text).toContain('has ended at GitHub')
  })
})

test('a repair with the rights there still are moves the sessions that may have them all, and no other', async () => {
  const both = await house.open('both', { providers: [{ provider: 'github', scopes: ['repo', 'gist'] }] })
  const twin = await house.open('twin', { providers: [{ provider: 'github', scopes: ['repo', 'gist'] }] })
  const stays = [await enter(house, both, { browser }), await enter(house, twin, { browser })] as const
  await endAtGithub(house, ada, stays[0], both)
  expect((await refresh(house, stays[1].tokens.refresh_token)).status).toBe(200)
  // Repositories are no longer to be asked for, and the twin may not have gists either.
  await house.open('twin', { providers: [{ provider: 'github', scopes: ['repo'] }] })
  await change('github', { scopes: ['gist'] })
  await press(house, browser, 'github')
  const page = await press(house, browser, /^Reconnect/)
  expect(page.text).toContain('The account is connected again.')
  expect(await heldBy(house, both, stays[0].tsid)).toMatchObject([{ state: 'live' }])
  expect((await fetchToken(house, both, stays[0].tsid, 'github')).status).toBe(200)
  expect((await fetchToken(house, twin, stays[1].tsid, 'github')).body.access_token).toBeUndefined()
  expect(page.text).toContain('has ended at GitHub')
  // Nothing is left of it once nobody draws on it.
  await house.open('twin', { providers: [{ provider: 'github', scopes: ['gist'] }] })
  const repaired = await press(house, browser, /^Reconnect/)
  expect(repaired.text).not.toContain('has ended at GitHub')
  const adaId = await subjectNamed(house, ada.github)
  expect(await listed(house, `/connections?subject_id=${adaId}`)).toMatchObject([{ status: 'live' }])
  expect(await heldBy(house, twin, stays[1].tsid)).toMatchObject([{ state: 'live' }])
})

describe('the last way in', () => {
  test('is one that lets somebody in: one at a disabled provider does not count', async () => {
    const page = await press(house, browser, 'github', link('Google'), 'link')
    const asked = await browser.submit(page, { button: /^Remove GitHub/ })
    expect(asked.text).toContain('No longer sign in with GitHub?')
    await change('google', { enabled: false })
    expect((await browser.submit(asked)).status).toBe(400)
    expect(await identitiesOf(house, ada.github)).toHaveLength(2)
    const now = await open(house, browser)
    expect(now.text).not.toContain('Remove GitHub')
    expect(now.text).toContain('Remove Google')
  })
})
