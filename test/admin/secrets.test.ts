import { expect, test } from 'vitest'
import { sha256 } from '../../src/lib/secret.ts'
import { dumpAudit, openAdminGateway } from '../support/admin-gateway.ts'
import { forge, notes, seedPeople, upstreamTokens } from '../support/admin-rows.ts'

test('secrets go in and never come out: not in answers, nor errors, nor the record', async () => {
  const gateway = await openAdminGateway()
  const { admin, answers } = gateway
  await admin('PUT', '/providers/forge', forge)
  await admin('PUT', '/providers/forge', { ...forge, enabled: 'wrong' })
  await admin('PUT', '/providers/forge', { ...forge, client_secret: { nested: forge.client_secret } })
  await admin('PUT', '/providers/forge', { ...forge, [forge.client_id]: forge.client_secret })
  await admin('PUT', '/resources/notes', notes)
  const credential = (await admin('POST', '/resources/notes/credentials', {})).json
  const client = (await admin('POST', '/clients', { redirect_uris: ['https://client.test/cb'] })).json
  await seedPeople(gateway)
  await admin('POST', '/signing-keys/rotate', {})
  await admin('PATCH', `/clients/${client.client_id}`, { enabled: false })

  const shownOnce = answers.splice(0).join()
  for (const secret of [credential.client_secret, client.client_secret]) {
    expect(shownOnce.split(secret)).toHaveLength(2)
  }
  const paths = [
    '/providers',
    '/providers/forge',
    '/resources',
    '/resources/notes',
    '/resources/notes/credentials',
  ]
  const lists = ['/clients', '/subjects', '/token-sessions', '/connections', '/audit-events', '/signing-keys']
  for (const path of [...paths, ...lists, `/clients/${client.client_id}`]) {
    expect((await admin('GET', path)).status).toBe(200)
  }
  await admin('POST', '/providers/forge/check')
  for (const path of [
    '/token-sessions/grant_ada',
    '/connections/con_ada',
    '/subjects/sub_bob',
    '/resources/notes',
    '/providers/forge',
  ]) {
    expect((await admin('DELETE', path)).status).toBe(200)
  }

  const told = answers.join()
  const record = await dumpAudit(gateway)
  const plain = [forge.client_secret, credential.client_secret, client.client_secret, gateway.adminToken]
  const stored = [...plain.map(sha256), ...upstreamTokens, 'sealed_', 'v1.test.', 'ts_grant_ada']
  for (const secret of [...plain, ...stored]) {
    expect(told).not.toContain(secret)
    expect(record).not.toContain(secret)
  }
  // The record names a ticket by its hash, which is for the record alone.
  expect(record).toContain(sha256('ts_grant_ada'))
  expect(told).not.toContain(sha256('ts_grant_ada'))
  expect(told).not.toContain('_hash')
})
