import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import {
  callAs,
  type HeldConnection,
  heldBy,
  isAtProvider,
  listed,
  openRoom,
  type RoomId,
  subjectNamed,
} from '../authorization/steps.ts'
import type { Browser } from '../support/browser.ts'
import { createStillClock, startTestGateway } from '../support/gateway.ts'
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
import { authorizeUrl, claimsOf, newBrowser, newPkce, redeem, refresh } from '../support/world.ts'
import { accountUrl, endAtGithub, open, press, proofOf } from './steps.ts'

let house: House
const room = {} as Record<RoomId, Room>
let bob: Person
let ada: Person
let browser: Browser

beforeAll(async () => {
  house = await startHouse()
  for (const id of ['notes', 'agenda', 'desk', 'either'] as const) room[id] = await openRoom(house, id)
})
afterAll(() => house.stop())
beforeEach(() => {
  bob = house.newPerson()
  ada = house.newPerson()
  browser = newBrowser()
})

type Event = { event: string; actor: string; client_id: string | null; resource_id: string | null }
const eventsOf = async (subjectId: string | undefined, event: string) =>
  await listed<Event>(house, `/audit-events?subject_id=${subjectId}&event=${event}`)

describe('who is not signed in', () => {
  test('chooses a provider, and is back on the page after one trip', async () => {
    const page = await open(house, browser)
    expect(page.text).toContain('Sign in to your account page')
    expect(page.forms.flatMap(({ buttons }) => buttons.map(({ value }) => value))).toEqual([
      'atlassian',
      'github',
      'google',
    ])
    const account = await browser.submit(page, { button: 'github' })
    expect(account.url).toBe(accountUrl(house))
    expect(account.text).toContain(`Signed in as ${ada.github}`)
    expect(account.text).toContain('No MCP client reaches anything in your name.')
    expect(account.text).toContain('No account of yours is connected.')
  })

  test('costs no row by looking, and asks a provider for nothing but who they are', async () => {
    const before = await house.gateway
      .running()
      .gateway.store.interactions.countUnderWay('', house.clock.now())
    const page = await open(house, browser)
    const after = await house.gateway
      .running()
      .gateway.store.interactions.countUnderWay('', house.clock.now())
    expect(after.all).toBe(before.all)
    await browser.submit(page, { button: 'github' })
    const trip = house.github.calls('GET /login/oauth/authorize').at(-1)?.query
    expect(String(trip?.scope).split(' ').sort()).toEqual(['read:user', 'user:email'])
    expect(trip).toHaveProperty('code_challenge')
    expect(trip).toHaveProperty('state')
    const adaId = await subjectNamed(house, ada.github)
    expect(await listed(house, `/connections?subject_id=${adaId}`)).toEqual([])
  })

  test('is the same subject as at an MCP client, and the session serves both', async () => {
    const { tokens } = await enter(house, room.notes, { browser })
    expect((await open(house, browser)).text).toContain(`Signed in as ${ada.github}`)
    expect(claimsOf(tokens.access_token).sub).toBe(await subjectNamed(house, ada.github))
  })

  test('gets nothing done: every button but the first needs a session', async () => {
    for (const action of [
      'end-access',
      'disconnect',
      'reconnect',
      'link',
      'unlink',
      'sign-out',
      'end-all',
      '',
    ]) {
      const answer = await browser.post(
        accountUrl(house),
        { action, proof: '', provider: 'github' },
        { from: accountUrl(house) },
      )
      expect(answer.status, action).toBe(400)
      expect(answer.text).toContain('This page is out of date')
    }
  })

  test('is not let in by a provider that does not admit them', async () => {
    const definition = {
      descriptor: 'google',
      variables: { issuer: house.google.issuer },
      client_id: upstreamClient.clientId,
      client_secret: upstreamClient.clientSecret,
    }
    await house.gateway.admin('PUT', '/providers/google', {
      ...definition,
      admit: { hosted_domains: ['acme.test'] },
    })
    const refused = await press(house, browser, 'google')
    await house.gateway.admin('PUT', '/providers/google', { ...definition, admit: 'anyone' })
    expect(refused.status).toBe(400)
    expect(refused.text).toContain('This account may not sign in here')
    expect(refused.text).toContain('start again')
    expect((await open(house, browser)).text).toContain('Sign in to your account page')
  })

  test('is told so where an administrator disabled them, and an older session counts no more', async () => {
    await press(house, browser, 'github')
    const adaId = await subjectNamed(house, ada.github)
    await house.gateway.admin('PATCH', `/subjects/${adaId}`, { enabled: false })
    expect((await open(house, browser)).text).toContain('Sign in to your account page')
    expect((await press(house, browser, 'github')).status).toBe(400)
  })

  test('finishes in the browser they began in, and in no other', async () => {
    house.github.control.ask()
    house.github.control.currentUser(null)
    const atProvider = await press(house, browser, 'github')
    expect(isAtProvider(atProvider)).toBe(true)
    const interaction = browser.steps.map(({ url }) => url).find((url) => url.includes('/interactions/'))
    const stranger = newBrowser()
    expect((await stranger.get(interaction ?? '')).status).toBe(403)
    expect(
      (await stranger.post(interaction ?? '', { decision: 'switch' }, { from: interaction ?? '' })).status,
    ).toBe(403)
  })
})

