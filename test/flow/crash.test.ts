import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ChildGateway, startChildGateway } from '../support/child-gateway.ts'
import { startUpstream, type TestUpstream } from '../support/upstreams.ts'
import {
  authorize,
  createCredential,
  introspect,
  redeem,
  refresh,
  registerClient,
  resourceUri,
  retrieve,
  signIn,
  type Tokens,
} from '../support/world.ts'

// Promise 7 against `kill -9`: it comes right after the answer.

let gateway: ChildGateway
let upstream: TestUpstream
beforeAll(async () => {
  gateway = await startChildGateway()
  upstream = await startUpstream('github', { issuer: gateway.issuer, clock: gateway.clock.now })
  upstream.approveAs('ada')
})
afterAll(async () => {
  await gateway.stop()
  await upstream.stop()
})

test('whatever was answered before the kill is still true after it', async () => {
  await gateway.admin('PUT', '/providers/github', upstream.definition)
  await gateway.admin('PUT', '/resources/notes', {
    resource: resourceUri,
    name: 'Notes',
    providers: [{ provider: 'github', scopes: [upstream.scope] }],
  })
  const credential = await createCredential(gateway, 'notes')
  const clientId = await registerClient(gateway)
  const world = { gateway, clock: gateway.clock, clientId, credential, provider: 'github' }
  const refreshed = await signIn(world)
  const revoked = await signIn(world)
  const redeemed = await authorize(world)

  const [renewal, revocation, redemption, code, another] = await Promise.all([
    refresh(world, refreshed.tokens.refresh_token),
    fetch(`${gateway.issuer}/oauth/revoke`, {
      method: 'POST',
      body: new URLSearchParams({ client_id: clientId, token: revoked.tokens.refresh_token }),
    }),
    redeem(world, redeemed),
    authorize(world),
    registerClient(gateway),
    retrieve(world, refreshed.tsid),
  ])
  expect([renewal.status, revocation.status, redemption.status]).toEqual([200, 200, 200])
  await gateway.crash()

  const successor = ((await renewal.json()) as Tokens).refresh_token
  const retried = (await (await refresh(world, refreshed.tokens.refresh_token)).json()) as Tokens
  expect(retried.refresh_token).toBe(successor)
  expect((await refresh(world, successor)).status).toBe(200)
  expect(await introspect(world, revoked.tokens.access_token)).toEqual({ active: false })
  expect((await refresh(world, revoked.tokens.refresh_token)).status).toBe(400)
  expect((await retrieve(world, revoked.tsid)).status).toBe(404)
  const issued = (await redemption.json()) as Tokens
  expect((await refresh(world, issued.refresh_token)).status).toBe(200)
  expect((await redeem(world, code)).status).toBe(200)
  expect((await authorize({ ...world, clientId: another })).callback).toHaveProperty('code')
  const { status, body } = await retrieve(world, refreshed.tsid)
  expect(status).toBe(200)
  expect(await upstream.whoseToken(String(body.access_token))).toContain('ada')
  const releases = await gateway.admin<{ items: unknown[] }>(
    'GET',
    '/audit-events?event=upstream_token.released',
  )
  expect(releases.items).toHaveLength(2)
})
