import type { Clock } from '../lib/clock.ts'
import type { Chore, ChoreLease } from '../storage/chores.ts'
import type { Store } from '../storage/store.ts'

/** What a chore is handed while it is this process's turn. */
export type Turn = ChoreLease & {
  /** Aborted once somebody else took it over, or this process is to stop. */
  signal: AbortSignal
}

/** What of all processes on a database one does at a time. */
export type SharedChore = {
  /** As leases, metrics and the log call it. */
  name: string
  /** Seconds from the end of one turn to the next, whoever had it; to the next question, where it is asked for. */
  every: number
  /** Where there may be nothing to do for long: whether there is, which costs less than taking a turn. */
  isWanted?(): Promise<boolean>
  work(turn: Turn): Promise<void>
}

export type Turns = {
  /** To be called every second: begins what is due here, and takes over what others left behind. */
  look(): Promise<void>
  /** Resolves when nothing of it is under way here. */
  settle(): Promise<void>
  /** Ends what is under way, and lets others go on at once. */
  stop(): Promise<void>
}

type Parts = {
  store: { chores: Store['chores'] }
  /** This process, among all on the database. */
  holder: string
  clock: Clock
  /** Calls once a second, until what it answers is called. */
  eachSecond?: (beat: () => void) => () => void
}

/** Looks without a sign of life after which nobody is waited for. */
const patience = 5

/** Looks for which one that fails each time is left alone at most, unless it comes up more rarely anyway. */
const longestRest = 300

const bySeconds = (beat: () => void) => {
  const timer = setInterval(beat, 1_000).unref()
  return () => clearInterval(timer)
}

/**
 * Shares chores among all processes on a database. Who works says so once a second; who has looked so often and seen
 * no sign takes over. So no two clocks are compared, and none that jumps ends a lease: the looks of one process are a
 * second apart, by its own timers. Whoever stood still, and comes back, may write once more before it knows; each chore
 * says why that does no harm.
 */
export function createTurns(
  { store, holder, clock, eachSecond = bySeconds }: Parts,
  shared: readonly SharedChore[],
  onFailure: (chore: SharedChore, error: unknown) => void,
): Turns {
  const isLeftBehind = createWatch()
  /** Looks for which a chore is left alone here: it failed, somebody asked whether it is wanted, or it was done for a wrong clock. */
  const rests = new Map<string, number>()
  /** How often in a row it failed here. */
  const failures = new Map<string, number>()
  const underWay = new Map<string, Promise<void>>()
  const stopping = new AbortController()
  let looking: Promise<void> | undefined

  async function lookOnce(): Promise<void> {
    const rows = new Map((await store.chores.list()).map((row) => [row.name, row]))
    for (const chore of shared) {
      const row = rows.get(chore.name)
      const isFree = !row?.holder || row.holder === holder || isLeftBehind(row)
      const mayBegin = isFree && !underWay.has(chore.name) && !stopping.signal.aborted
      if (mayBegin && !isResting(chore) && isDue(chore, row)) begin(chore, row)
    }
  }

  function isResting({ name }: SharedChore): boolean {
    const left = rests.get(name) ?? 0
    if (left > 0) rests.set(name, left - 1)
    return left > 0
  }

  const isAhead = (row: Chore | undefined) => (row?.doneAt ?? 0) > clock()

  /** A time that lies ahead was told by a clock that was wrong, and counts no longer than one that lies behind. */
  function isDue({ every, isWanted }: SharedChore, row: Chore | undefined): boolean {
    return isWanted !== undefined || row?.doneAt == null || Math.abs(clock() - row.doneAt) >= every
  }

  function begin(chore: SharedChore, row: Chore | undefined): void {
    const turn = takeTurn(chore, row)
      .then(() => void failures.delete(chore.name))
      .catch((error) => {
        // Perhaps another process fares better.
        rests.set(chore.name, restAfterFailure(chore))
        onFailure(chore, error)
      })
      .finally(() => underWay.delete(chore.name))
    underWay.set(chore.name, turn)
  }

  function restAfterFailure({ name, every }: SharedChore): number {
    const before = failures.get(name) ?? 0
    failures.set(name, before + 1)
    return Math.min(every * 2 ** before, Math.max(every, longestRest))
  }

  async function takeTurn(chore: SharedChore, row: Chore | undefined): Promise<void> {
    if (chore.isWanted) {
      rests.set(chore.name, chore.every - 1)
      if (!(await chore.isWanted())) return
    }
    const lease = await store.chores.take(chore.name, row, holder)
    if (!lease) return
    const held = hold(lease)
    let done = {}
    try {
      await chore.work({ ...lease, signal: held.signal })
      if (!held.signal.aborted) done = { doneAt: clock() }
    } finally {
      held.letGo()
      await store.chores.release(lease, done)
    }
    // Whose clock is ahead finds it due at once: the two would take turns at it without end.
    if (isAhead(row)) rests.set(chore.name, chore.every - 1)
  }

  function hold(lease: ChoreLease) {
    const lost = new AbortController()
    const letGo = eachSecond(() => {
      const renewed = store.chores.renew(lease)
      // A store out of reach takes no other write of this turn, either.
      renewed.then((isHeld) => isHeld || lost.abort()).catch(() => {})
    })
    return { signal: AbortSignal.any([lost.signal, stopping.signal]), letGo }
  }

  const settle = async () => void (await Promise.all(underWay.values()))
  return {
    look() {
      looking ??= lookOnce().finally(() => {
        looking = undefined
      })
      return looking
    },
    settle,
    async stop() {
      stopping.abort()
      await Promise.allSettled([looking])
      await settle()
    },
  }
}

/** Tells whether a lease was looked at so often that its holder would have been seen to live. */
function createWatch(): (row: Chore) => boolean {
  const watched = new Map<string, Pick<Chore, 'fence' | 'beats'> & { looks: number }>()
  return ({ name, fence, beats }) => {
    const before = watched.get(name)
    const isSame = before?.fence === fence && before.beats === beats
    const looks = isSame ? before.looks + 1 : 0
    watched.set(name, { fence, beats, looks })
    return looks >= patience
  }
}
