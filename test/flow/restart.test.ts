import { afterAll, beforeAll, expect, test } from 'vitest'
import { linkOf, stateOf } from '../support/connect-links.ts'
import { calendar, fetchToken, type House, type Room, startHouse } from '../support/house.ts'
import { callbackOf, type Stop } from '../support/page.ts'
import {
  authorizeUrl,
  introspect,
  newBrowser,
  newPkce,
  redeem,
  refresh,
  type Tokens,
  tsidOf,
} from '../support/world.ts'

// Promise 7: what was answered survives. Between every two steps here the gateway is another one.

let house: House
let desk: Room
beforeAll(async () => {
  house = await startHouse()
  desk = await house.open('desk', {
    providers: [
      { provider: 'github', scopes: ['repo'] },
      { provider: 'google', scopes: [calendar], required: false },
    ],
  })
})
afterAll(() => house.stop())

const restarted = async <Answer>(answer: Answer): Promise<Answer> => {
  await house.gateway.restart()
  return answer
}
const tokensOf = async (response: Response) => {
  expect(response.status).toBe(200)
  return (await response.json()) as Tokens
}

test('a person gets from the first click to a revoked session through nothing but restarts', async () => {
  house.newPerson()
  house.github.control.ask()
  house.google.control.ask()
  const browser = newBrowser()
  const press = async (page: Stop, button: string) => await restarted(await browser.submit(page, { button }))
  const { verifier, challenge } = newPkce()
  const url = authorizeUrl(house, challenge, { resource: desk.uri })

  const choice = await restarted(await browser.get(url))
  const consent = await press(choice, 'github')
  const atGithub = await press(consent, 'allow')
  expect(atGithub.url.startsWith(house.github.web)).toBe(true)
  const atGoogle = await press(atGithub, 'approve')
  expect(atGoogle.url.startsWith(house.google.issuer)).toBe(true)
  const back = await press(atGoogle, 'deny')
  const { code = '' } = callbackOf(back)

  const first = await restarted(await tokensOf(await redeem(house, { code, verifier })))
  const tsid = tsidOf(first)
  const second = await restarted(await tokensOf(await refresh(house, first.refresh_token)))
  // A retry inside the grace window is answered the same, whoever answers.
  const retried = await restarted(await tokensOf(await refresh(house, first.refresh_token)))
  expect(retried.refresh_token).toBe(second.refresh_token)
  expect((await restarted(await redeem(house, { code, verifier: newPkce().verifier }))).status).toBe(400)

  const held = await restarted(await fetchToken(house, desk, tsid, 'github'))
  expect(held.status).toBe(200)
  const missing = await restarted(await fetchToken(house, desk, tsid, 'google'))
  const link = linkOf(missing.body.connect_url)
  const page = await restarted(await browser.get(link.url))
  const again = await press(page, 'continue')
  expect(await stateOf(house, desk, tsid, link)).toMatchObject({ state: 'opened' })
  const done = await press(again, 'approve')
  expect(done.text).toContain('desk can now work with your Google account')
  expect(await restarted(await stateOf(house, desk, tsid, link))).toMatchObject({ state: 'completed' })
  expect((await restarted(await fetchToken(house, desk, tsid, 'google'))).status).toBe(200)

  // What was refreshed upstream is refreshed: GitHub's old refresh token is dead.
  house.clock.advance(28_801)
  const third = await restarted(await tokensOf(await refresh(house, second.refresh_token)))
  const renewed = await restarted(await fetchToken(house, desk, tsid, 'github'))
  expect(renewed.body.access_token).not.toBe(held.body.access_token)
  expect((await restarted(await fetchToken(house, desk, tsid, 'github'))).body.access_token).toBe(
    renewed.body.access_token,
  )

  const world = { gateway: house.gateway, credential: desk.credential }
  expect(await introspect(world, third.access_token)).toMatchObject({ active: true, tsid })
  const revoked = await fetch(`${house.gateway.issuer}/oauth/revoke`, {
    method: 'POST',
    body: new URLSearchParams({ client_id: house.clientId, token: third.refresh_token }),
  })
  expect((await restarted(revoked)).status).toBe(200)
  expect(await introspect(world, third.access_token)).toEqual({ active: false })
  expect((await refresh(house, third.refresh_token)).status).toBe(400)
  expect((await fetchToken(house, desk, tsid, 'github')).body.error_code).toBe('unknown_token_session')
})
