import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Browser, callbackOf, type Stop } from '../support/browser.ts'
import { enter, type House, type Person, type Room, startHouse, visit } from '../support/house.ts'
import { fillIn } from '../support/page.ts'
import { newBrowser, registerClient } from '../support/world.ts'
import {
  askAtProviders,
  browserStoppingAt,
  callbackUri,
  githubAuthorize,
  listed,
  openRoom,
  subjectNamed,
  tokensFor,
  urlFor,
} from './steps.ts'

let house: House
let notes: Room
let ada: Person
let browser: Browser

beforeAll(async () => {
  house = await startHouse()
  notes = await openRoom(house, 'notes')
})
afterAll(() => house.stop())
beforeEach(() => {
  ada = house.newPerson()
  browser = newBrowser()
})

const redemptions = () => house.github.calls('POST /login/oauth/access_token').length
const decisionHeaders = (headers: Record<string, string>) => ({ headers })

/** Says yes and stops on the way to GitHub. */
async function onTheWay(browser: Browser): Promise<string> {
  const consent = await browser.get(urlFor(house, notes))
  const stop = await browser.submit(consent, { button: 'allow' })
  expect(stop.url.startsWith(githubAuthorize(house))).toBe(true)
  return stop.url
}

describe('a flow goes on in the browser it began in, and in no other', () => {
  test('a consent page that was sent to somebody is not theirs to answer', async () => {
    const attacker = newBrowser()
    const page = await attacker.get(urlFor(house, notes))
    await enter(house, notes, { browser })
    for (const stop of [
      await browser.get(page.url),
      await browser.submit(page, { button: 'allow' }),
      await browser.submit(page, { button: 'deny' }),
    ]) {
      expect(stop.status).toBe(403)
      expect(stop.text).toContain('This began in another browser')
      expect(stop.text).not.toContain(ada.github)
    }
    expect(callbackOf(await attacker.submit(page, { button: 'allow' }))).toHaveProperty('code')
  })

  // CVE-2026-27124: the attacker consents, sends the upstream address on, and the victim's provider says yes.
  test('an upstream address that was sent to somebody ends at a page, and brings the sender nothing', async () => {
    const attacker = browserStoppingAt(githubAuthorize(house))
    const upstream = await onTheWay(attacker)
    const victim = newBrowser()
    await enter(house, notes, { browser: victim })
    const before = redemptions()
    const stop = await victim.get(upstream)
    expect(stop.status).toBe(403)
    expect(stop.left).toBe(false)
    expect(redemptions()).toBe(before)
    // Nor does it end the flow for whoever began it.
    const own = newBrowser()
    for (const cookie of attacker.cookies.list()) own.cookies.plant(cookie)
    expect(callbackOf(await own.get(upstream))).toHaveProperty('code')
  })

  test('a callback that was caught and sent to somebody does not sign them in as the sender', async () => {
    const attacker = browserStoppingAt(callbackUri(house, 'github'))
    const consent = await attacker.get(urlFor(house, notes))
    const caught = await attacker.submit(consent, { button: 'allow' })
    expect(caught.url).toContain('code=')
    const stop = await browser.get(caught.url, { from: 'https://evil.test/' })
    expect(stop.status).toBe(403)
    expect(browser.cookies.list()).toEqual([])
    expect(await subjectNamed(house, ada.github)).toBeUndefined()
  })

  test('an error that was sent to somebody does not end their flow', async () => {
    const stopping = browserStoppingAt(githubAuthorize(house))
    const upstream = new URL(await onTheWay(stopping))
    const state = upstream.searchParams.get('state') ?? ''
    const cancel = `${callbackUri(house, 'github')}?error=access_denied&state=${state}`
    expect((await newBrowser().get(cancel)).status).toBe(403)
    expect((await newBrowser().get(`${callbackUri(house, 'google')}?error=x&state=${state}`)).status).toBe(
      403,
    )
    for (const cookie of stopping.cookies.list()) browser.cookies.plant(cookie)
    expect(callbackOf(await browser.get(upstream.href))).toHaveProperty('code')
  })
})

