import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { askForLink } from '../support/connect-links.ts'
import { enter, fetchToken, type House, type Person, type Room, startHouse, visit } from '../support/house.ts'
import { callbackOf, type Stop } from '../support/page.ts'
import {
  authorizeUrl,
  claimsOf,
  newBrowser,
  newPkce,
  postToken,
  redeem,
  refresh,
  type Tokens,
  tsidOf,
} from '../support/world.ts'

const crowd = 20
const all = <Answer>(act: (index: number) => Promise<Answer>): Promise<Answer[]> =>
  Promise.all(Array.from({ length: crowd }, (_, index) => act(index)))

let house: House
let desk: Room
let ada: Person
beforeAll(async () => {
  house = await startHouse()
  desk = await house.open('desk', { providers: [{ provider: 'github', scopes: ['repo'] }] })
})
afterAll(() => house.stop())
beforeEach(() => {
  ada = house.newPerson()
})

const exchanges = () => house.github.calls('POST /login/oauth/access_token').length
const tokensIn = async (answers: Response[]) =>
  await Promise.all(answers.filter(({ ok }) => ok).map(async (answer) => (await answer.json()) as Tokens))

test('twenty redemptions of one code give one of them tokens; the replays end what it got', async () => {
  const { stop, verifier } = await visit(house, desk)
  const { code = '' } = callbackOf(stop)
  const answers = await all(() => redeem(house, { code, verifier }))
  const [won, ...more] = await tokensIn(answers)
  if (!won) throw new Error('nobody redeemed the code')
  expect(more).toEqual([])
  expect(answers.filter(({ status }) => status === 400)).toHaveLength(crowd - 1)
  // Each of them proved to be the client: a code used twice is a code that was stolen.
  expect((await refresh(house, won.refresh_token)).status).toBe(400)
  expect((await fetchToken(house, desk, tsidOf(won), 'github')).status).toBe(404)
})

test('nineteen thieves with the code but not the verifier leave the client’s redemption alone', async () => {
  const { stop, verifier } = await visit(house, desk)
  const { code = '' } = callbackOf(stop)
  const answers = await all((index) =>
    redeem(house, { code, verifier: index === 9 ? verifier : newPkce().verifier }),
  )
  const [won] = await tokensIn(answers)
  if (!won) throw new Error('nobody redeemed the code')
  expect((await refresh(house, won.refresh_token)).status).toBe(200)
})

test('twenty uses of one refresh token give one successor, the same to all, and it is alive', async () => {
  const { tokens } = await enter(house, desk)
  const answers = await all(() => refresh(house, tokens.refresh_token))
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: crowd }, () => 200))
  const successors = new Set((await tokensIn(answers)).map((each) => each.refresh_token))
  const [successor = '', ...more] = successors
  expect(more).toEqual([])
  expect(successor).not.toBe(tokens.refresh_token)
  expect((await refresh(house, successor)).status).toBe(200)
  // Its successor is used now, so that the first token is one that somebody else has, too.
  expect((await refresh(house, tokens.refresh_token)).status).toBe(400)
  expect((await refresh(house, successor)).status).toBe(400)
})

test('twenty uses after the grace window give nobody anything', async () => {
  const { tokens } = await enter(house, desk)
  const [next] = await tokensIn([await refresh(house, tokens.refresh_token)])
  house.clock.advance(31)
  const answers = await all(() => refresh(house, tokens.refresh_token))
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([400]))
  expect((await refresh(house, next?.refresh_token ?? '')).status).toBe(400)
})

test('one refresh token at two clients serves its own alone', async () => {
  const { tokens } = await enter(house, desk)
  const answers = await all((index) =>
    postToken(house, {
      grant_type: 'refresh_token',
      client_id: index % 2 === 0 ? house.clientId : 'cc_client_somebody-else',
      refresh_token: tokens.refresh_token,
    }),
  )
  expect(answers.filter(({ ok }) => ok)).toHaveLength(crowd / 2)
})

