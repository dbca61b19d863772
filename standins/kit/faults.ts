import { z } from 'zod'
import type { Call, Reply } from './exchange.ts'
import { routePattern } from './router.ts'

const effectSchema = z.discriminatedUnion('kind', [
  /** Answer this, and let nothing happen behind it. */
  z.strictObject({
    kind: z.literal('respond'),
    status: z.int().min(200).max(599),
    headers: z.record(z.string(), z.string()).default({}),
    body: z.union([z.string(), z.record(z.string(), z.unknown()), z.array(z.unknown())]).default(''),
  }),
  /** Let it happen, then lay these members over the JSON answer, or leave some out. */
  z.strictObject({
    kind: z.literal('patch'),
    status: z.int().optional(),
    headers: z.record(z.string(), z.string()).default({}),
    json: z.record(z.string(), z.unknown()).default({}),
    omit: z.array(z.string()).default([]),
  }),
  /** Keep the request waiting until `release()`. */
  z.strictObject({ kind: z.literal('hold') }),
  z.strictObject({ kind: z.literal('delay'), milliseconds: z.int().min(0) }),
  /** Cut the connection, `before` anything happened or `after` it all did and only the answer is lost. */
  z.strictObject({ kind: z.literal('drop'), when: z.enum(['before', 'after']) }),
  /** Send this many bytes of the real answer, then cut the connection. */
  z.strictObject({ kind: z.literal('truncate'), bytes: z.int().min(0) }),
  z.strictObject({ kind: z.literal('huge'), bytes: z.int().positive() }),
  /** Send the real answer a few bytes at a time. */
  z.strictObject({ kind: z.literal('drip'), bytes: z.int().positive(), milliseconds: z.int().positive() }),
])

export const faultSchema = z.strictObject({
  /** The route it waits for, `'POST /oauth/token'` or `'GET *'`. */
  on: z.string(),
  origin: z.string().optional(),
  times: z.union([z.int().positive(), z.literal('always')]).default(1),
  /** How many requests pass unharmed first. */
  skip: z.int().min(0).default(0),
  effect: effectSchema,
})

export type Effect = z.infer<typeof effectSchema>
export type Fault = z.infer<typeof faultSchema>

export type Faults = {
  add(fault: Fault): void
  clear(): void
  /** The effect meant for this request, if any; using it up as it is taken. */
  take(call: Call): Effect | undefined
  /** Waits for `release`. */
  held(): Promise<void>
  release(): void
}

export function createFaults(): Faults {
  let pending: (Fault & { pattern: RegExp })[] = []
  let waiting: (() => void)[] = []

  const release = () => {
    const resolves = waiting
    waiting = []
    for (const resolve of resolves) resolve()
  }

  return {
    add(fault) {
      pending.push({ ...fault, pattern: routePattern(fault.on) })
    },
    clear() {
      pending = []
      release()
    },
    take(call) {
      const fault = pending.find(
        ({ pattern, origin }) =>
          pattern.test(`${call.method} ${call.path}`) && (origin === undefined || origin === call.origin),
      )
      if (!fault) return undefined
      if (fault.skip > 0) {
        fault.skip -= 1
        return undefined
      }
      if (fault.times !== 'always') {
        fault.times -= 1
        if (fault.times === 0) pending = pending.filter((other) => other !== fault)
      }
      return fault.effect
    },
    held: () => new Promise((resolve) => waiting.push(resolve)),
    release() {
      pending = pending.filter((fault) => fault.effect.kind !== 'hold')
      release()
    },
  }
}

export function scriptedReply(effect: Extract<Effect, { kind: 'respond' }>): Reply {
  const isText = typeof effect.body === 'string'
  const type = isText ? 'text/html; charset=utf-8' : 'application/json; charset=utf-8'
  return {
    status: effect.status,
    headers: { 'content-type': type, ...effect.headers },
    body: typeof effect.body === 'string' ? effect.body : JSON.stringify(effect.body),
  }
}

export function patchedReply(effect: Extract<Effect, { kind: 'patch' }>, reply: Reply): Reply {
  const members = Object.entries({ ...JSON.parse(reply.body), ...effect.json })
  const kept = members.filter(([name]) => !effect.omit.includes(name))
  return {
    status: effect.status ?? reply.status,
    headers: { ...reply.headers, ...effect.headers },
    body: JSON.stringify(Object.fromEntries(kept)),
  }
}
