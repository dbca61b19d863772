import { z } from 'zod'
import { registeredIdPattern } from '../../lib/registered-id.ts'
import type { PageRequest } from '../../storage/page.ts'

/** An id that an administrator gave. */
export const givenId = z.string().regex(registeredIdPattern, 'is not an id')

/** The path's one member. */
export const byGivenId = z.strictObject({ id: givenId })

/** Any id this gateway made, or a URL that is one. */
export const byId = z.strictObject({ id: z.string().min(1).max(2048) })

/** The path of something an administrator named, of a resource. */
export const byNameInResource = z.strictObject({ id: givenId, name: givenId })

/** The path of something this gateway named, of a resource. */
export const byIdInResource = z.strictObject({ id: givenId, item: z.string().min(1).max(200) })

/** What a filter is compared with, exactly. */
export const wanted = z.string().min(1).max(2048).optional()

/** Seconds since 1970, as text. */
export const wantedTime = z
  .string()
  .regex(/^\d{1,12}$/, 'must be a time in seconds since 1970')
  .transform(Number)
  .pipe(z.int())
  .optional()

/** What is a number or a flag stands as text in a query, and only in the way one writes it. */
export const wantedFlag = z.stringbool({ truthy: ['true'], falsy: ['false'], case: 'sensitive' }).optional()

const paging = {
  limit: z
    .string()
    .regex(/^\d{1,3}$/, 'must be a number from 1 to 200')
    .transform(Number)
    .pipe(z.int().min(1).max(200))
    .default(50),
  cursor: z.string().min(1).max(2048).optional().describe('The next_cursor of the page before'),
}

/** The query of a list: these filters, and which page. */
export function listQuery<Filters extends z.ZodRawShape>(filters: Filters) {
  return z.strictObject({ ...filters, ...paging })
}

export function pageOf({ limit, cursor }: { limit: number; cursor?: string | undefined }): PageRequest {
  return cursor === undefined ? { limit } : { limit, cursor }
}

export const enabledChange = z.strictObject({ enabled: z.boolean() })
