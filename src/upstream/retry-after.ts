/** Seconds to wait by a `Retry-After` header, in either form (RFC 9110 section 10.2.3). */
export function parseRetryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined
  const isSeconds = /^\s*-?\d+\s*$/.test(value)
  const seconds = isSeconds ? Number(value) : Math.ceil(Date.parse(value) / 1000) - now
  return Number.isNaN(seconds) ? undefined : boundedWait(seconds)
}

/** No provider makes us wait for nothing, or for ever. */
export function boundedWait(seconds: number): number {
  return Math.min(Math.max(seconds, 1), 3600)
}
