const shortest = 60
const longest = 86_400
/** Where a host says nothing. */
const unsaid = 3_600

/**
 * Until when an answer counts as it is (RFC 9111 section 4.2.1), within bounds: a host that forbids keeping it is not
 * asked for every step of every person, and a document that changed is noticed within a day.
 */
export function freshUntil(headers: Headers, now: number): number {
  return now + Math.min(Math.max(lifetimeOf(headers, now), shortest), longest)
}

function lifetimeOf(headers: Headers, now: number): number {
  const directives = (headers.get('cache-control') ?? '')
    .toLowerCase()
    .split(',')
    .map((directive) => directive.trim())
  if (directives.some((directive) => /^no-(store|cache)\b/.test(directive))) return 0
  const ages = directives.flatMap((directive) => /^max-age="?(\d{1,10})"?$/.exec(directive)?.[1] ?? [])
  if (ages.length > 0) return Math.min(...ages.map(Number)) - ageOf(headers)
  const expires = headers.get('expires')
  if (expires === null) return unsaid
  // What is no date has passed (RFC 9111 section 5.3).
  const at = Date.parse(expires)
  return Number.isNaN(at) ? 0 : Math.floor(at / 1000) - now
}

/** How long a cache on the way already kept it. */
function ageOf(headers: Headers): number {
  return Number(/^\d{1,10}$/.exec(headers.get('age') ?? '')?.[0] ?? 0)
}
