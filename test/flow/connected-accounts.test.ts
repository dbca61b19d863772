import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { heldBy } from '../authorization/steps.ts'
import { askForLink, linkFor, stateOf } from '../support/connect-links.ts'
import {
  calendar,
  enter,
  fetchToken,
  type House,
  type Person,
  type Room,
  type Stay,
  startHouse,
  upstreamClient,
} from '../support/house.ts'
import { newBrowser, refresh, registerClient } from '../support/world.ts'

let house: House
/** People sign in with Google; GitHub is theirs to connect, with any of their accounts. */
let forge: Room
let ada: Person
let stay: Stay

const github = (scopes: string[]) => ({
  sign_in: ['google'],
  providers: [
    { provider: 'google', scopes: [] },
    { provider: 'github', scopes },
  ],
})

beforeAll(async () => {
  house = await startHouse()
})
afterAll(() => house.stop())
beforeEach(async () => {
  forge = await house.open('forge', github(['repo', 'gist']))
  ada = house.newPerson()
  stay = await enter(house, forge)
})

const ask = async (tsid = stay.tsid, query: Record<string, string> = {}) =>
  await fetchToken(house, forge, tsid, 'github', query)

/** Whose token it is and what it may do, by GitHub's own word. */
async function atGithub(token: unknown): Promise<{ login: string; scopes: string[] }> {
  const response = await fetch(`${house.github.api}/user`, {
    headers: { authorization: `Bearer ${token}`, 'user-agent': 'test' },
  })
  const { login } = (await response.json()) as { login: string }
  const scopes = (response.headers.get('x-oauth-scopes') ?? '').split(', ')
  return { login, scopes: scopes.filter((scope) => !['read:user', 'user:email'].includes(scope)).sort() }
}

/** The person removes the app at GitHub, and everybody's tokens come to their end here. */
async function removeAppAtGithub(...sessions: Stay[]): Promise<void> {
  house.github.control.revoke({ user: ada.github, clientId: upstreamClient.clientId })
  house.clock.advance(28_801)
  for (const session of sessions) {
    const answer = await refresh(house, session.tokens.refresh_token)
    expect(answer.status).toBe(200)
  }
}

const lastTrip = () => house.github.calls('GET /login/oauth/authorize').at(-1)?.query

describe('a connection that died', () => {
  test('is told with since and reason, and healed by the link for every session that shares it', async () => {
    const other = await enter(house, forge, { browser: stay.browser })
    await removeAppAtGithub(stay, other)
    const before = house.clock.now()
    const { status, body } = await ask()
    expect(status).toBe(424)
    expect(body).toMatchObject({
      error_code: 'needs_reauthorization',
      who_must_act: 'user',
      reason: 'bad_refresh_token',
    })
    expect(Number(body.since)).toBeGreaterThanOrEqual(before)
    expect((await ask(other.tsid)).status).toBe(424)

    const link = await linkFor(house, forge, stay.tsid, 'github')
    const page = await newBrowser().get(link.url)
    expect(page.text).toContain('Sign in to GitHub again?')
    await stay.browser.walk(link.url, ['continue'])
    expect(lastTrip()?.prompt).toBe('select_account')
    for (const session of [stay, other]) {
      const { body: answer } = await ask(session.tsid)
      expect(await atGithub(answer.access_token)).toEqual({ login: ada.github, scopes: ['gist', 'repo'] })
    }
  })

  test('is not healed with another account; the person is told which, and may try again', async () => {
    await removeAppAtGithub(stay)
    const link = await linkFor(house, forge, stay.tsid, 'github')
    const { github: otherAccount } = house.newPerson()
    house.seat({ ...ada, github: otherAccount })
    const refused = await stay.browser.walk(link.url, ['continue'])
    expect(refused.status).toBe(409)
    expect(refused.text).toContain(
      `You set out to sign in to GitHub as ${ada.github}, but came back as ${otherAccount}.`,
    )
    expect((await ask()).status).toBe(424)
    house.seat(ada)
    const done = await stay.browser.submit(refused, { button: 'switch' })
    expect(done.text).toContain(`your GitHub account ${ada.github}.`)
    const { body } = await ask()
    expect((await atGithub(body.access_token)).login).toBe(ada.github)
  })

  test('left with the wrong account stays dead, and the link is over', async () => {
    await removeAppAtGithub(stay)
    const link = await linkFor(house, forge, stay.tsid, 'github')
    house.seat({ github: house.newPerson().github })
    const refused = await stay.browser.walk(link.url, ['continue'])
    await stay.browser.submit(refused, { button: 'back' })
    expect(await stateOf(house, forge, stay.tsid, link)).toMatchObject({ state: 'failed' })
    expect((await ask()).status).toBe(424)
  })

  test('is replaced where the person signs in to the resource anew', async () => {
    await removeAppAtGithub(stay)
    expect((await ask()).status).toBe(424)
    const again = await enter(house, forge, { browser: stay.browser, presses: ['google', 'allow'] })
    expect((await ask(again.tsid)).status).toBe(200)
    expect((await ask()).status).toBe(200)
  })
})

