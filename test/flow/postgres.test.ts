import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { linkFor, stateOf } from '../support/connect-links.ts'
import { calendar, enter, fetchToken, type House, type Room, startHouse } from '../support/house.ts'
import { type Pooler, startPooler } from '../support/pooler.ts'
import { startPostgres, type TestServer } from '../support/postgres.ts'
import { introspect, refresh, type Tokens } from '../support/world.ts'

let server: TestServer
let pooler: Pooler
beforeAll(async () => {
  server = await startPostgres()
  pooler = await startPooler(server.folder)
})
afterAll(async () => {
  await pooler.stop()
  await server.stop()
})

describe.each([
  ['PostgreSQL', (url: string) => url],
  ['PostgreSQL behind a pooler', (url: string) => pooler.urlOf(url)],
])('on %s', (_where, wayTo) => {
  let house: House
  let desk: Room
  beforeAll(async () => {
    const url = wayTo(await server.createDatabase())
    house = await startHouse({ env: () => ({ COATCHECK_DATABASE_URL: url }) })
    desk = await house.open('desk', {
      providers: [
        { provider: 'github', scopes: ['repo'] },
        { provider: 'google', scopes: [calendar], required: false },
      ],
    })
  })
  afterAll(() => house.stop())

  test('a person signs in, an MCP server works for them, and it ends when it is revoked', async () => {
    const ada = house.newPerson()
    const { tokens, tsid, browser } = await enter(house, desk, {
      presses: ['github', { button: 'allow', fields: { provider: [] } }],
    })
    const first = await fetchToken(house, desk, tsid, 'github')
    expect(first.status).toBe(200)
    expect(first.body.account).toMatchObject({ label: ada.github })

    house.clock.advance(28_801)
    const renewals = await Promise.all(Array.from({ length: 20 }, () => refresh(house, tokens.refresh_token)))
    const renewed = await Promise.all(renewals.map(async (answer) => (await answer.json()) as Tokens))
    const successors = new Set(renewed.map((each) => each.refresh_token))
    expect(successors.size).toBe(1)
    const exchanges = house.github.calls('POST /login/oauth/access_token').length
    const fetched = await Promise.all(
      Array.from({ length: 20 }, () => fetchToken(house, desk, tsid, 'github')),
    )
    expect(new Set(fetched.map(({ status }) => status))).toEqual(new Set([200]))
    expect(new Set(fetched.map(({ body }) => body.access_token)).size).toBe(1)
    expect(house.github.calls('POST /login/oauth/access_token')).toHaveLength(exchanges + 1)

    const link = await linkFor(house, desk, tsid, 'google')
    await house.gateway.restart()
    await browser.walk(link.url, ['github', 'continue'])
    expect(await stateOf(house, desk, tsid, link)).toMatchObject({ state: 'completed' })
    expect((await fetchToken(house, desk, tsid, 'google')).status).toBe(200)

    const [successor = ''] = successors
    const access = renewed[0]?.access_token ?? ''
    const world = { gateway: house.gateway, credential: desk.credential }
    expect(await introspect(world, access)).toMatchObject({ active: true, tsid })
    const revoked = await fetch(`${house.gateway.url}/oauth/revoke`, {
      method: 'POST',
      body: new URLSearchParams({ client_id: house.clientId, token: successor }),
    })
    expect(revoked.status).toBe(200)
    expect(await introspect(world, access)).toEqual({ active: false })
    expect((await refresh(house, successor)).status).toBe(400)
    expect((await fetchToken(house, desk, tsid, 'google')).status).toBe(404)
    const audit = await house.gateway.admin<{ items: { event: string }[] }>('GET', '/audit-events?limit=200')
    expect(audit.items.filter(({ event }) => event === 'upstream_token.released')).toHaveLength(22)
  })

  test('nothing was left in a session', () => {
    expect(pooler.violations()).toEqual([])
  })
})
