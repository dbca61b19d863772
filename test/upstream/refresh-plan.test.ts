import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { RefreshLease } from '../../src/storage/refresh-leases.ts'
import { planRefresh } from '../../src/upstream/refresh-plan.ts'

const now = 1_000_000

const lease = (more: Partial<RefreshLease> = {}): RefreshLease => ({
  connectionId: 'con_1',
  fence: 7,
  holder: 'another',
  expiresAt: now - 1,
  version: 3,
  sentAt: null,
  attempts: 0,
  sealedAnswer: null,
  answeredAt: null,
  restUntil: null,
  restReason: null,
  boughtVersion: null,
  ...more,
})

const plan = (left: RefreshLease | undefined, reuseWindow: number | 'unlimited' = 0) =>
  planRefresh(left, { version: 3, holder: 'me', reuseWindow }, now)

const first = { step: 'send', sentAt: now, attempts: 1 }

describe('a refresh is sent', () => {
  test('where nobody ever tried', () => expect(plan(undefined)).toEqual(first))
  test('where the last one ended', () => expect(plan(lease())).toEqual(first))
  test('where what is left is about tokens that were replaced since', () =>
    expect(plan(lease({ version: 2, sentAt: now - 9, attempts: 2, sealedAnswer: 'sealed' }))).toEqual(first))
  test('anew by the process that sent it and knows what came of it', () =>
    expect(plan(lease({ holder: 'me', expiresAt: now + 9, sentAt: now - 9, attempts: 2 }))).toEqual(first))
  test('once more where it may have arrived, as the same attempt', () =>
    expect(plan(lease({ sentAt: now - 5000, attempts: 1 }))).toEqual({
      step: 'send',
      sentAt: now - 5000,
      attempts: 2,
      unsure: 'the holder may live',
    }))
  test('once more at once where whoever tried in vain gave back what nobody knew before', () =>
    expect(plan(lease({ expiresAt: 0, sentAt: now - 5000, attempts: 1 }))).toEqual({
      step: 'send',
      sentAt: now - 5000,
      attempts: 2,
    }))
  test('by nobody who knew that, either, as if it were the first', () =>
    expect(plan(lease({ holder: 'me', expiresAt: 0, sentAt: now - 5000, attempts: 1 }))).toMatchObject({
      attempts: 2,
    }))
  test('where a clock that was wrong holds it for longer than anybody does', () =>
    expect(plan(lease({ expiresAt: now + 3600, sentAt: now + 3590, attempts: 1 }))).toMatchObject({
      step: 'send',
    }))
  test('where a clock that was wrong has it rest for longer than anybody asks', () => {
    const trouble = { kind: 'limited', code: 'status_429' } as const
    expect(plan(lease({ restUntil: now + 3601, restReason: trouble }))).toEqual(first)
  })
  test('as often as it takes within the window in which the provider takes it again', () =>
    expect(plan(lease({ sentAt: now - 599, attempts: 9 }), 600)).toMatchObject({
      step: 'send',
      attempts: 10,
    }))
  test('as often as it takes where the provider never changes it', () =>
    expect(plan(lease({ sentAt: 1, attempts: 9 }), 'unlimited')).toMatchObject({ step: 'send' }))
})

describe('a refresh is not sent', () => {
  test('while another process is at it', () =>
    expect(plan(lease({ expiresAt: now + 1 }))).toEqual({ step: 'wait' }))
  test('while another process waits for a provider that is slow', () => {
    const trouble = { kind: 'transient', code: 'deadline' } as const
    const slow = lease({ expiresAt: now + 9, restUntil: now + 9, restReason: trouble })
    expect(plan(slow)).toEqual({ step: 'rest', until: now + 9, trouble })
  })
  test('while the provider is left alone', () => {
    const trouble = { kind: 'limited', code: 'status_429' } as const
    expect(plan(lease({ restUntil: now + 1, restReason: trouble }))).toEqual({
      step: 'rest',
      until: now + 1,
      trouble,
    })
    expect(plan(lease({ restUntil: now, restReason: trouble }))).toEqual(first)
  })
  test('where an answer waits to be read', () =>
    expect(
      plan(lease({ sentAt: now - 9, attempts: 1, sealedAnswer: 'sealed', answeredAt: now - 8 })),
    ).toEqual({
      step: 'read',
      sealedAnswer: 'sealed',
      answeredAt: now - 8,
    }))
  test('a third time where the provider takes it once', () =>
    expect(plan(lease({ sentAt: now - 9, attempts: 2 }))).toMatchObject({ step: 'give up' }))
  test('a third time after the window', () =>
    expect(plan(lease({ sentAt: now - 600, attempts: 2 }), 600)).toMatchObject({ step: 'give up' }))
})

test('whatever is left behind, a token that may be sent once is sent twice at most by those who cannot know', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(100), { minLength: 1, maxLength: 20 }), (pauses) => {
      let left: RefreshLease | undefined
      let time = now
      let sent = 0
      for (const pause of pauses) {
        time += pause
        const next = planRefresh(left, { version: 3, holder: `process ${sent}`, reuseWindow: 0 }, time)
        if (next.step !== 'send') break
        sent++
        // Each of them dies with the answer in its hands.
        left = lease({ ...next, holder: `process ${sent - 1}`, expiresAt: time })
      }
      expect(sent).toBeLessThanOrEqual(2)
    }),
  )
})