describe('the page', () => {
  test('says who works for somebody, and which accounts are lent to whom, with which rights', async () => {
    const { tsid } = await enter(house, room.notes, { browser })
    expect((await open(house, browser)).text).toContain('Never used.')
    await fetchToken(house, room.notes, tsid, 'github')
    const { text } = await open(house, browser)
    expect(text).toContain('A test client ” uses notes https://notes.test/mcp')
    expect(text).toContain('Since a moment ago, last used a moment ago')
    expect(text).toContain(`GitHub: ${ada.github}`)
    expect(text).toContain('repositories')
    expect(text).toContain('For notes. Last used a moment ago by notes.')
    house.clock.advance(3 * 3600)
    expect((await open(house, browser)).text).toContain('Last used 3 hours ago by notes.')
  })

  test('shows nothing of anybody else', async () => {
    house.seat(bob)
    await enter(house, room.notes)
    house.seat(ada)
    const { text } = await press(house, browser, 'github')
    expect(text).not.toContain(bob.github)
    expect(text).toContain('No MCP client reaches anything')
  })

  test('may not be framed, cached or scripted, and names no secret', async () => {
    const { tsid, tokens } = await enter(house, room.notes, { browser })
    const page = await open(house, browser)
    expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(page.headers.get('x-frame-options')).toBe('DENY')
    expect(page.headers.get('cache-control')).toBe('no-store')
    for (const secret of [tsid, tokens.access_token, tokens.refresh_token])
      expect(page.html).not.toContain(secret)
  })

  test('takes no words for what was done but our own', async () => {
    await press(house, browser, 'github')
    const page = await browser.get(`${accountUrl(house)}?done=<script>alert(1)</script>`)
    expect(page.html).not.toContain('alert')
    expect((await browser.get(`${accountUrl(house)}?done=ended`)).text).toContain('That access has ended.')
  })
})

describe('ending the access of one client', () => {
  test('ends all its sessions at that MCP server, there alone, and asks anew next time', async () => {
    const first = await enter(house, room.notes, { browser })
    const second = await enter(house, room.notes, { browser })
    const elsewhere = await enter(house, room.either, { browser })
    const page = await press(house, browser, /^End access .* at notes$/)
    expect(page.text).toContain('That access has ended.')
    expect(page.text).not.toContain('uses notes')
    for (const { tsid, tokens } of [first, second]) {
      expect((await callAs(house, room.notes, tsid)).status).toBe(404)
      expect((await refresh(house, tokens.refresh_token)).status).toBe(400)
    }
    expect((await callAs(house, room.either, elsewhere.tsid)).status).toBe(200)
    const subjectId = String(claimsOf(first.tokens.access_token).sub)
    expect(await eventsOf(subjectId, 'access.ended')).toMatchObject([
      { actor: `subject:${subjectId}`, client_id: house.clientId, resource_id: 'notes' },
    ])
  })

  test('ends what was allowed a moment ago and not yet picked up', async () => {
    await enter(house, room.notes, { browser })
    const { verifier, challenge } = newPkce()
    const stop = await browser.walk(authorizeUrl(house, challenge, { resource: room.notes.uri }), ['allow'])
    await press(house, browser, /^End access/)
    const code = new URL(stop.url).searchParams.get('code') ?? ''
    expect((await redeem(house, { code, verifier })).status).toBe(400)
  })

  test('another person’s sessions go on, whatever ids the form names', async () => {
    house.seat(bob)
    const his = await enter(house, room.notes)
    house.seat(ada)
    const page = await press(house, browser, 'github')
    const answer = await browser.post(
      accountUrl(house),
      { action: 'end-access', proof: proofOf(page), client_id: house.clientId, resource_id: 'notes' },
      { from: accountUrl(house) },
    )
    expect(answer.status).toBe(200)
    expect((await callAs(house, room.notes, his.tsid)).status).toBe(200)
  })

  test('all of it at once, after a question', async () => {
    const stays = [await enter(house, room.notes, { browser }), await enter(house, room.either, { browser })]
    const asked = await press(house, browser, 'End all access')
    expect(asked.text).toContain('End all access?')
    expect((await callAs(house, room.either, stays[1]?.tsid ?? '')).status).toBe(200)
    expect((await browser.submit(asked)).text).toContain('All access has ended.')
    expect((await callAs(house, room.either, stays[1]?.tsid ?? '')).status).toBe(404)
  })
})