describe('more rights', () => {
  test('are told as missing, and a link widens for the asking session only', async () => {
    forge = await house.open('narrow', github(['gist']))
    stay = await enter(house, forge)
    const other = await enter(house, forge, { browser: stay.browser })
    await house.open('narrow', github(['gist', 'repo']))
    const { status, body } = await ask(stay.tsid, { scope: 'repo' })
    expect(status).toBe(403)
    expect(body).toMatchObject({ error_code: 'insufficient_upstream_scope', missing_scopes: ['repo'] })
    const link = await linkFor(house, forge, stay.tsid, 'github', { scope: 'repo' })
    expect((await stay.browser.get(link.url)).text).toContain('Allow more at GitHub?')
    await stay.browser.walk(link.url, ['continue'])

    const widened = (await ask(stay.tsid, { scope: 'repo' })).body
    expect(await atGithub(widened.access_token)).toEqual({ login: ada.github, scopes: ['gist', 'repo'] })
    const unchanged = (await ask(other.tsid)).body
    expect((await atGithub(unchanged.access_token)).scopes).toEqual(['gist'])
    expect((await ask(other.tsid, { scope: 'repo' })).body.error_code).toBe('insufficient_upstream_scope')
  })

  test.each([
    ['without an account', undefined],
    ['for another account on purpose', 'new'],
  ])('are never lost by a link for fewer, asked %s', async (_how, account) => {
    const wish = { scope: 'gist', ...(account === undefined ? {} : { account }) }
    const link = await askForLink(house, forge, stay.tsid, 'github', wish)
    const done = await stay.browser.walk(link.url, ['continue'])
    expect(done.text).toContain(`your GitHub account ${ada.github}.`)
    for (const query of [{}, { scope: 'repo' }, { scope: 'gist' }]) {
      const { body } = await ask(stay.tsid, query)
      expect((await atGithub(body.access_token)).scopes).toEqual(['gist', 'repo'])
    }
  })

  test('are asked on top of what the account holds', async () => {
    forge = await house.open('growing', github(['gist']))
    stay = await enter(house, forge)
    await house.open('growing', github(['gist', 'repo', 'workflow']))
    const { id } = (await ask()).body.account as { id: string }
    const link = await askForLink(house, forge, stay.tsid, 'github', { scope: 'workflow', account: id })
    await stay.browser.walk(link.url, ['continue'])
    const { body } = await ask()
    expect((await atGithub(body.access_token)).scopes).toEqual(['gist', 'workflow'])
  })

  test('that an administrator took from the resource make room for a narrower connection', async () => {
    forge = await house.open('shrinking', github(['gist', 'repo']))
    stay = await enter(house, forge)
    await house.open('shrinking', github(['gist']))
    const link = await linkFor(house, forge, stay.tsid, 'github')
    await stay.browser.walk(link.url, ['continue'])
    const { body } = await ask()
    expect((await atGithub(body.access_token)).scopes).toEqual(['gist'])
  })

  test('that the resource is not allowed get no link', async () => {
    await expect(askForLink(house, forge, stay.tsid, 'github', { scope: 'delete_repo' })).rejects.toThrow(
      'not_allowed',
    )
    await expect(askForLink(house, forge, stay.tsid, 'google', { scope: calendar })).rejects.toThrow(
      'not_allowed',
    )
  })
})

