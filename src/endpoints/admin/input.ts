import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { accept } from '../../http/problems.ts'
import { registeredIdPattern } from '../../lib/registered-id.ts'
import type { Page, PageRequest } from '../../storage/page.ts'

/** Any id this gateway made, or a URL that is one. */
const anyId = z.string().min(1).max(2048)

/** An id that an administrator gave. */
const givenId = z.string().regex(registeredIdPattern, 'is not an id')

export function givenIdOf(request: FastifyRequest): string {
  return accept(z.strictObject({ id: givenId }), request.params).id
}

export function idOf(request: FastifyRequest): string {
  return accept(z.strictObject({ id: anyId }), request.params).id
}

/** What a filter is compared with, exactly. */
export const wanted = z.string().min(1).max(2048).optional()

export const wantedFlag = z
  .enum(['true', 'false'])
  .transform((value) => value === 'true')
  .optional()

const paging = {
  limit: z
    .string()
    .regex(/^\d{1,3}$/, 'must be a number from 1 to 200')
    .default('50')
    .transform(Number)
    .refine((limit) => limit >= 1 && limit <= 200, 'must be a number from 1 to 200'),
  cursor: z.string().min(1).max(2048).optional(),
}

/** The query of a list: these filters, and which page. */
export function listQuery<Filters extends z.ZodRawShape>(filters: Filters) {
  return z.strictObject({ ...filters, ...paging })
}

/** A query that asks for nothing, of a list that is never long. */
export const noQuery = z.strictObject({})

export function pageOf({ limit, cursor }: { limit: number; cursor?: string | undefined }): PageRequest {
  return cursor === undefined ? { limit } : { limit, cursor }
}

/** `next_cursor` asks for the page after this one; absent on the last. */
export function pageAnswer<Row, Item>(page: Page<Row>, item: (row: Row) => Item) {
  const { rows, nextCursor } = page
  return { items: rows.map(item), ...(nextCursor !== undefined && { next_cursor: nextCursor }) }
}

export const enabledChange = z.strictObject({ enabled: z.boolean() })