describe('connected accounts', () => {
  test('disconnecting one takes its connections and ends the sessions that draw on it', async () => {
    const { tsid, tokens } = await enter(house, room.notes, { browser })
    const asked = await press(house, browser, /^Disconnect/)
    expect(asked.text).toContain('Disconnect GitHub?')
    expect((await callAs(house, room.notes, tsid)).status).toBe(200)
    const page = await browser.submit(asked)
    expect(page.text).toContain('The account is disconnected.')
    expect(page.text).toContain('No account of yours is connected.')
    expect((await callAs(house, room.notes, tsid)).status).toBe(404)
    const subjectId = String(claimsOf(tokens.access_token).sub)
    expect(await eventsOf(subjectId, 'connection.deleted')).toMatchObject([{ actor: `subject:${subjectId}` }])
    // Who they are did not change.
    const again = await enter(house, room.notes, { browser })
    expect(claimsOf(again.tokens.access_token).sub).toBe(subjectId)
  })

  test('nobody disconnects or repairs what is another person’s', async () => {
    house.seat(bob)
    const his = await enter(house, room.notes)
    const bobId = String(claimsOf(his.tokens.access_token).sub)
    const [connection] = await listed<{ id: string; account: { id: string } }>(
      house,
      `/connections?subject_id=${bobId}`,
    )
    house.seat(ada)
    const proof = proofOf(await press(house, browser, 'github'))
    const trips = house.trips().github
    for (const fields of [
      { action: 'disconnect', account_id: connection?.account.id ?? '', confirmed: 'yes' },
      { action: 'reconnect', connection_id: connection?.id ?? '' },
    ]) {
      const answer = await browser.post(accountUrl(house), { proof, ...fields }, { from: accountUrl(house) })
      expect(answer.status).toBe(400)
      expect(answer.text).toContain('This page is out of date')
    }
    expect(house.trips().github).toBe(trips)
    expect((await heldBy(house, room.notes, his.tsid)).map(({ state }) => state)).toEqual(['live'])
  })

  const states = (held: readonly HeldConnection[]) => held.map(({ state }) => state)

  test('one that ended is repaired from the page, for every session that draws on it', async () => {
    const stay = await enter(house, room.notes, { browser })
    await endAtGithub(house, ada, stay, room.notes)
    await press(house, browser, 'github')
    expect((await open(house, browser)).text).toContain('This connection has ended at GitHub.')
    const page = await press(house, browser, /^Reconnect/)
    expect(page.text).toContain('The account is connected again.')
    expect(page.text).not.toContain('has ended at GitHub')
    expect(house.github.calls('GET /login/oauth/authorize').at(-1)?.query).toMatchObject({
      prompt: 'select_account',
    })
    expect(states(await heldBy(house, room.notes, stay.tsid))).toEqual(['live'])
    expect((await fetchToken(house, room.notes, stay.tsid, 'github')).status).toBe(200)
    const subjectId = String(claimsOf(stay.tokens.access_token).sub)
    expect(await eventsOf(subjectId, 'connection.reconnected')).toHaveLength(1)
  })

  test('one is not repaired with another account, nor with one that signs somebody else in', async () => {
    const stay = await enter(house, room.notes, { browser })
    await endAtGithub(house, ada, stay, room.notes)
    await press(house, browser, 'github')
    const third = house.newPerson()
    house.seat(third)
    const refused = await press(house, browser, /^Reconnect/)
    expect(refused.status).toBe(409)
    expect(refused.text).toContain(`as ${ada.github}, but came back as ${third.github}`)
    expect((await browser.submit(refused, { button: 'back' })).text).toContain('has ended at GitHub')
    await enter(house, room.notes)
    const owned = await press(house, browser, /^Reconnect/)
    expect(owned.status).toBe(409)
    expect(owned.text).toContain('belongs to somebody else here')
    house.seat(ada)
    expect((await press(house, browser, /^Reconnect/)).text).toContain('The account is connected again.')
  })
})

