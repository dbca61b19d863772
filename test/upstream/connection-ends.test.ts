import { expect, test } from 'vitest'
import type { Connection } from '../../src/storage/connections.ts'
import { endsOf, refreshLifeOf } from '../../src/upstream/connection-ends.ts'
import { resolveDescriptor } from '../../src/upstream/resolve-descriptor.ts'

const day = 86_400
const made = 1_800_000_000
const refreshedAt = made + 20 * day

const connection = (row: Partial<Connection> = {}) => ({
  status: 'live' as const,
  sealedRefreshToken: 'sealed',
  accessExpiresAt: refreshedAt + 3600,
  refreshExpiresAt: null,
  authorizedAt: made,
  refreshedAt,
  ...row,
})

const lifeOf = (id: string) => refreshLifeOf(resolveDescriptor(id, {}, { allowLoopback: false }))

test.each([
  ['atlassian', { idleEndsAt: refreshedAt + 90 * day, endsAt: made + 365 * day }],
  ['github', { idleEndsAt: refreshedAt + 183 * day }],
  ['github-app', { idleEndsAt: refreshedAt + 183 * day }],
  ['google', { idleEndsAt: refreshedAt + 180 * day }],
])('%s: a refresh puts off one end and not the other', (id, ends) => {
  expect(endsOf(connection(), lifeOf(id))).toEqual(ends)
})

test('the end that came with a refresh token counts before what is known of all of them', () => {
  const told = connection({ refreshExpiresAt: refreshedAt + 7 * day })
  expect(endsOf(told, lifeOf('github'))).toEqual({ idleEndsAt: refreshedAt + 7 * day })
})

test('the end of a refresh token that never changes is put off by nothing', () => {
  const told = connection({ refreshExpiresAt: made + 7 * day })
  expect(endsOf(told, lifeOf('google'))).toEqual({
    idleEndsAt: refreshedAt + 180 * day,
    endsAt: made + 7 * day,
  })
  const both = { absoluteLifetime: 3 * day, toldEnd: 'stays' } as const
  expect(endsOf(told, both)).toEqual({ endsAt: made + 3 * day })
})

test('without a refresh token a connection ends with its access token', () => {
  expect(endsOf(connection({ sealedRefreshToken: null }), lifeOf('atlassian'))).toEqual({
    endsAt: refreshedAt + 3600,
  })
  expect(endsOf(connection({ sealedRefreshToken: null, accessExpiresAt: null }), lifeOf('github'))).toEqual(
    {},
  )
})

test('of a dead one, or one at an unknown provider, no end is told', () => {
  expect(endsOf(connection({ status: 'needs_reauthorization' }), lifeOf('atlassian'))).toEqual({})
  expect(endsOf(connection(), undefined)).toEqual({})
})
