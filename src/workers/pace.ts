/** Milliseconds between the end of a worker and the start of the next in its place. */
export type Pace = {
  /** `lived`: how many milliseconds the one that ended was ready. */
  pauseAfter(lived: number): number
}

const firstPause = 1_000
const longestPause = 30_000
/** Milliseconds that make a worker one that runs. */
const soundLife = 60_000

/** At once, unless one after the other dies young: then after 1, 2, 4 ... seconds. */
export function createPace(): Pace {
  let young = 0
  return {
    pauseAfter(lived) {
      young = lived >= soundLife ? 0 : young + 1
      return young <= 1 ? 0 : Math.min(firstPause * 2 ** (young - 2), longestPause)
    },
  }
}