describe('tabs of one browser', () => {
  test('two clients in two tabs both finish, in whatever order', async () => {
    const other = await registerClient(house.gateway, { client_name: 'Another' })
    const first = await visit(house, notes, { browser, presses: [] })
    const second = await visit(house, notes, { browser, presses: [], clientId: other })
    const secondEnd = await browser.submit(second.stop, { button: 'allow' })
    const firstEnd = await browser.walk(await browser.submit(first.stop, { button: 'allow' }), ['allow'])
    await tokensFor({ ...house, clientId: other }, { ...second, stop: secondEnd })
    await tokensFor(house, { ...first, stop: firstEnd })
  })

  test('two tabs that are the first ever, at the same moment, both finish', async () => {
    const pages = await Promise.all([0, 1].map(() => browser.get(urlFor(house, notes))))
    expect(pages.map(({ status }) => status)).toEqual([200, 200])
    for (const page of pages) {
      const stop = await browser.walk(await browser.submit(page, { button: 'allow' }), ['allow'])
      expect(callbackOf(stop)).toHaveProperty('code')
    }
  })

  test('a form that another site sends to the authorization endpoint takes no flow from a tab', async () => {
    const page = await browser.get(urlFor(house, notes))
    const [endpoint = '', query = ''] = urlFor(house, notes).split('?')
    const foreign = await browser.post(endpoint, new URLSearchParams(query), { from: 'https://evil.test/' })
    expect(foreign.text).toContain('asks to use notes for you')
    expect(callbackOf(await browser.submit(page, { button: 'allow' }))).toHaveProperty('code')
  })

  test('fifty flows that nobody finished weigh nothing in the browser', async () => {
    for (let count = 0; count < 50; count += 1) await browser.get(urlFor(house, notes))
    const url = new URL(house.gateway.issuer)
    const header = browser.cookies.header({ url, method: 'GET', crossSite: false }) ?? ''
    expect(header.length).toBeLessThan(300)
    await enter(house, notes, { browser })
  })

  test('one flow in ten tabs ends once, and the other tabs are told', async () => {
    await enter(house, notes, { browser })
    const page = await browser.get(urlFor(house, notes))
    const cookie = browser.cookies.header({ url: new URL(page.url), method: 'GET', crossSite: false }) ?? ''
    const send = (init: RequestInit = {}) =>
      fetch(page.url, { redirect: 'manual', ...init, headers: { cookie, 'sec-fetch-site': 'same-origin' } })
    const { parameters } = fillIn(page, { button: 'allow' })
    expect((await send({ method: 'POST', body: parameters })).status).toBe(303)
    // The yes is given, and nobody has fetched the answer yet.
    const answers = await Promise.all(Array.from({ length: 10 }, () => send()))
    const codes = answers.filter(({ headers }) => headers.get('location')?.includes('code=cc_code_'))
    expect(codes).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 400)).toHaveLength(9)
  })
})

describe('a form counts only from our own page', () => {
  const refused = [
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'none' },
    { 'sec-fetch-site': '' },
    { 'sec-fetch-site': 'cross-site', origin: 'SELF' },
  ]

  let page: Stop
  let shown: string
  beforeEach(async () => {
    page = await browser.get(urlFor(house, notes))
    shown = page.forms[0]?.fields.find(({ name }) => name === 'shown')?.value ?? ''
  })

  test.each(refused)('not with %j', async (headers) => {
    const own = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [
        name,
        value === 'SELF' ? new URL(house.gateway.issuer).origin : value,
      ]),
    )
    const stop = await browser.post(page.url, { decision: 'allow', shown }, decisionHeaders(own))
    expect(stop.status).toBe(403)
    expect(callbackOf(await browser.submit(page, { button: 'allow' }))).toHaveProperty('code')
  })

  test('nor by the word of Origin from a browser that says nothing else', async () => {
    const cookie = browser.cookies.header({ url: new URL(page.url), method: 'GET', crossSite: false }) ?? ''
    const send = async (origin: string | undefined) => {
      const response = await fetch(page.url, {
        method: 'POST',
        redirect: 'manual',
        headers: {
          cookie,
          'content-type': 'application/x-www-form-urlencoded',
          ...(origin === undefined ? {} : { origin }),
        },
        body: new URLSearchParams({ decision: 'allow', shown }),
      })
      return response.status
    }
    // Node's own fetch says `cors`; these two come from older browsers and from no browser.
    const { origin } = new URL(house.gateway.issuer)
    for (const foreign of [
      'https://evil.test',
      'null',
      `${origin}.evil.test`,
      origin.replace('http:', 'https:'),
    ]) {
      expect(await send(foreign), foreign).toBe(403)
    }
    expect(await send(origin)).toBe(303)
  })

  test('and only as a form', async () => {
    const cookie = browser.cookies.header({ url: new URL(page.url), method: 'GET', crossSite: false }) ?? ''
    for (const type of ['application/json', 'text/plain', 'multipart/form-data; boundary=x']) {
      const response = await fetch(page.url, {
        method: 'POST',
        headers: { cookie, 'content-type': type, 'sec-fetch-site': 'same-origin' },
        body: JSON.stringify({ decision: 'allow', shown }),
      })
      expect(response.status, type).toBe(415)
    }
  })
})

describe('the cookies', () => {
  test('are out of reach of script, and of other sites’ requests but navigations', async () => {
    await enter(house, notes, { browser })
    const cookies = browser.cookies.list().filter(({ name }) => name.startsWith('coatcheck-'))
    expect(cookies).toHaveLength(2)
    for (const cookie of cookies) {
      expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'lax', path: '/', subdomains: false })
      expect(cookie.value).toMatch(/^cc_(browser|session)_[\w-]{43}$/)
    }
  })

  test('of another form bind nothing', async () => {
    const { hostname } = new URL(house.gateway.issuer)
    for (const value of ['', 'x', 'cc_session_x']) {
      const planted = newBrowser()
      planted.cookies.plant({ name: 'coatcheck-browser-a', value, host: hostname })
      const page = await planted.get(urlFor(house, notes))
      expect(page.status).toBe(200)
      const thief = newBrowser()
      thief.cookies.plant({ name: 'coatcheck-browser-a', value, host: hostname })
      expect((await thief.get(page.url)).status).toBe(403)
    }
  })
})

test('nobody but the person who finished a flow is known afterwards', async () => {
  const before = (await listed(house, '/subjects?limit=200')).length
  askAtProviders(house)
  const stopping = browserStoppingAt(githubAuthorize(house))
  await onTheWay(stopping)
  await newBrowser().get(`${callbackUri(house, 'github')}?code=x&state=y`)
  expect(await listed(house, '/subjects?limit=200')).toHaveLength(before)
})
