import { expect, test } from 'vitest'
import { openAdminGateway, start } from '../support/admin-gateway.ts'

test('the first key signs, and its private half is not told', async () => {
  const gateway = await openAdminGateway()
  const { items } = (await gateway.admin('GET', '/signing-keys')).json
  expect(items).toHaveLength(1)
  expect(items[0]).toMatchObject({ state: 'signing', active_at: start, retires_at: null })
  expect(items[0].public_jwk).toMatchObject({ kty: 'EC', crv: 'P-256', kid: items[0].kid })
  expect(Object.keys(items[0].public_jwk)).not.toContain('d')
  expect(gateway.answers.join()).not.toContain('sealed')
})

test('a rotation publishes the next key before it signs', async () => {
  const { admin, time } = await openAdminGateway()
  const [first] = (await admin('GET', '/signing-keys')).json.items
  const rotated = (await admin('POST', '/signing-keys/rotate')).json
  const statesNow = async () =>
    Object.fromEntries(
      (await admin('GET', '/signing-keys')).json.items.map((key: { kid: string; state: string }) => [
        key.kid,
        key.state,
      ]),
    )
  expect(rotated.active_at).toBeGreaterThan(time.now)
  expect(await statesNow()).toEqual({ [first.kid]: 'signing', [rotated.kid]: 'pending' })
  time.now = rotated.active_at
  expect(await statesNow()).toEqual({ [first.kid]: 'retiring', [rotated.kid]: 'signing' })
  time.now += 3601
  expect(await statesNow()).toEqual({ [first.kid]: 'retired', [rotated.kid]: 'signing' })
  expect((await admin('GET', '/audit-events?event=signing_key.rotated')).json.items).toMatchObject([
    { actor: 'admin:token', detail: { kid: rotated.kid } },
  ])
})

test('in an emergency nothing signed so far counts any more', async () => {
  const { admin, gateway, time } = await openAdminGateway()
  const { kid } = await gateway.signingKeys.signingKey()
  const { status, json } = await admin('POST', '/signing-keys/rotate', { emergency: true })
  expect(status).toBe(200)
  expect(json.active_at).toBe(time.now)
  expect((await admin('GET', '/signing-keys')).json.items).toMatchObject([
    { kid: json.kid, state: 'signing' },
    { kid, state: 'retired' },
  ])
  expect([...(await gateway.signingKeys.verificationKeys()).keys()]).toEqual([json.kid])
  expect((await gateway.signingKeys.signingKey()).kid).not.toBe(kid)
})

test.each([{ emergency: 'yes' }, { kid: 'mine' }, []])('a rotation does not take %j', async (body) => {
  const { admin } = await openAdminGateway()
  expect((await admin('POST', '/signing-keys/rotate', body)).status).toBe(400)
})
