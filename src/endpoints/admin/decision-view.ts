import { z } from 'zod'
import type { PolicyVerdict } from '../../policy/decision.ts'
import { sayNo } from '../../policy/decision-answer.ts'

const no = {
  code: z.string().optional().describe('Why not; absent where it is allowed'),
  reason: z.string().optional().describe('The same, closer'),
  message: z.string().optional().describe('A sentence for people'),
  failed_conditions: z.array(z.string()).optional(),
}

/** What was, or would be, decided about a call. */
export const decisionView = z
  .strictObject({
    allowed: z.boolean(),
    ...no,
    required: z
      .strictObject({
        scope: z.string().optional(),
        acr_values: z.string().optional(),
        max_age: z.int().optional(),
      })
      .optional()
      .describe('What the client would have to bring'),
    retry_after: z.int().optional().describe('Seconds until the quota has room'),
    cache_for: z.int().describe('Seconds for which an MCP server may repeat it'),
    bindings: z.array(z.string()).describe('Those it rests on'),
  })
  .meta({ id: 'Simulation' })

/** Whether a tool can be reached by who asks for everything they may have. */
export const reachView = z.strictObject({
  allowed: z.boolean(),
  ...no,
  bindings: z.array(z.string()).describe('Those it rests on'),
})

export function reachOf(verdict: PolicyVerdict): z.output<typeof reachView> {
  const { bindings } = verdict
  if (verdict.allowed) return { allowed: true, bindings }
  const { allowed, code, reason, message } = sayNo(verdict.code, verdict.reason)
  const failed = verdict.code === 'scope_insufficient' ? [] : verdict.failed
  return {
    allowed,
    code,
    reason,
    message,
    ...(failed.length > 0 && { failed_conditions: failed }),
    bindings,
  }
}
