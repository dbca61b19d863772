/**
 * How much a request is missed where there is more to do than can be done, least first: `new`, which begins something
 * and can be asked again at no cost; `ordinary`; `needed`, which somebody depends on or ends something with; `always`,
 * which costs next to nothing and tells how this process is.
 */
export type Precedence = 'new' | 'ordinary' | 'needed' | 'always'

/** One that is being answered. */
export type UnderWay = {
  /** Milliseconds, monotonic. */
  since: number
  /** Answers in the place of whoever takes too long. */
  giveUp(): void
}

export type Load = {
  /** Whether one more of these would be too much just now. */
  refuses(precedence: Exclude<Precedence, 'always'>): boolean
  begin(request: UnderWay): void
  end(request: UnderWay): void
  /** How many are being answered. */
  underWay(): number
  /** How late the event loop is, in milliseconds. */
  noteLag(milliseconds: number): void
  /** Gives up what was not answered by its deadline. */
  endOverdue(now: number): void
}

export type LoadBounds = {
  /** Requests under way at which nothing more is let in. */
  underWay: number
  /** Milliseconds of lag at which nothing new is let in. */
  lag: number
}

/** Milliseconds after which a request is given up: the socket of one nobody hears of is closed after a minute. */
export const answerDeadline = 55_000

/** Which parts of the bounds these are let in up to. What is needed is never refused for lag. */
const parts = {
  new: { underWay: 1 / 2, lag: 1 },
  ordinary: { underWay: 3 / 4, lag: 2 },
  needed: { underWay: 1, lag: Infinity },
} as const satisfies Record<Exclude<Precedence, 'always'>, { underWay: number; lag: number }>

/** Bounds what one process does at once, and lets go first of what can best be asked again (docs/decisions/0031). */
export function createLoad(bounds: LoadBounds): Load {
  /** In the order they began. */
  const underWay = new Set<UnderWay>()
  let lag = 0
  return {
    refuses(precedence) {
      const part = parts[precedence]
      return underWay.size >= bounds.underWay * part.underWay || lag >= bounds.lag * part.lag
    },
    begin: (request) => void underWay.add(request),
    end: (request) => void underWay.delete(request),
    underWay: () => underWay.size,
    noteLag(milliseconds) {
      lag = milliseconds
    },
    endOverdue(now) {
      for (const request of underWay) {
        if (now - request.since < answerDeadline) return
        underWay.delete(request)
        request.giveUp()
      }
    },
  }
}