describe('a link that names no account', () => {
  const second = async () => {
    const { github: login } = house.newPerson()
    house.seat({ ...ada, github: login })
    return login
  }
  const held = async () =>
    (await heldBy(house, forge, stay.tsid))
      .filter(({ provider }) => provider === 'github')
      .map(({ account }) => account.label)

  test('is for the one the session has: no second account comes by mistake', async () => {
    const link = await askForLink(house, forge, stay.tsid, 'github', { scope: 'gist' })
    expect((await stay.browser.get(link.url)).text).toContain(`GitHub account ${ada.github}`)
    const login = await second()
    const refused = await stay.browser.walk(link.url, ['continue'])
    expect(refused.status).toBe(409)
    expect(refused.text).toContain(`as ${ada.github}, but came back as ${login}`)
    expect(lastTrip()?.prompt).toBe('select_account')
    expect(await held()).toEqual([ada.github])
  })

  test('takes whichever was there first, where two such links are followed', async () => {
    forge = await house.open('late', {
      ...github(['gist']),
      providers: [
        { provider: 'google', scopes: [] },
        { provider: 'github', scopes: ['gist'], required: false },
      ],
    })
    stay = await enter(house, forge, { presses: [{ button: 'allow', fields: { provider: [] } }] })
    const links = [
      await askForLink(house, forge, stay.tsid, 'github'),
      await askForLink(house, forge, stay.tsid, 'github', { scope: 'gist' }),
    ] as const
    await stay.browser.walk(links[0].url, ['continue'])
    expect(await held()).toEqual([ada.github])
    const login = await second()
    const refused = await stay.browser.walk(links[1].url, ['continue'])
    expect(refused.status).toBe(409)
    expect(refused.text).toContain(`as ${ada.github}, but came back as ${login}`)
    house.seat(ada)
    const done = await stay.browser.submit(refused, { button: 'switch' })
    // Without being asked, the provider would say the same again.
    expect(lastTrip()?.prompt).toBe('select_account')
    expect(done.text).toContain(`your GitHub account ${ada.github}`)
    expect(await held()).toEqual([ada.github])
  })
})

test('a second account is added on purpose, and from then on the room says which one it means', async () => {
  const link = await askForLink(house, forge, stay.tsid, 'github', { account: 'new' })
  const second = `${ada.github}-at-work`
  house.github.control.addUser({ id: 9000, login: second })
  house.seat({ ...ada, github: second })
  const page = await stay.browser.get(link.url)
  expect(page.text).toContain('Connect another GitHub account?')
  const done = await stay.browser.submit(page, { button: 'continue' })
  expect(lastTrip()?.prompt).toBe('select_account')
  expect(done.text).toContain(`your GitHub account ${second}.`)

  const { status, body } = await ask()
  expect(status).toBe(409)
  expect(body).toMatchObject({ error_code: 'account_selection_required', who_must_act: 'caller' })
  const accounts = body.accounts as { id: string; label: string }[]
  expect(accounts.map(({ label }) => label).sort()).toEqual([ada.github, second].sort())
  for (const { id, label } of accounts) {
    const chosen = (await ask(stay.tsid, { account: id })).body
    expect(chosen.account).toEqual({ id, label })
    expect((await atGithub(chosen.access_token)).login).toBe(label)
  }
  house.seat(ada)
  const later = await enter(house, forge, { clientId: await registerClient(house.gateway) })
  const given = (await ask(later.tsid)).body.account as { id: string; label: string }
  // The session has one of the two. A link for the other brings that one and no third.
  const other = accounts.find(({ id }) => id !== given.id)
  const missing = await linkFor(house, forge, later.tsid, 'github', { account: other?.id ?? '' })
  house.seat({ github: given.label })
  const refused = await later.browser.walk(missing.url, ['continue'])
  expect(refused.status).toBe(409)
  expect(refused.text).toContain(`as another account, but came back as ${given.label}`)
  house.seat({ github: other?.label ?? '' })
  const brought = await later.browser.submit(refused, { button: 'switch' })
  expect(brought.text).toContain(`your GitHub account ${other?.label}.`)
  expect((await ask(later.tsid, { account: other?.id ?? '' })).status).toBe(200)
})
