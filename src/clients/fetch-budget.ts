import { createBudget } from '../lib/budget.ts'
import type { Clock } from '../lib/clock.ts'

/** Whether something may be fetched from an origin because a stranger named it. */
export type FetchBudget = (origin: string) => boolean

/** Fetches in a minute, to one origin and in total: whoever writes a link or registers a client makes us fetch. */
export function createFetchBudget(limits: { perOrigin: number; inTotal: number }, clock: Clock): FetchBudget {
  const perOrigin = createBudget({ limit: limits.perOrigin, window: 60 }, clock)
  const inTotal = createBudget({ limit: limits.inTotal, window: 60 }, clock)
  return (origin) => perOrigin.spend(origin) && inTotal.spend('')
}
