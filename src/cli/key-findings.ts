import type { Json } from './admin-api.ts'
import { about, type Finding } from './finding.ts'
import { timeOf, wordsOf } from './show.ts'

const day = 86_400

/** SP 800-57 part 1 section 5.3.6 lets a private signature key sign for one to three years. */
const oldest = 365 * day

type Key = { kid: string; state: string; created: number; active: number; retires: number | undefined }

/** `tokenLifetime`: seconds an access token lives. */
export function keyFindings(
  items: readonly Json[],
  { now, tokenLifetime }: { now: number; tokenLifetime: number },
): Finding[] {
  const { ok, wrong, note } = about('signing keys')
  const keys = items.map(keyOf)
  const of = (state: string) => keys.filter((key) => key.state === state)
  const [signing, ...others] = of('signing')
  if (!signing || others.length > 0) {
    return [
      wrong(
        `${of('signing').length} keys sign, and it must be one`,
        'coatcheck key rotate makes one that does.',
      ),
    ]
  }
  const age = now - signing.active
  const name = (key: Key) => key.kid.slice(0, 8)
  return [
    ok(`${name(signing)} signs, for ${spanOf(Math.max(0, age))}`),
    ...(signing.active > now
      ? [
          wrong(
            `${name(signing)} signs though its time comes in ${spanOf(-age)}: the gateway’s clock runs behind`,
            'Set the clock of the gateway’s machine by NTP.',
          ),
        ]
      : []),
    ...(age > oldest
      ? [
          note(
            `${name(signing)} has signed for more than a year`,
            'coatcheck key rotate puts a new one after it; nobody notices.',
          ),
        ]
      : []),
    ...of('pending').map((key) => ok(`${name(key)} is published, and signs in ${spanOf(key.active - now)}`)),
    ...of('retiring').flatMap((key) =>
      retiringFindings(key, { successor: successorOf(key, keys), now, tokenLifetime }),
    ),
  ]

  function retiringFindings(
    key: Key,
    at: { successor: Key | undefined; now: number; tokenLifetime: number },
  ): Finding[] {
    const { retires = at.now, kid } = key
    const short = (at.successor?.active ?? 0) + at.tokenLifetime - retires
    return [
      ok(
        `${kid.slice(0, 8)} signs no more, and verifies tokens for another ${spanOf(retires - at.now)}, to ${timeOf(retires)}`,
      ),
      ...(at.successor && short > 0
        ? [
            note(
              `${kid.slice(0, 8)} goes ${spanOf(short)} before the last token it signed ends, which then verifies nowhere`,
              'Nothing: clients get new tokens by themselves. Rotate only after lifetimes.access_token was changed, not before.',
            ),
          ]
        : []),
    ]
  }
}

function keyOf({ kid, state, created_at: created, active_at: active, retires_at: retires }: Json): Key {
  return {
    kid: wordsOf(kid),
    state: wordsOf(state),
    created: Number(created ?? 0),
    active: Number(active ?? 0),
    retires: typeof retires === 'number' ? retires : undefined,
  }
}

/** The one that took over: the first that became active after it. */
function successorOf(key: Key, keys: readonly Key[]): Key | undefined {
  return keys.filter(({ active }) => active > key.active).toSorted((a, b) => a.active - b.active)[0]
}

/** Seconds in the largest unit that says enough. */
export function spanOf(seconds: number): string {
  const [size, unit] = (
    [
      [day, 'day'],
      [3600, 'hour'],
      [60, 'minute'],
    ] as const
  ).find(([each]) => seconds >= 2 * each) ?? [1, 'second']
  const count = Math.floor(seconds / size)
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}