describe('signing out', () => {
  test('here ends this browser’s session and no other', async () => {
    await press(house, browser, 'github')
    const other = newBrowser()
    await press(house, other, 'github')
    const out = await press(house, browser, 'Sign out here')
    expect(out.text).toContain('You are signed out.')
    expect((await open(house, browser)).text).toContain('Sign in to your account page')
    expect((await open(house, other)).text).toContain('Your account')
  })

  test('everywhere ends all of the person’s, and what was under way in them; others stay', async () => {
    const other = newBrowser()
    await enter(house, room.notes, { browser: other })
    house.google.control.ask()
    house.google.control.currentUser(null)
    const halfway = await visit(house, room.desk, { browser: other, presses: ['allow'] })
    expect(isAtProvider(halfway.stop)).toBe(true)
    house.seat(bob)
    const his = newBrowser()
    await press(house, his, 'github')
    house.seat(ada)
    await press(house, browser, 'github')
    const out = await browser.submit(await press(house, browser, 'Sign out everywhere'))
    expect(out.text).toContain('You are signed out.')
    expect((await open(house, other)).text).toContain('Sign in to your account page')
    expect((await open(house, his)).text).toContain('Your account')
    const end = await other.submit(halfway.stop, {
      button: 'Authorize',
      fields: {
        user:
          halfway.stop.html.match(new RegExp(`value="([^"]*)"[^>]*><span>[^<]*<small>${ada.google}<`))?.[1] ??
          '',
      },
    })
    expect(end.left).toBe(false)
    expect(end.status).toBe(400)
    const subjectId = await subjectNamed(house, ada.github)
    expect(await eventsOf(subjectId, 'subject.signed_out')).toMatchObject([{ actor: `subject:${subjectId}` }])
  })
})

describe('forged and stale forms', () => {
  const from = 'https://evil.test/page'

  test('of another site change nothing', async () => {
    const { tsid } = await enter(house, room.notes, { browser })
    const proof = proofOf(await open(house, browser))
    const fields = { action: 'end-all', proof, confirmed: 'yes' }
    const forged = [
      await browser.post(accountUrl(house), fields, { from }),
      await browser.post(accountUrl(house), fields, { headers: { 'sec-fetch-site': 'same-site' } }),
      await browser.post(accountUrl(house), fields, { headers: { 'sec-fetch-site': 'cross-site' } }),
    ]
    for (const { status } of forged) expect(status).toBe(403)
    expect((await callAs(house, room.notes, tsid)).status).toBe(200)
  })

  test('without the proof of this session, with another’s or an earlier one’s, change nothing', async () => {
    const { tsid } = await enter(house, room.notes, { browser })
    const earlier = proofOf(await open(house, browser))
    house.seat(bob)
    const foreign = proofOf(await press(house, newBrowser(), 'github'))
    house.seat(ada)
    await press(house, browser, 'Sign out here')
    await press(house, browser, 'github')
    for (const proof of [earlier, foreign, '', 'x']) {
      const fields = { action: 'end-all', proof, confirmed: 'yes' }
      const answer = await browser.post(accountUrl(house), fields, { from: accountUrl(house) })
      expect(answer.status).toBe(400)
      expect(answer.text).toContain('This page is out of date')
    }
    expect((await callAs(house, room.notes, tsid)).status).toBe(200)
  })

  test('a planted session cookie becomes nobody’s session', async () => {
    const host = new URL(house.gateway.issuer).hostname
    browser.cookies.plant({ name: 'coatcheck-session', value: 'cc_session_planted', host })
    const page = await press(house, browser, 'github')
    expect(page.text).toContain('Your account')
    expect(browser.cookies.find('coatcheck-session')?.value).toMatch(/^cc_session_[\w-]{43}$/)
  })

  test('other methods and bodies are refused in words', async () => {
    const url = accountUrl(house)
    expect((await fetch(url, { method: 'DELETE' })).status).toBe(405)
    const json = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    })
    expect(json.status).toBe(415)
  })
})

test('a gateway that nobody can sign in to says so, and one address may not ask for ever', async () => {
  const clock = createStillClock()
  const gateway = await startTestGateway({ clock, file: { limits: { account_visits_per_address: 10 } } })
  onTestFinished(gateway.stop)
  for (let visits = 0; visits < 10; visits++) {
    const page = await browser.get(`${gateway.issuer}/account`)
    expect(page.status).toBe(503)
    expect(page.text).toContain('Nobody can sign in here yet')
  }
  const refused = await browser.get(`${gateway.issuer}/account`)
  expect(refused.status).toBe(429)
  expect(refused.headers.get('retry-after')).toMatch(/^\d+$/)
  expect(refused.text).toContain('That was a little too fast')
  const from = `${gateway.issuer}/account`
  const posted = await browser.post(from, { action: 'end-all' }, { from })
  expect(posted.status).toBe(429)
  clock.advance(61)
  expect((await browser.get(`${gateway.issuer}/account`)).status).toBe(503)
})
