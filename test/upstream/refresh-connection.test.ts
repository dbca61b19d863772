import { describe, expect, test } from 'vitest'
import { createSealer } from '../../src/lib/seal.ts'
import type { RefreshLease } from '../../src/storage/refresh-leases.ts'
import type { Store } from '../../src/storage/store.ts'
import type { Provider } from '../../src/upstream/provider.ts'
import { createProviderPace, type ProviderPace } from '../../src/upstream/provider-pace.ts'
import { createRefresher } from '../../src/upstream/refresh-connection.ts'
import { resolveDescriptor } from '../../src/upstream/resolve-descriptor.ts'
import { connection } from '../storage/rows.ts'

const now = 1_900_000_000
const clock = () => now
/** Seconds; there are ten looks in each. */
const deadline = 0.3

const provider: Provider = {
  id: 'forge',
  name: 'Forge',
  descriptor: resolveDescriptor('github', {}, { allowLoopback: false }),
  clientId: 'coatcheck',
  clientSecret: 'secret',
  enabled: true,
  version: 1,
  admit: 'anyone',
  changedAt: 0,
  signInHash: 'hash',
  scopes: [],
}

const heldElsewhere: RefreshLease = {
  connectionId: 'con',
  fence: 1,
  holder: 'another',
  expiresAt: now + 20,
  version: 1,
  sentAt: now,
  attempts: 1,
  sealedAnswer: null,
  answeredAt: null,
  restUntil: null,
  restReason: null,
  boughtVersion: null,
}

/** A refresher that never gets to ask, and how often it looked into the database. */
function setUp(seen: RefreshLease | undefined, pace: ProviderPace) {
  let looks = 0
  const refresher = createRefresher({
    holder: 'this process',
    connections: { find: async () => connection('con') } as unknown as Store['connections'],
    leases: {
      async find() {
        looks++
        return seen
      },
    } as unknown as Store['refreshLeases'],
    sealer: createSealer([{ id: 'test', key: new Uint8Array(32) }]),
    refreshTokens: () => expect.unreachable('nobody may be asked'),
    discard: () => expect.unreachable('nothing was brought'),
    pace,
    clock,
    backoff: 30,
    deadline: { answer: deadline, wayThere: 0 },
    refreshDeadline: deadline,
    mostLate: 0,
  })
  return { ...refresher, looks: () => looks }
}

const newPace = () => createProviderPace({ clock, backoff: 30 })
const busy = { outcome: 'busy', retryAfter: 1 }

describe('while another process refreshes a connection', () => {
  test('all who wait here do so together, once, and not each in turn', async () => {
    const { refresh, looks } = setUp(heldElsewhere, newPace())
    const asked = Array.from({ length: 5 }, () => refresh(provider, connection('con'), 'now'))
    expect(await Promise.all(asked)).toEqual(Array(5).fill(busy))
    expect(looks()).toBe(3)
  })

  test('who has nothing to go on with waits, although who asked before did not', async () => {
    const { refresh, looks } = setUp(heldElsewhere, newPace())
    const ahead = refresh(provider, connection('con'), 'ahead')
    const waiting = refresh(provider, connection('con'), 'now')
    expect(await Promise.all([ahead, waiting])).toEqual([busy, busy])
    expect(looks()).toBe(1 + 3)
  })

  test('a gateway that stops waits no longer', async () => {
    const { refresh, stop, looks } = setUp(heldElsewhere, newPace())
    const asked = refresh(provider, connection('con'), 'now')
    await stop()
    expect(await asked).toEqual(busy)
    expect(looks()).toBe(1)
  })
})

test('while a provider is asked by as many as may, whoever waits looks into the database once', async () => {
  const pace = newPace()
  while (pace.hasRoom('forge')) pace.enter('forge')
  const { refresh, looks } = setUp(undefined, pace)
  expect(await refresh(provider, connection('con'), 'now')).toEqual(busy)
  expect(looks()).toBe(1)
})
