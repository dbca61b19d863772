import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { RunningGateway } from '../../src/main.ts'
import { link, press } from '../account/steps.ts'
import { enterAging, type Session } from '../support/aging.ts'
import { requestLink } from '../support/connecting.ts'
import { type FailingStore, failingStore } from '../support/failing-store.ts'
import { fetchToken, type House, type Room, startHouse } from '../support/house.ts'
import { until } from '../support/until.ts'
import { newBrowser } from '../support/world.ts'

// What seldom happens to a refresh or a sign-in is told to whoever watches, too.

let house: House
let other: RunningGateway
let room: Room
let session: Session
let store: FailingStore

const route = 'POST /login/oauth/access_token'
const lifetime = 28_800
const tooLong = 60

beforeAll(async () => {
  house = await startHouse({
    env: () => ({ COATCHECK_METRICS_PORT: '0' }),
    file: { limits: { upstream_deadline: 1, discovery_deadline: 1 } },
  })
  other = await house.gateway.replica()
  room = await house.open('room', { providers: [{ provider: 'github', scopes: ['repo'] }] })
  store = failingStore(house.gateway.running().gateway.store)
})
afterAll(async () => {
  await other.stop()
  await house.stop()
})
beforeEach(async () => {
  house.newPerson()
  session = await enterAging(house, room, 'github')
  await session.age(lifetime + 1)
})
afterEach(() => {
  store.heal()
  house.github.control.clearScripts()
})

async function reading(series: string, of: RunningGateway = house.gateway.running()): Promise<number> {
  const text = await (await fetch(of.metricsUrl ?? '')).text()
  const line = text.split('\n').find((each) => each.startsWith(`${series} `))
  return Number(line?.slice(series.length) ?? 0)
}
const refreshes = (outcome: string) =>
  `coatcheck_upstream_refreshes_total{provider="github",outcome="${outcome}"}`
const leases = (state: string) => `coatcheck_refresh_leases{state="${state}"}`
const unstored = 'coatcheck_unstored_tokens'

const fetchBeside = () =>
  fetchToken({ ...house, gateway: { ...house.gateway, url: other.url } }, room, session.tsid, 'github')
const calls = () => house.github.calls(route).length

test('tokens the store did not take, until it does', async () => {
  const before = await reading(refreshes('not_stored'))
  store.arm(['refreshLeases.keepAnswer', 'connections.replaceTokens'], 'before')
  expect((await session.fetch()).status).toBe(503)
  expect(await reading(refreshes('not_stored'))).toBe(before + 1)
  expect(await reading(unstored)).toBe(1)
  store.heal()
  expect((await session.fetch()).status).toBe(200)
  expect(await reading(unstored)).toBe(0)
})

test('a refresh that another gateway overtook', async () => {
  const before = await reading(refreshes('overtaken'))
  const seen = store.calls().length
  const goOn = store.hold(['refreshLeases.take'], 'after')
  const asked = session.fetch()
  await until(() => store.calls().slice(seen).includes('refreshLeases.take'))
  house.clock.advance(tooLong)
  expect((await fetchBeside()).status).toBe(200)
  goOn()
  expect((await asked).status).toBe(200)
  expect(await reading(refreshes('overtaken'))).toBe(before + 1)
})

test('what is at it, who waits for that, and what goes on though nobody does', async () => {
  const before = calls()
  house.github.control.script({ on: route, effect: { kind: 'hold' } })
  const asked = session.fetch()
  await house.github.arrived(route, before + 1)
  expect(await reading(leases('held'))).toBe(1)
  const beside = fetchBeside()
  await until(async () => (await reading(leases('waiting'), other)) === 1)
  expect((await asked).body.error_code).toBe('upstream_unavailable')
  expect([await reading(leases('held')), await reading(leases('late'))]).toEqual([0, 1])
  house.github.control.release()
  await until(async () => (await reading(leases('late'))) === 0)
  expect([200, 503]).toContain((await beside).status)
  expect(await reading(leases('waiting'), other)).toBe(0)
  expect((await session.fetch()).status).toBe(200)
  expect(calls()).toBe(before + 1)
})

test('who signed in on the account page, and who came back as somebody else there', async () => {
  const series = (outcome: string) => `coatcheck_sign_ins_total{provider="github",outcome="${outcome}"}`
  const outcomes = async () => [await reading(series('signed_in')), await reading(series('wrong_account'))]
  const [signedIn = 0, wrong = 0] = await outcomes()
  const browser = newBrowser()
  await press(house, browser, 'github')
  expect(await outcomes()).toEqual([signedIn + 1, wrong])
  house.clock.advance(601)
  house.newPerson()
  await press(house, browser, link('Google'), 'github')
  expect(await outcomes()).toEqual([signedIn + 1, wrong + 1])
})

test('who came back from a provider as somebody else', async () => {
  const series = 'coatcheck_sign_ins_total{provider="github",outcome="wrong_account"}'
  const before = await reading(series)
  const link = await requestLink(house, room, session.tsid, { account: 'new' })
  house.newPerson()
  const page = await newBrowser().walk(link.connect_url, ['continue', 'github', 'allow'])
  expect(page.status).toBe(409)
  expect(await reading(series)).toBe(before + 1)
})
