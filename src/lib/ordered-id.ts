import { randomBytes } from 'node:crypto'

/**
 * An identifier that sorts by time: the second, then this process's monotonic nanosecond, then random bits.
 * Between processes the order within one second is arbitrary.
 */
export function newOrderedId(now: number): string {
  const second = now.toString(36).padStart(8, '0')
  const nanosecond = process.hrtime.bigint().toString(36).padStart(13, '0')
  return second + nanosecond + randomBytes(6).toString('hex')
}
