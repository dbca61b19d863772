import { expect, test } from 'vitest'
import { type AdminGateway, openAdminGateway } from '../support/admin-gateway.ts'

// Who guesses at the admin API (AD-08): nothing but time takes a failure back.

const password = 'correct horse battery'
const limits = { failed_admin_logins_per_address: 4, failed_admin_logins_per_name: 6 }

const withAda = async () => {
  const gateway = await openAdminGateway({ file: { limits } })
  for (const name of ['ada', 'bob']) {
    await gateway.admin('POST', '/administrators', { name, role: 'write', password })
  }
  return gateway
}

/** A request from an address: its status, and how long it is told to wait. */
async function tryFrom({ app }: AdminGateway, remoteAddress: string, authorization: string) {
  const answer = await app.inject({
    url: '/admin/v1/providers',
    remoteAddress,
    headers: { authorization },
  })
  return [answer.statusCode, Number(answer.headers['retry-after'] ?? 0)]
}

const named = (name: string, secret: string) => `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`

test('an address is told to the second when its next guess is looked at', async () => {
  const gateway = await withAda()
  const guess = () => tryFrom(gateway, '192.0.2.1', 'Bearer wrong')
  for (let attempt = 0; attempt < 4; attempt++) expect(await guess()).toEqual([401, 0])
  expect(await guess()).toEqual([429, 15])
  gateway.time.now += 14
  expect(await guess()).toEqual([429, 1])
  gateway.time.now += 1
  expect(await guess()).toEqual([401, 0])
  expect(await guess()).toEqual([429, 15])
})

test('addresses of one customer are one, and others are not kept waiting', async () => {
  const gateway = await withAda()
  for (let host = 1; host <= 4; host++) {
    expect(await tryFrom(gateway, `2001:db8:1:2::${host}`, 'Bearer wrong')).toEqual([401, 0])
  }
  expect(await tryFrom(gateway, '2001:db8:1:2:ffff::1', 'Bearer wrong')).toEqual([429, 15])
  expect(await tryFrom(gateway, '2001:db8:1:3::1', 'Bearer wrong')).toEqual([401, 0])
})

test('a crowd of addresses makes none of them anew', async () => {
  const gateway = await withAda()
  const guess = () => tryFrom(gateway, '192.0.2.1', 'Bearer wrong')
  for (let attempt = 0; attempt < 4; attempt++) await guess()
  const { failed_admin_logins_per_address: counted } = gateway.gateway.rates
  for (let address = 0; address < 30_000; address++) counted.take(`crowd ${address}`, gateway.time.now)
  expect((await guess())[0]).toBe(429)
  expect(counted.size()).toBeLessThanOrEqual(10_000)
})

test('one name guessed at from ever new addresses is told to stop, and its right password waits but where it was right before', async () => {
  const gateway = await withAda()
  // Bob was here, ada not yet.
  const bobs = '192.0.2.9'
  expect(await tryFrom(gateway, bobs, named('bob', password))).toEqual([200, 0])
  for (const name of ['ada', 'bob', 'nobody']) {
    for (let host = 1; host <= 6; host++) {
      expect(await tryFrom(gateway, `198.51.100.${host}`, named(name, `guess ${host}`))).toEqual([401, 0])
    }
    expect(await tryFrom(gateway, '198.51.100.7', named(name, 'guess 7'))).toEqual([429, 10])
    // Nobody elsewhere learns by guessing on whether a guess was right.
    expect(await tryFrom(gateway, '203.0.113.1', named(name, password))).toEqual([429, 10])
    expect(await tryFrom(gateway, bobs, named(name, password))).toEqual(name === 'bob' ? [200, 0] : [429, 10])
    expect(await tryFrom(gateway, '203.0.113.1', `Bearer ${gateway.adminToken}`)).toEqual([200, 0])
    gateway.time.now += 120
  }
  for (let host = 1; host <= 6; host++) {
    await tryFrom(gateway, `198.51.100.${host}`, named('ada', `guess ${host}`))
  }
  gateway.time.now += 9
  expect(await tryFrom(gateway, '203.0.113.1', named('ada', password))).toEqual([429, 1])
  gateway.time.now += 1
  expect(await tryFrom(gateway, '203.0.113.1', named('ada', password))).toEqual([200, 0])
})

test('where a password was right before, guesses at it have as many as an address and no more', async () => {
  const gateway = await withAda()
  const from = '192.0.2.9'
  expect(await tryFrom(gateway, from, named('bob', password))).toEqual([200, 0])
  for (let attempt = 0; attempt < 3; attempt++) {
    expect((await tryFrom(gateway, from, 'Bearer wrong'))[0]).toBe(401)
  }
  for (let attempt = 0; attempt < 4; attempt++) {
    expect((await tryFrom(gateway, from, named('bob', `guess ${attempt}`)))[0]).toBe(429)
    if (attempt < 3) expect((await tryFrom(gateway, from, named('bob', password)))[0]).toBe(200)
  }
  expect(await tryFrom(gateway, from, named('bob', password))).toEqual([429, 15])
  expect(await tryFrom(gateway, from, `Bearer ${gateway.adminToken}`)).toEqual([200, 0])
  gateway.time.now += 15
  expect(await tryFrom(gateway, from, named('bob', password))).toEqual([200, 0])
})

test('of guesses sent all at once no more are told from wrong ones than of those sent one by one', async () => {
  const gateway = await withAda()
  const from = '192.0.2.9'
  expect(await tryFrom(gateway, from, named('bob', password))).toEqual([200, 0])
  for (const burst of ['198.51.100.1', from]) {
    const guesses = Array.from({ length: 60 }, (_, index) => (index === 50 ? password : `guess ${index}`))
    const answers = await Promise.all(guesses.map((guess) => tryFrom(gateway, burst, named('bob', guess))))
    expect(answers.map(([status]) => status)).not.toContain(200)
  }
})

test('a success takes nothing back, neither at that address nor of that name', async () => {
  const gateway = await withAda()
  const from = '192.0.2.1'
  // A password that was not right here before counts until it is found right, and is not given back.
  expect(await tryFrom(gateway, '192.0.2.2', named('bob', password))).toEqual([200, 0])
  for (let attempt = 0; attempt < 4; attempt++) {
    expect(await tryFrom(gateway, from, named('ada', `guess ${attempt}`))).toEqual([401, 0])
    expect(await tryFrom(gateway, from, named('bob', password))).toEqual([200, 0])
    expect(await tryFrom(gateway, from, `Bearer ${gateway.adminToken}`)).toEqual([200, 0])
  }
  expect(await tryFrom(gateway, from, named('ada', 'guess 5'))).toEqual([429, 15])
})