test('twenty arrivals of one callback give one code, and the upstream code is redeemed once', async () => {
  const browser = newBrowser()
  house.github.control.ask()
  const { stop: page, verifier } = await visit(house, desk, { browser })
  const [form] = page.forms
  if (!form) throw new Error('GitHub shows no form')
  const fields = new URLSearchParams()
  for (const { name, value, sent } of form.fields) if (sent) fields.append(name, value)
  fields.set('decision', 'approve')
  const approved = await fetch(form.action, { method: 'POST', body: fields, redirect: 'manual' })
  const callback = approved.headers.get('location') ?? ''
  const before = exchanges()
  const stops = await all(() => browser.get(callback))
  const codes = stops.filter(({ left }) => left).map((stop) => callbackOf(stop).code ?? '')
  expect(codes).toHaveLength(1)
  expect(exchanges()).toBe(before + 1)
  for (const stop of stops.filter(({ left }) => !left)) expect(stop.status).toBe(400)
  expect((await redeem(house, { code: codes[0] ?? '', verifier })).status).toBe(200)
})

test('twenty yeses to one page end in one code', async () => {
  const { stop: page, verifier, browser } = await visit(house, desk, { presses: [] })
  const stops = await all(() => browser.submit(page, { button: 'allow' }))
  const codes = stops.filter(({ left }) => left).map((stop) => callbackOf(stop).code ?? '')
  expect(codes).toHaveLength(1)
  expect((await redeem(house, { code: codes[0] ?? '', verifier })).status).toBe(200)
  const mistakes = stops.filter(({ left, status }) => !left && status >= 500)
  expect(mistakes).toEqual([])
})

test('a yes and a no at the same moment end in one answer to the client', async () => {
  const { browser } = await enter(house, desk)
  const { stop: page } = await visit(house, desk, { browser, presses: [] })
  const stops = await all((index) => browser.submit(page, { button: index % 2 === 0 ? 'allow' : 'deny' }))
  const codes = stops.filter((stop) => stop.left && callbackOf(stop).code !== undefined)
  expect(codes.length).toBeLessThanOrEqual(1)
  expect(stops.filter(({ left }) => left).length).toBeGreaterThan(0)
})

test('first sign-ins of one person in twenty browsers at once make one subject', async () => {
  const answers = await all(async () => {
    const browser = newBrowser()
    const { verifier, challenge } = newPkce()
    const stop: Stop = await browser.walk(authorizeUrl(house, challenge, { resource: desk.uri }), ['allow'])
    return await redeem(house, { code: callbackOf(stop).code ?? '', verifier })
  })
  const tokens = await tokensIn(answers)
  expect(tokens).toHaveLength(crowd)
  expect(new Set(tokens.map(({ access_token: jwt }) => claimsOf(jwt).sub)).size).toBe(1)
  const people = await house.gateway.admin<{ items: { id: string }[] }>(
    'GET',
    `/subjects?label=${ada.github}`,
  )
  expect(people.items).toHaveLength(1)
  const held = await house.gateway.admin<{ items: unknown[] }>(
    'GET',
    `/connections?subject_id=${people.items[0]?.id}`,
  )
  expect(held.items).toHaveLength(1)
  const created = await house.gateway.admin<{ items: unknown[] }>(
    'GET',
    `/audit-events?event=subject.created&subject_id=${people.items[0]?.id}`,
  )
  expect(created.items).toHaveLength(1)
  // Ten sessions of one person with one client at one resource live; the longest idle ended first.
  const live = await house.gateway.admin<{ items: unknown[] }>(
    'GET',
    `/token-sessions?subject_id=${people.items[0]?.id}`,
  )
  expect(live.items).toHaveLength(10)
})

test('twenty posts of one connect link make one interaction', async () => {
  const { tsid, browser } = await enter(house, desk)
  const link = await askForLink(house, desk, tsid, 'github')
  const page = await browser.get(link.url)
  const before = exchanges()
  const stops = await all(() => browser.submit(page, { button: 'continue' }))
  expect(stops.filter(({ text }) => text.includes('can now work'))).toHaveLength(1)
  expect(stops.filter(({ status }) => status === 410)).toHaveLength(crowd - 1)
  expect(exchanges()).toBe(before + 1)
})

test('a revocation among retrievals is the last word', async () => {
  const { tsid, tokens } = await enter(house, desk)
  const revoke = fetch(`${house.gateway.issuer}/oauth/revoke`, {
    method: 'POST',
    body: new URLSearchParams({ client_id: house.clientId, token: tokens.refresh_token }),
  })
  const [answers] = await Promise.all([all(() => fetchToken(house, desk, tsid, 'github')), revoke])
  expect(answers.every(({ status }) => status === 200 || status === 404)).toBe(true)
  expect((await fetchToken(house, desk, tsid, 'github')).status).toBe(404)
})
