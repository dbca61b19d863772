import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Atlassian } from '../../standins/atlassian.ts'
import { app, refresh, signIn, startSeeded } from './atlassian-client.ts'
import { get, post } from './trip.ts'

const day = 86_400
const leeway = 600

let atlassian: Atlassian
let first: Record<string, unknown>

beforeEach(async () => {
  atlassian = await startSeeded()
  first = await signIn(atlassian)
})
afterEach(() => atlassian.stop())

const opens = async (token: unknown) => (await get(`${atlassian.api}/me`, String(token))).status === 200
const dead = {
  status: 403,
  body: { error: 'invalid_grant', error_description: 'Unknown or invalid refresh token.' },
}

test('a refresh gives a new pair', async () => {
  const { body } = await refresh(atlassian, first.refresh_token)
  expect(body).toMatchObject({ expires_in: 3600, scope: first.scope })
  expect(body.refresh_token).not.toBe(first.refresh_token)
  expect(await opens(body.access_token)).toBe(true)
})

test('the old access token dies ten minutes after the refresh, whatever it says', async () => {
  const { body } = await refresh(atlassian, first.refresh_token)
  atlassian.control.advance(leeway - 1)
  expect(await opens(first.access_token)).toBe(true)
  atlassian.control.advance(1)
  expect(await opens(first.access_token)).toBe(false)
  expect(await opens(body.access_token)).toBe(true)
})

test('each use of the old token inside the leeway gives another working pair', async () => {
  const second = await refresh(atlassian, first.refresh_token)
  atlassian.control.advance(leeway - 1)
  const third = await refresh(atlassian, first.refresh_token)
  expect(third.body.refresh_token).not.toBe(second.body.refresh_token)
  for (const { body } of [second, third]) {
    expect(await opens(body.access_token)).toBe(true)
    expect((await refresh(atlassian, body.refresh_token)).status).toBe(200)
  }
})

test('the leeway runs from the first use, not from the last', async () => {
  await refresh(atlassian, first.refresh_token)
  atlassian.control.advance(leeway - 1)
  await refresh(atlassian, first.refresh_token)
  atlassian.control.advance(1)
  expect(await refresh(atlassian, first.refresh_token)).toMatchObject(dead)
})

test('a use after the leeway ends the whole family', async () => {
  const second = await refresh(atlassian, first.refresh_token)
  atlassian.control.advance(leeway)
  expect(await refresh(atlassian, first.refresh_token)).toMatchObject(dead)
  expect(await opens(second.body.access_token)).toBe(false)
  expect(await refresh(atlassian, second.body.refresh_token)).toMatchObject(dead)
})

test('another family of the same person lives on', async () => {
  const other = await signIn(atlassian)
  await refresh(atlassian, first.refresh_token)
  atlassian.control.advance(leeway)
  await refresh(atlassian, first.refresh_token)
  expect(await opens(other.access_token)).toBe(true)
})

test('an unknown token, or one of another client, is refused', async () => {
  expect(await refresh(atlassian, 'unknown')).toMatchObject(dead)
  atlassian.control.addClient({ ...app, clientId: 'other' })
  expect(await refresh(atlassian, first.refresh_token, { client_id: 'other' })).toMatchObject(dead)
  expect((await refresh(atlassian, first.refresh_token)).status).toBe(200)
})

test('ninety days without use end it', async () => {
  atlassian.control.advance(90 * day - 1)
  const { body } = await refresh(atlassian, first.refresh_token)
  atlassian.control.advance(90 * day)
  expect(await refresh(atlassian, body.refresh_token)).toMatchObject(dead)
})

test('365 days end it however often it was used', async () => {
  let token = first.refresh_token
  for (let month = 0; month < 12; month += 1) {
    atlassian.control.advance(30 * day)
    token = (await refresh(atlassian, token)).body.refresh_token
  }
  expect(token).toBeDefined()
  atlassian.control.advance(5 * day)
  expect(await refresh(atlassian, token)).toMatchObject(dead)
})

test('an access token lives an hour', async () => {
  atlassian.control.advance(3599)
  expect(await opens(first.access_token)).toBe(true)
  atlassian.control.advance(1)
  expect(await opens(first.access_token)).toBe(false)
})

test('a new password ends every family', async () => {
  expect(atlassian.control.passwordChanged('ada@acme.test')).toBe(1)
  expect(await opens(first.access_token)).toBe(false)
  expect(await refresh(atlassian, first.refresh_token)).toMatchObject(dead)
})

test('a dead token may be told as unauthorized_client', async () => {
  atlassian.control.set({ deadRefresh: 'unauthorized_client' })
  expect(await refresh(atlassian, 'unknown')).toMatchObject({
    status: 403,
    body: { error: 'unauthorized_client', error_description: 'refresh_token is invalid' },
  })
})

describe('revocation', () => {
  const revoke = async () => post(`${atlassian.auth}/oauth/revoke`, { token: String(first.refresh_token) })

  test('works, when it exists', async () => {
    expect((await revoke()).status).toBe(200)
    expect(await opens(first.access_token)).toBe(false)
  })

  test('does nothing when it does not', async () => {
    atlassian.control.set({ revokeStatus: 404 })
    expect((await revoke()).status).toBe(404)
    expect(await opens(first.access_token)).toBe(true)
  })

  test('by the control API ends one token early, or the whole grant', async () => {
    atlassian.control.revoke({ token: String(first.access_token) })
    expect(await opens(first.access_token)).toBe(false)
    expect((await refresh(atlassian, first.refresh_token)).status).toBe(200)
    expect(atlassian.control.revoke({ user: 'ada@acme.test', clientId: 'client' })).toBe(1)
    expect(await refresh(atlassian, first.refresh_token)).toMatchObject(dead)
    expect(() => atlassian.control.revoke({ token: 'unknown' })).toThrow('no such live token')
  })
})
