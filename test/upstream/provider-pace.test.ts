import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createProviderPace, type PaceReport } from '../../src/upstream/provider-pace.ts'

const outage: PaceReport = { kind: 'transient', code: 'status_502' }
const limit = (retryAfter?: number): PaceReport => ({
  kind: 'limited',
  code: 'status_429',
  ...(retryAfter !== undefined && { retryAfter }),
})

function setUp() {
  let now = 1000
  const pace = createProviderPace({ clock: () => now, backoff: 30 })
  /** As many as may, up to `most`. */
  const enter = (most: number, provider = 'one') =>
    Array.from({ length: most }, () => pace.enter(provider)).filter(({ step }) => step === 'go').length
  let connections = 0
  const leave = (times: number, report: PaceReport, provider = 'one') => {
    for (let count = 0; count < times; count++) pace.leave(provider, report, `con_${++connections}`)
  }
  const ask = (report: PaceReport, provider = 'one', connectionId = `con_${++connections}`) => {
    const admission = pace.enter(provider)
    if (admission.step === 'go') pace.leave(provider, report, connectionId)
    return admission.step
  }
  return { pace, enter, leave, ask, advance: (seconds: number) => (now += seconds) }
}

describe('a provider', () => {
  test('that answers is asked by many at once, and by no more than it may', () => {
    const { enter, leave, pace } = setUp()
    expect(enter(100)).toBe(64)
    expect(pace.enter('one')).toEqual({ step: 'wait' })
    expect(pace.hasRoom('one')).toBe(false)
    leave(64, 'answered')
    expect(pace.hasRoom('one')).toBe(true)
    expect(enter(100)).toBe(64)
  })

  test('whose answers are refusals is up: only outages count', () => {
    const { ask } = setUp()
    for (let count = 0; count < 4; count++) ask(outage)
    ask('answered')
    for (let count = 0; count < 4; count++) expect(ask(outage)).toBe('go')
  })

  test('that is down five times in a row is left alone, longer each time, up to a minute', () => {
    const { ask, pace, advance } = setUp()
    for (let count = 0; count < 5; count++) expect(ask(outage)).toBe('go')
    expect(pace.enter('one')).toEqual({
      step: 'rest',
      until: 1030,
      trouble: { kind: 'transient', code: 'status_502' },
    })
    for (const pause of [30, 60, 60, 60]) {
      advance(pause - 1)
      expect(ask(outage)).toBe('rest')
      advance(1)
      expect(ask(outage)).toBe('go')
    }
  })

  test('that comes back is asked by one, then by twice as many with every answer', () => {
    const { ask, enter, leave, advance, pace } = setUp()
    for (let count = 0; count < 5; count++) ask(outage)
    advance(30)
    for (const width of [1, 2, 8, 64]) {
      expect(enter(100)).toBe(width)
      expect(pace.states()).toEqual([{ provider: 'one', state: width < 64 ? 'recovering' : 'closed' }])
      leave(width, 'answered')
    }
  })

  test('that fails again while it comes back is left alone at once', () => {
    const { ask, advance } = setUp()
    for (let count = 0; count < 5; count++) ask(outage)
    advance(30)
    expect(ask(outage)).toBe('go')
    expect(ask('answered')).toBe('rest')
  })

  test('is left alone once by those who set out together', () => {
    const { enter, leave, pace } = setUp()
    leave(enter(50), outage)
    expect(pace.enter('one')).toMatchObject({ step: 'rest', until: 1030 })
  })

  test('that limits is left alone as long as it says, though not for long for one person’s sake', () => {
    const { ask, advance, enter } = setUp()
    ask(limit(10))
    advance(9)
    expect(ask('answered')).toBe('rest')
    advance(1)
    expect(enter(100)).toBe(32)
    const other = setUp()
    other.ask(limit(3600))
    other.advance(30)
    expect(other.ask('answered')).toBe('go')
  })

  test('that limits one person again, and nobody else meanwhile, is asked for the others', () => {
    const { ask, advance } = setUp()
    expect(ask(limit(10), 'one', 'greedy')).toBe('go')
    expect(ask('answered')).toBe('rest')
    advance(10)
    // Nobody else has had a turn since, or everybody was answered who had.
    expect(ask(limit(10), 'one', 'greedy')).toBe('go')
    expect(ask('answered')).toBe('go')
    expect(ask(limit(10), 'one', 'greedy')).toBe('go')
    expect(ask('answered')).toBe('go')
  })

  test('that limits others as well is left alone again', () => {
    const { ask, advance } = setUp()
    ask(limit(10), 'one', 'first')
    advance(10)
    ask(limit(10), 'one', 'second')
    advance(10)
    expect(ask(limit(10), 'one', 'first')).toBe('go')
    expect(ask('answered')).toBe('rest')
  })

  test('that answered somebody since has no limit on record for them', () => {
    const { ask, advance } = setUp()
    ask(limit(10), 'one', 'ada')
    advance(10)
    ask('answered', 'one', 'ada')
    ask(limit(10), 'one', 'ada')
    expect(ask('answered')).toBe('rest')
  })

  test('that was only slow is asked again at once, and by twice as many with every answer', () => {
    const { ask, pace, enter, leave } = setUp()
    for (let count = 0; count < 5; count++) ask(outage)
    expect(ask('answered')).toBe('rest')
    pace.heard('one')
    expect(enter(100)).toBe(2)
    leave(2, outage)
    pace.heard('one')
    expect(enter(100)).toBe(4)
  })

  test('that limits is left alone, whatever comes late', () => {
    const { ask, pace } = setUp()
    ask(limit(10))
    pace.heard('one')
    expect(ask('answered')).toBe('rest')
  })

  test('is none of another’s business', () => {
    const { ask } = setUp()
    for (let count = 0; count < 5; count++) ask(outage)
    expect(ask('answered', 'another')).toBe('go')
  })
})

test('whatever it answers, it is asked again within a minute of quiet, and never by more than 64', () => {
  const report = fc.oneof(
    fc.constant<PaceReport>('answered'),
    fc.constant<PaceReport>('not asked'),
    fc.constant(outage),
    fc.nat(5000).map(limit),
  )
  fc.assert(
    fc.property(
      fc.array(fc.tuple(report, fc.nat(40), fc.integer({ min: 1, max: 90 })), { maxLength: 60 }),
      (steps) => {
        const { enter, leave, advance } = setUp()
        for (const [said, pause, wanted] of steps) {
          const entered = enter(wanted)
          expect(entered).toBeLessThanOrEqual(64)
          leave(entered, said)
          advance(pause)
        }
        advance(60)
        expect(enter(1)).toBe(1)
      },
    ),
  )
})
