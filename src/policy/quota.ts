import { z } from 'zod'
import type { QuotaDocument } from '../storage/documents.ts'
import type { Quota } from '../storage/quotas.ts'
import type { HeldRole, ToolCaller } from './decision.ts'

export const quotaSchema = z
  .strictObject({
    per: z.enum(['subject', 'client', 'role', 'resource']).describe('What each count is of'),
    limit: z.int().min(0).max(1_000_000_000),
    window: z.enum(['minute', 'hour', 'day', 'month']).describe('By the calendar, in UTC'),
    role: z.string().min(1).max(100).optional().describe('Only for who holds it'),
    tools: z
      .array(z.string().min(1).max(200))
      .min(1)
      .max(500)
      .optional()
      .describe('Only these, counted together; absent: all'),
  })
  .refine(({ per, role }) => per !== 'role' || role !== undefined, {
    path: ['role'],
    message: 'must be named where the quota is per role',
  })

/** Whether a call of this tool by who holds these roles counts. */
export function applies(
  quota: QuotaDocument,
  tool: string,
  roles: readonly Pick<HeldRole, 'role'>[],
): boolean {
  const { role, tools } = quota
  return (tools?.includes(tool) ?? true) && (role === undefined || roles.some((held) => held.role === role))
}

/** One count of a quota: of whom, in which window, and when that ends. */
export type QuotaCount = { id: string; quotaId: string; limit: number; endsAt: number }

export function countOf({ id: quotaId, document }: Quota, caller: ToolCaller, now: number): QuotaCount {
  const { startsAt, endsAt } = windowAt(document.window, now)
  const whose = { subject: caller.subjectId, client: caller.clientId, role: '', resource: '' }[document.per]
  return { id: `${quotaId}:${startsAt}:${whose}`, quotaId, limit: document.limit, endsAt }
}

const seconds = { minute: 60, hour: 3_600, day: 86_400 }

/** The calendar window a time lies in, by UTC: from its first second to the first after it. */
export function windowAt(window: QuotaDocument['window'], now: number): { startsAt: number; endsAt: number } {
  if (window === 'month') {
    const date = new Date(now * 1000)
    const monthFrom = (offset: number) =>
      Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + offset, 1) / 1000
    return { startsAt: monthFrom(0), endsAt: monthFrom(1) }
  }
  const length = seconds[window]
  const startsAt = Math.floor(now / length) * length
  return { startsAt, endsAt: startsAt + length }
}
