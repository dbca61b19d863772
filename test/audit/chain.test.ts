import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { auditEvent } from '../../src/audit/event.ts'
import { follow } from '../../src/audit/walk.ts'
import { type Head, linkAfter, newChain } from '../../src/storage/audit-chain.ts'
import type { AuditEvent } from '../../src/storage/audit-events.ts'

const key = randomBytes(32)
const empty = { subjectId: null, clientId: null, resourceId: null, provider: null, tsidHash: null }

function chainOf(details: readonly Record<string, unknown>[]): AuditEvent[] {
  let head: Head = newChain()
  return details.map((detail, index) => {
    const event = auditEvent(index, { event: 'token.issued', actor: 'gateway', detail })
    head = linkAfter(key, head, event)
    return { ...empty, ...event, ...head } as AuditEvent
  })
}

/** The first row that does not stand where it was written. */
function brokenAt(rows: readonly AuditEvent[]): number | undefined {
  let head: Head = { chain: rows[0]?.chain ?? '', seq: 0, mac: '' }
  for (const row of rows) {
    if (follow(key, head, row) !== 'fits') return row.seq
    head = row
  }
  return undefined
}

const json = fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 4 }) as fc.Arbitrary<
  Record<string, unknown>
>
const chains = fc.array(json, { minLength: 3, maxLength: 12 }).map(chainOf)

test('a chain fits as it was written, however a database spells its JSON', () => {
  fc.assert(
    fc.property(chains, (rows) => {
      const respelled = rows.map((row) => {
        const { detail } = JSON.parse(JSON.stringify(row)) as AuditEvent
        return { ...row, detail: Object.fromEntries(Object.entries(detail).reverse()) }
      })
      expect(brokenAt(respelled)).toBeUndefined()
    }),
  )
})

test('whatever is edited shows at the row it was done to', () => {
  const edits: Partial<AuditEvent>[] = [
    { id: 'other' },
    { at: 99 },
    { event: 'other' },
    { actor: 'other' },
    { outcome: 'other' },
    { subjectId: '' },
    { clientId: 'other' },
    { resourceId: 'other' },
    { provider: 'other' },
    { tsidHash: 'other' },
    { detail: { other: 1 } },
    { mac: 'other' },
  ]
  fc.assert(
    fc.property(chains, fc.nat(), fc.constantFrom(...edits), (rows, at, edit) => {
      const place = at % rows.length
      const changed = rows.map((row, index) => (index === place ? { ...row, ...edit } : row))
      expect(brokenAt(changed)).toBe(place + 1)
    }),
  )
})

test('a row that is missing, doubled, exchanged or made up shows', () => {
  fc.assert(
    fc.property(chains, fc.nat(), fc.nat(), (rows, one, other) => {
      const [left, right] = [one % (rows.length - 1), other % rows.length]
      expect(brokenAt(rows.filter((_, index) => index !== left))).toBe(left + 2)
      const doubled = rows.toSpliced(left, 0, rows[left] as AuditEvent)
      expect(brokenAt(doubled)).toBe(left + 1)
      if (left !== right) {
        const exchanged = rows.map((row, index) => {
          const from = index === left ? right : index === right ? left : index
          return { ...(rows[from] as AuditEvent), seq: row.seq }
        })
        expect(brokenAt(exchanged)).toBe(Math.min(left, right) + 1)
      }
      const copied = [...rows, { ...(rows[left] as AuditEvent), seq: rows.length + 1 }]
      expect(brokenAt(copied)).toBe(rows.length + 1)
    }),
  )
})

test('another key fits nothing', () => {
  const [row] = chainOf([{ a: 1 }])
  if (!row) throw new Error('no row')
  expect(follow(randomBytes(32), { chain: row.chain, seq: 0, mac: '' }, row)).toBe('altered')
})

test('an object and the list of its members are not the same', () => {
  const [row] = chainOf([{ a: { b: 1 } }])
  if (!row) throw new Error('no row')
  const start = { chain: row.chain, seq: 0, mac: '' }
  for (const a of [['b', 1], ['{', 'b', 1], [['b', 1]]]) {
    expect(follow(key, start, { ...row, detail: { a } })).toBe('altered')
  }
})
