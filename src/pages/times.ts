const minute = 60
const hour = 3_600
const day = 86_400

const date = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' })

/** When something was, as people say it; a page knows no time zone, so what is long ago is a day of UTC. */
export function ago(at: number, now: number): string {
  const seconds = now - at
  if (seconds < 2 * minute) return 'a moment ago'
  if (seconds < 2 * hour) return `${Math.floor(seconds / minute)} minutes ago`
  if (seconds < 2 * day) return `${Math.floor(seconds / hour)} hours ago`
  if (seconds < 31 * day) return `${Math.floor(seconds / day)} days ago`
  return date.format(at * 1_000)
}
