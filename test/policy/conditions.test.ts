import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Circumstances, conditionsSchema, failedConditions } from '../../src/policy/conditions.ts'
import type { Conditions } from '../../src/storage/documents.ts'

const noon = Date.UTC(2026, 4, 5, 12, 0) / 1000
const call: Circumstances = {
  now: noon,
  tool: 'read_issue',
  arguments: { repo: 'api', limit: 10 },
  declared: new Set(['repo', 'limit']),
  address: '203.0.113.7',
  authTime: noon - 60,
}
const fails = (conditions: Conditions, circumstances: Partial<Circumstances> = {}) =>
  failedConditions(conditions, { ...call, ...circumstances })

test('conditions that all hold fail in nothing', () => {
  const conditions: Conditions = {
    cidrs: ['10.0.0.0/8', '203.0.113.0/24'],
    time_utc: ['09:00-17:00'],
    allowed_tools: ['read_issue'],
    denied_tools: ['delete_repo'],
    arguments: { repo: { one_of: ['api'] }, limit: { at_most: 10 } },
    max_authentication_age: 60,
  }
  expect(fails(conditions)).toEqual([])
})

test('no condition, nothing to fail', () => {
  expect(fails({})).toEqual([])
})

describe('networks', () => {
  test.each([
    ['203.0.113.7', '203.0.113.0/24', true],
    ['203.0.114.7', '203.0.113.0/24', false],
    ['::ffff:203.0.113.7', '203.0.113.0/24', true],
    ['2001:db8::1', '2001:db8::/32', true],
    ['2001:db8::1', '0.0.0.0/0', false],
    ['not an address', '0.0.0.0/0', false],
    ['010.0.0.1', '8.0.0.0/8', false],
    ['10.1', '10.0.0.0/8', false],
    ['0xa000001', '10.0.0.0/8', false],
    [undefined, '0.0.0.0/0', false],
  ])('%s against %s', (address, cidr, holds) => {
    expect(fails({ cidrs: [cidr] }, { address })).toEqual(holds ? [] : ['cidrs'])
  })
})

describe('hours, in UTC', () => {
  test.each([
    ['09:00-17:00', '09:00', true],
    ['09:00-17:00', '16:59', true],
    ['09:00-17:00', '17:00', false],
    ['22:00-06:00', '23:30', true],
    ['22:00-06:00', '05:59', true],
    ['22:00-06:00', '06:00', false],
    ['22:00-06:00', '21:59', false],
  ])('%s at %s', (window, time, holds) => {
    const now = Date.parse(`2026-05-05T${time}:00Z`) / 1000
    expect(fails({ time_utc: [window] }, { now })).toEqual(holds ? [] : ['time_utc'])
  })
})

test('of two windows that lie around each other every minute of any day is in exactly one', () => {
  const clock = fc.integer({ min: 0, max: 1439 })
  const text = (minute: number) =>
    `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
  fc.assert(
    fc.property(clock, clock, fc.integer({ min: 0, max: 4_000_000_000 }), (from, to, now) => {
      fc.pre(from !== to)
      const holds = (window: string) => fails({ time_utc: [window] }, { now }).length === 0
      expect(holds(`${text(from)}-${text(to)}`)).toBe(!holds(`${text(to)}-${text(from)}`))
    }),
  )
})

describe('arguments', () => {
  const limited: Conditions = { arguments: { repo: { one_of: ['api'] } } }

  test('another value fails', () => {
    expect(fails(limited, { arguments: { repo: 'payroll' } })).toEqual(['arguments'])
  })
  test('a list is within a limit where each of it is', () => {
    expect(fails(limited, { arguments: { repo: ['api', 'api'] } })).toEqual([])
    expect(fails(limited, { arguments: { repo: ['api', 'payroll'] } })).toEqual(['arguments'])
  })
  test('a list of nothing may stand for everything, and fails', () => {
    expect(fails(limited, { arguments: { repo: [] } })).toEqual(['arguments'])
  })
  test.each([[['api', ['payroll']]], [[['api']]], [{ 0: 'api' }], ['API'], ['api '], ['ａpi'], [null]])(
    'another spelling of a value fails: %j',
    (repo) => {
      expect(fails(limited, { arguments: { repo } })).toEqual(['arguments'])
    },
  )
  test('left out, it fails for a tool that takes it: its default is unknown here', () => {
    expect(fails(limited, { arguments: {} })).toEqual(['arguments'])
  })
  test('a tool that does not take it is not limited by it, unless it is sent all the same', () => {
    expect(fails(limited, { arguments: {}, declared: new Set() })).toEqual([])
    expect(fails(limited, { arguments: { repo: 'payroll' }, declared: new Set() })).toEqual(['arguments'])
  })
  test('a member of Object.prototype is no argument', () => {
    expect(
      fails({ arguments: { toString: { one_of: ['x'] } } }, { declared: new Set(['toString']) }),
    ).toEqual(['arguments'])
  })
  test.each([[9], [10], [11, 'fails'], ['10', 'fails'], [null, 'fails'], [Number.NaN, 'fails']])(
    'a number between bounds: %s',
    (limit, outcome?: string | number) => {
      const failed = fails({ arguments: { limit: { at_least: 1, at_most: 10 } } }, { arguments: { limit } })
      expect(failed).toEqual(outcome === 'fails' ? ['arguments'] : [])
    },
  )
  test('nothing is said of a call nobody has made yet', () => {
    expect(fails(limited, { arguments: 'unknown' })).toEqual([])
  })
})

test('the age and the strength of a sign-in', () => {
  expect(fails({ max_authentication_age: 59 })).toEqual(['max_authentication_age'])
  expect(fails({ acr_values: ['mfa'] })).toEqual(['acr_values'])
  expect(fails({ acr_values: ['mfa'] }, { acr: 'mfa' })).toEqual([])
})

describe('what is refused when it is written', () => {
  test.each<[unknown]>([
    [{ alowed_tools: ['x'] }],
    [{ cidrs: ['10.0.0.1'] }],
    [{ cidrs: [] }],
    [{ time_utc: ['9-17'] }],
    [{ time_utc: ['24:00-01:00'] }],
    [{ time_utc: ['09:00-09:00'] }],
    [{ arguments: { repo: {} } }],
    [{ arguments: { repo: { matches: '.*' } } }],
    [{ max_authentication_age: -1 }],
    [{ max_authentication_age: 0 }],
    [{ cidrs: ['10/8'] }],
    [{ cidrs: ['010.0.0.0/8'] }],
    [{ cidrs: ['::ffff:10.0.0.0/104'] }],
  ])('%j', (conditions) => {
    expect(conditionsSchema.safeParse(conditions).success).toBe(false)
  })
})
