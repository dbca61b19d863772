import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  calendar,
  enter,
  fetchToken,
  type House,
  type Person,
  type Room,
  type Stay,
  startHouse,
} from '../support/house.ts'
import { refresh } from '../support/world.ts'

// Google hands out a refresh token with the first consent only, or with a forced one.

let house: House
let diary: Room
let ada: Person

beforeAll(async () => {
  house = await startHouse()
  diary = await house.open('diary', { providers: [{ provider: 'google', scopes: [calendar] }] })
})
afterAll(() => house.stop())
beforeEach(() => {
  ada = house.newPerson()
})

const authorizations = () => house.google.calls('GET /o/oauth2/v2/auth')
const issuedRefreshTokens = () =>
  house.google.control
    .issued()
    .filter(({ kind, user }) => kind === 'refresh_token' && `person${Number(user) - 1000}` === ada.name)
    .map(({ value }) => value)

/** The connection outlives its access token: the stored refresh token is good. */
async function expectRefreshable({ tokens, tsid }: Stay): Promise<void> {
  house.clock.advance(3601)
  expect((await refresh(house, tokens.refresh_token)).status).toBe(200)
  const { status } = await fetchToken(house, diary, tsid, 'google')
  expect(status).toBe(200)
}

test('a second sign-in in another browser brings none, and the stored one is kept', async () => {
  const first = await enter(house, diary)
  const before = authorizations().length
  const second = await enter(house, diary)
  expect(authorizations()).toHaveLength(before + 1)
  expect(authorizations().at(-1)?.query).not.toHaveProperty('prompt')
  expect(issuedRefreshTokens()).toHaveLength(1)
  await expectRefreshable(second)
  expect((await refresh(house, first.tokens.refresh_token)).status).toBe(200)
  expect((await fetchToken(house, diary, first.tsid, 'google')).status).toBe(200)
})

test('where the stored one is gone, Google is asked to show its consent once more, exactly once', async () => {
  await enter(house, diary)
  // Revoked there, the grant would begin anew and bring a refresh token by itself.
  house.google.control.script({
    on: 'POST /revoke',
    times: 'always',
    effect: { kind: 'respond', status: 503 },
  })
  const people = await house.gateway.admin<{ items: { id: string }[] }>(
    'GET',
    `/subjects?label=${ada.google}`,
  )
  const { items } = await house.gateway.admin<{ items: { id: string }[] }>(
    'GET',
    `/connections?subject_id=${people.items[0]?.id}`,
  )
  await house.gateway.admin('DELETE', `/connections/${items[0]?.id}`)
  const before = authorizations().length
  const again = await enter(house, diary)
  const asked = authorizations()
    .slice(before)
    .map(({ query }) => [query.prompt, query.access_type])
  expect(asked).toEqual([
    [undefined, 'offline'],
    ['consent', 'offline'],
  ])
  expect(issuedRefreshTokens()).toHaveLength(2)
  await expectRefreshable(again)
})

test('a stored one that Google let die counts as gone', async () => {
  const first = await enter(house, diary)
  const [token = ''] = issuedRefreshTokens()
  house.google.control.revoke({ token })
  house.clock.advance(3601)
  const { access_token: _, refresh_token: next } = (await (
    await refresh(house, first.tokens.refresh_token)
  ).json()) as Stay['tokens']
  expect((await fetchToken(house, diary, first.tsid, 'google')).body).toMatchObject({
    error_code: 'needs_reauthorization',
    reason: 'invalid_grant',
  })
  const before = authorizations().length
  const again = await enter(house, diary)
  expect(
    authorizations()
      .slice(before)
      .map(({ query }) => query.prompt),
  ).toEqual([undefined, 'consent'])
  await expectRefreshable(again)
  // The session that was there before draws on the same connection.
  expect((await refresh(house, next)).status).toBe(200)
  expect((await fetchToken(house, diary, first.tsid, 'google')).status).toBe(200)
})

test('a Google that gives none even then is not asked a third time, and its token is served while it lives', async () => {
  house.google.control.script({
    on: 'POST /token',
    times: 2,
    effect: { kind: 'patch', omit: ['refresh_token'] },
  })
  const before = authorizations().length
  const { tsid } = await enter(house, diary)
  expect(authorizations()).toHaveLength(before + 2)
  expect((await fetchToken(house, diary, tsid, 'google')).status).toBe(200)
})
