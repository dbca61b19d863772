import { afterAll, beforeAll, expect, test } from 'vitest'
import { askForLink } from '../support/connect-links.ts'
import {
  enter,
  fetchToken,
  type House,
  type Room,
  startHouse,
  upstreamClient,
  visit,
} from '../support/house.ts'
import { authorizeUrl, newBrowser, newPkce } from '../support/world.ts'
import { openRoom } from './steps.ts'

let house: House
let loose: Room
/** Everything secret that went by, by what it is. */
const secrets = new Map<string, string>()
const pages: string[] = []

beforeAll(async () => {
  house = await startHouse()
  loose = await openRoom(house, 'loose')
  house.newPerson()
  const browser = newBrowser()

  // A flow, its answer, a retrieval, a connect link, and things that go wrong with real secrets in them.
  const stay = await enter(house, loose, {
    browser,
    presses: [{ button: 'allow', fields: { provider: [] } }],
  })
  secrets.set('access token', stay.tokens.access_token).set('refresh token', stay.tokens.refresh_token)
  const released = await fetchToken(house, loose, stay.tsid, 'github')
  secrets.set('released token', String(released.body.access_token))
  const link = await askForLink(house, loose, stay.tsid, 'google')
  secrets.set('ticket', link.ticket)
  pages.push((await browser.walk(link.url, ['continue'])).html)
  pages.push((await browser.get(link.url)).html)

  const { verifier, challenge } = newPkce()
  const consent = await browser.get(
    authorizeUrl(house, challenge, { resource: loose.uri, state: 'state-canary-5b1' }),
  )
  pages.push(consent.html)
  const code =
    new URL((await browser.submit(consent, { button: 'allow' })).url).searchParams.get('code') ?? ''
  secrets.set('verifier', verifier).set('code', code).set('client state', 'state-canary-5b1')
  await fetch(`${house.gateway.issuer}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: house.clientId,
      code,
      code_verifier: 'wrong',
    }),
  })
  house.github.control.script({ on: 'GET /user', effect: { kind: 'respond', status: 500 } })
  await visit(house, loose, { browser: newBrowser(), presses: ['allow'] })
  house.github.control.deny()
  await visit(house, loose, { browser: newBrowser(), presses: ['allow'] })
  for (const { url } of browser.steps.filter((step) => step.url.includes('/oauth/callback/'))) {
    const { searchParams: query } = new URL(url)
    secrets.set(`upstream state of ${url}`, query.get('state') ?? '')
    secrets.set(`upstream code of ${url}`, query.get('code') ?? '')
    pages.push((await browser.get(url)).html)
    pages.push((await newBrowser().get(url)).html)
  }
  for (const { name, value } of browser.cookies.list()) {
    if (name.startsWith('coatcheck-')) secrets.set(`cookie ${name}`, value)
  }
  for (const { value } of [...house.github.control.issued(), ...house.google.control.issued()]) {
    secrets.set(`issued ${value}`, value)
  }
  secrets.set('upstream client secret', upstreamClient.clientSecret)
  secrets.set('resource secret', loose.credential.secret)
  secrets.set('administrator’s token', house.gateway.adminToken)
})
afterAll(() => house.stop())

const found = (text: string) =>
  [...secrets].filter(([, value]) => value !== '' && text.includes(value)).map(([name]) => name)

test('every kind of secret went by', () => {
  expect(secrets.size).toBeGreaterThan(20)
  for (const [name, value] of secrets) expect(value.length, name).toBeGreaterThan(10)
})

test('none of them is in the log, however much is logged', () => {
  const logs = house.gateway.logs()
  expect(logs).toContain('a trip to a provider failed')
  expect(found(logs)).toEqual([])
})

test('none of them is on a page, in the clear or in a form', () => {
  expect(pages.length).toBeGreaterThan(5)
  // A connect link's own page posts back to its address.
  for (const page of pages) expect(found(page)).toEqual([])
})

test('none of them is in the database but the client’s state, while it waits', async () => {
  const stored = Object.values(await house.gateway.database.contents())
  const text = stored.map((each) => (typeof each === 'string' ? each : Buffer.from(each).toString('latin1')))
  expect(found(text.join('\n')).filter((name) => name !== 'client state')).toEqual([])
})

test('none of them is in the audit log', async () => {
  const { items } = await house.gateway.admin<{ items: unknown[] }>('GET', '/audit-events?limit=200')
  expect(items.length).toBeGreaterThan(5)
  expect(found(JSON.stringify(items))).toEqual([])
})
