import { z } from 'zod'
import { Problem, type ProblemField } from '../../errors.ts'
import { invalid } from '../../http/problems.ts'
import type { Page } from '../../storage/page.ts'
import { created, ok } from './route.ts'

export const time = z.int().min(0).meta({ id: 'Time', description: 'Seconds since 1970' })

/** Who wrote it: an administrator, or the configuration file, and then it is read-only here. */
export const origin = z.enum(['admin', 'config'])

/** A list that is never long. */
export function listOf<Item extends z.ZodType>(item: Item) {
  return z.strictObject({ items: z.array(item) })
}

export function pagedListOf<Item extends z.ZodType>(item: Item) {
  return listOf(item).extend({
    next_cursor: z.string().optional().describe('Asks for the page after this one; absent on the last'),
  })
}

export function pageAnswer<Row, Item>({ rows, nextCursor }: Page<Row>, item: (row: Row) => Item) {
  return ok({ items: rows.map(item), ...(nextCursor !== undefined && { next_cursor: nextCursor }) })
}

/** What came of an administrator's wish to have something as they wrote it. */
type Saved<Row> =
  | { outcome: 'saved'; row: Row; created: boolean }
  | { outcome: 'unchanged'; row: Row }
  | { outcome: 'refused' | 'conflict'; errors: readonly ProblemField[] }
  | { outcome: 'read_only' | 'overtaken' }

/** The answer to a `PUT`: 201 where there was none before. */
export function saveAnswer<Row, View>(saved: Saved<Row>, view: (row: Row) => View) {
  switch (saved.outcome) {
    case 'saved':
      return saved.created ? created(view(saved.row)) : ok(view(saved.row))
    case 'unchanged':
      return ok(view(saved.row))
    case 'refused':
      throw invalid(saved.errors)
    case 'conflict':
      throw conflict(saved.errors)
    case 'read_only':
      throw readOnly()
    case 'overtaken':
      throw overtaken()
  }
}

export function notFound(what: string): Problem {
  return new Problem(404, 'not_found', `There is no such ${what}`)
}

export function overtaken(): Problem {
  return new Problem(409, 'overtaken', 'Somebody else changed it at the same moment')
}

export function conflict(errors: readonly ProblemField[]): Problem {
  return new Problem(409, 'conflict', 'It would be in the way of what there is', { errors })
}

export function readOnly(): Problem {
  return new Problem(409, 'read_only', 'This comes from the configuration file', {
    detail: 'It is changed there; once the file no longer declares it, it may be deleted here.',
  })
}
