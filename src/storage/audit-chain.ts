import { keyedDigest, newId } from '../lib/secret.ts'
import type { NewAuditEvent } from './audit-events.ts'

/** Where a chain stands: the number and the `mac` of its last row. */
export type Head = { chain: string; seq: number; mac: string }

/** What retention took of a chain, as the gateway that took it vouches for. */
export type Cut = Head & { at: number; proof: string }

/** A chain nothing was written to yet. */
export const newChain = (): Head => ({ chain: newId('chain_'), seq: 0, mac: '' })

/** The place of an event as the next row of a chain. Pure: the same row after the same head is the same link. */
export function linkAfter(key: Uint8Array, head: Head, event: NewAuditEvent): Head {
  const { chain } = head
  const seq = head.seq + 1
  return { chain, seq, mac: macOf(key, { chain, seq, previous: head.mac }, event) }
}

type Position = { chain: string; seq: number; previous: string }

/** Everything that stands in the row, in an order and a spelling of its own: a database may keep JSON in another. */
function macOf(key: Uint8Array, { chain, seq, previous }: Position, event: NewAuditEvent): string {
  const { subjectId = null, clientId = null, resourceId = null, provider = null, tsidHash = null } = event
  return keyed(key, [
    'row',
    chain,
    seq,
    previous,
    event.id,
    event.at,
    event.event,
    event.actor,
    event.outcome,
    subjectId,
    clientId,
    resourceId,
    provider,
    tsidHash,
    ordered(event.detail),
  ])
}

/** Vouches for a cut, so that nobody without the key can pass a theft off as retention. */
export function proofOf(key: Uint8Array, { chain, seq, mac, at }: Omit<Cut, 'proof'>): string {
  return keyed(key, ['cut', chain, seq, mac, at])
}

/** Vouches for heads that were exported, which may come back from anywhere. */
export function signatureOf(key: Uint8Array, at: number, heads: readonly Head[]): string {
  return keyed(key, ['heads', at, ...heads.flatMap(({ chain, seq, mac }) => [chain, seq, mac])])
}

const keyed = (key: Uint8Array, said: readonly unknown[]) => keyedDigest(key, JSON.stringify(said))

/** The same value with the names of every object in order, and without those that JSON leaves out. */
function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return ['[', ...value.map(ordered)]
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([left], [right]) => (left < right ? -1 : 1))
  return ['{', ...entries.flatMap(([name, member]) => [name, ordered(member)])]
}

export const startEvent = 'audit.chain_started'
export const checkpointEvent = 'audit.checkpoint'

/** What names where other chains stand. */
export const namingEvents: readonly string[] = [startEvent, checkpointEvent]

/** The first row of every chain names where others stood, so that one of those which vanishes is missed. */
export function startOfChain({ id, at }: NewAuditEvent, heads: readonly Head[]): NewAuditEvent {
  return {
    // In front of the event it is written before.
    id: `${id.slice(0, 21)}-${newId('')}`,
    at,
    event: startEvent,
    actor: 'gateway',
    outcome: 'ok',
    detail: { heads },
  }
}
