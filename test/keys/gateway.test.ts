import { afterAll, beforeAll, expect, test } from 'vitest'
import { createKeyService } from '../../src/keys/key-service.ts'
import { createGuardedFetch } from '../../src/lib/guarded-fetch.ts'
import type { KeyHolder } from '../../src/lib/seal.ts'
import { placeOf } from '../../src/storage/sealed-values.ts'
import { startVault, type Vault } from '../../standins/vault.ts'
import { enterAging, type Session } from '../support/aging.ts'
import { coatcheck } from '../support/cli.ts'
import { createTestClock } from '../support/gateway.ts'
import { calendar, type House, startHouse } from '../support/house.ts'

// Promise 6 where the key service is what fails: it costs nobody a connection.

let vault: Vault
let house: House
/** What the gateway's process has opened; another one is a process that has opened nothing yet. */
let service: KeyHolder
const clock = createTestClock()

const newService = () =>
  createKeyService({
    address: { url: vault.keyUrl, id: 'coatcheck', token: () => vault.token },
    fetch: createGuardedFetch({ allowLoopback: true }),
    clock: clock.now,
    deadline: 1,
  })

beforeAll(async () => {
  vault = await startVault()
  service = newService()
  const holder: KeyHolder = {
    id: 'coatcheck',
    wrap: (...asked) => service.wrap(...asked),
    unwrap: (...asked) => service.unwrap(...asked),
    current: () => service.current(),
  }
  house = await startHouse({ clock, masterKeys: [holder] })
})
afterAll(async () => {
  await house.stop()
  await vault.stop()
})

let rooms = 0
async function enter(provider: 'github' | 'google' = 'github'): Promise<Session> {
  const scopes = [provider === 'github' ? 'repo' : calendar]
  const room = await house.open(`room${++rooms}`, { providers: [{ provider, scopes }] })
  house.newPerson()
  return await enterAging(house, room, provider)
}
const route = 'POST /login/oauth/access_token'

test('a gateway whose master key is kept elsewhere serves people, and is seldom asked for it', async () => {
  const session = await enter()
  for (let times = 0; times < 5; times++) {
    await session.age(28_801)
    expect((await session.fetch()).status).toBe(200)
  }
  // Eight hours lie between two of them, and a key is good for one.
  expect(vault.log().length).toBeLessThan(20)
  expect(house.gateway.logs()).not.toContain(vault.token)
})

test('an outage is a 503 that says so, sends no refresh token, and leaves everything as it was', async () => {
  const session = await enter()
  await session.age(28_801)
  const before = house.github.calls(route).length
  service = newService()
  vault.control.seal(true)
  for (let times = 0; times < 3; times++) {
    const { status, body } = await session.fetch()
    expect(status).toBe(503)
    expect(body).toMatchObject({ error_code: 'gateway_unavailable', who_must_act: 'admin' })
  }
  await house.gateway.admin('GET', '/master-keys', undefined, 503)
  expect(house.github.calls(route)).toHaveLength(before)
  vault.control.seal(false)
  expect((await session.fetch()).status).toBe(200)
  expect(house.github.calls(route)).toHaveLength(before + 1)
  const { items } = await house.gateway.admin<{ items: { status: string }[] }>('GET', '/connections')
  expect(new Set(items.map(({ status }) => status))).toEqual(new Set(['live']))
})

test('an outage in the middle of a refresh loses no token: what is open seals on', async () => {
  const session = await enter()
  await session.age(28_801)
  expect((await session.fetch()).status).toBe(200)
  await session.age(28_801)
  vault.control.seal(true)
  expect((await session.fetch()).status).toBe(200)
  await session.age(28_801)
  expect((await session.fetch()).status).toBe(200)
  vault.control.seal(false)
})

test('a refresh that keeps the refresh token it was given leaves it as it was resealed meanwhile', async () => {
  const session = await enter('google')
  await session.age(3_600)
  const { store, sealer } = house.gateway.running().gateway
  const tokenRoute = 'POST /token'
  const before = house.google.calls(tokenRoute).length
  house.google.control.script({ on: tokenRoute, effect: { kind: 'hold' } })
  const fetching = session.fetch()
  await house.google.arrived(tokenRoute, before + 1)
  const column = store.sealedValues.columns.find((each) => each.column === 'sealed_refresh_token')
  if (!column) throw new Error('no column')
  const connections = (await store.connections.list({ provider: 'google' }, { limit: 9 })).rows
  const [{ id } = { id: '' }, ...others] = connections
  expect(others).toEqual([])
  const row = (await store.sealedValues.page(column, '', 99)).find((each) => each.id === id)
  if (!row?.sealed) throw new Error('no refresh token')
  const resealed = await sealer.rewrap(row.sealed, placeOf(column, row))
  expect(await store.sealedValues.replace(column, row, resealed)).toBe(true)
  house.google.control.release()
  expect((await fetching).status).toBe(200)
  expect((await store.connections.find(id))?.sealedRefreshToken).toBe(resealed)
  expect((await session.fetch()).status).toBe(200)
})

test('doctor says so where the service is what keeps a gateway from starting, and sees nothing wrong where it is there', async () => {
  const doctor = async () =>
    await coatcheck(['doctor'], {
      env: {
        COATCHECK_ISSUER: 'http://localhost:1',
        COATCHECK_DATABASE_URL: house.gateway.database.url,
        COATCHECK_KEY_SERVICE_URL: vault.keyUrl,
        COATCHECK_KEY_SERVICE_TOKEN: vault.token,
        COATCHECK_ALLOW_LOOPBACK_UPSTREAMS: 'true',
      },
    })
  expect((await doctor()).out).toMatch(/^ok +master keys: coatcheck/m)
  vault.control.seal(true)
  const { out, exitCode } = await doctor()
  expect(exitCode).toBe(1)
  expect(out).toMatch(/^wrong +master keys: the key service does not answer/m)
  vault.control.seal(false)
})

test('a start without the service is refused, and changes nothing', async () => {
  service = newService()
  vault.control.seal(true)
  await expect(house.gateway.restart()).rejects.toThrow('key_service')
  vault.control.seal(false)
  await house.gateway.restart()
  const session = await enter()
  expect((await session.fetch()).status).toBe(200)
})

test('once everything is resealed, the service may forget the versions before, and a gateway starts', async () => {
  vault.control.rotate()
  service = newService()
  await house.gateway.admin('POST', '/master-keys/reseal', {})
  type Told = { items: { to_reseal: number }[]; reseal: { state: string } }
  const told = async () => await house.gateway.admin<Told>('GET', '/master-keys')
  await expect.poll(async () => (await told()).reseal.state, { timeout: 20_000 }).toBe('finished')
  expect((await told()).items).toMatchObject([{ to_reseal: 0 }])
  vault.control.oldest(2)
  service = newService()
  await house.gateway.restart()
  const session = await enter()
  expect((await session.fetch()).status).toBe(200)
})
