import { z } from 'zod'
import type { Call, Reply } from './exchange.ts'
import { routePattern } from './router.ts'

const headersSchema = z
  .record(z.string(), z.string())
  .default({})
  .transform((headers) =>
    Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
  )

const effectSchema = z.discriminatedUnion('kind', [
  /** Answer this, and let nothing happen behind it. */
  z.strictObject({
    kind: z.literal('respond'),
    status: z.int().min(200).max(599),
    headers: headersSchema,
    body: z.union([z.string(), z.record(z.string(), z.unknown()), z.array(z.unknown())]).default(''),
  }),
  /** Let it happen, then lay these members over the JSON answer, or leave some out. */
  z.strictObject({
    kind: z.literal('patch'),
    status: z.int().optional(),
    headers: headersSchema,
    json: z.record(z.string(), z.unknown()).default({}),
    omit: z.array(z.string()).default([]),
  }),
  /** Keep the request waiting until `release()`, `before` anything happens or `after` it all did and only the answer waits. */
  z.strictObject({ kind: z.literal('hold'), when: z.enum(['before', 'after']).default('before') }),
  z.strictObject({ kind: z.literal('delay'), milliseconds: z.int().min(0) }),
  /** Cut the connection, `before` anything happened or `after` it all did and only the answer is lost. */
  z.strictObject({ kind: z.literal('drop'), when: z.enum(['before', 'after']) }),
  /** Send this many bytes of the real answer, then cut the connection. */
  z.strictObject({ kind: z.literal('truncate'), bytes: z.int().min(0) }),
  /** Send this many blanks with the real answer's status and headers. */
  z.strictObject({ kind: z.literal('huge'), bytes: z.int().positive() }),
  /** Send the real answer a few bytes at a time. */
  z.strictObject({ kind: z.literal('drip'), bytes: z.int().positive(), milliseconds: z.int().positive() }),
])

/** How often something scripted happens. */
export const timesSchema = z.union([z.int().positive(), z.literal('always')])

export const faultSchema = z.strictObject({
  /** The routes it waits for: `'POST /oauth/token'`, `'GET *'`. */
  on: z.union([z.string(), z.array(z.string())]),
  origin: z.string().optional(),
  times: timesSchema.default(1),
  /** How many requests pass unharmed first. */
  skip: z.int().min(0).default(0),
  effect: effectSchema,
})

export type Effect = z.output<typeof effectSchema>
/** The effects that leave the answer alone and spoil only how it is sent. */
export type Delivery = Extract<Effect, { kind: 'drop' | 'truncate' | 'huge' | 'drip' }>
export type Fault = z.output<typeof faultSchema>

export type Faults = {
  add(fault: Fault): void
  clear(): void
  /** The effect meant for this request, if any; using it up as it is taken. */
  take(call: Call): Effect | undefined
  /** Waits for `release`. */
  held(): Promise<void>
  /** Lets go what is held, and holds no more. */
  release(): void
}

function concerns(fault: Fault, call: Call): boolean {
  if (fault.origin !== undefined && fault.origin !== call.origin) return false
  return [fault.on].flat().some((route) => routePattern(route).test(`${call.method} ${call.path}`))
}

export function createFaults(): Faults {
  let pending: Fault[] = []
  const waiting: (() => void)[] = []

  const letGo = () => {
    for (const resolve of waiting.splice(0)) resolve()
  }

  return {
    add(fault) {
      pending.push({ ...fault })
    },
    clear() {
      pending = []
      letGo()
    },
    take(call) {
      for (const fault of pending.filter((one) => concerns(one, call))) {
        if (fault.skip > 0) {
          fault.skip -= 1
          continue
        }
        if (fault.times !== 'always') fault.times -= 1
        if (fault.times === 0) pending = pending.filter((other) => other !== fault)
        return fault.effect
      }
      return undefined
    },
    held: () => new Promise((resolve) => waiting.push(resolve)),
    release() {
      pending = pending.filter((fault) => fault.effect.kind !== 'hold')
      letGo()
    },
  }
}

export function scriptedReply(effect: Extract<Effect, { kind: 'respond' }>): Reply {
  const [type, body] =
    typeof effect.body === 'string'
      ? ['text/html', effect.body]
      : ['application/json', JSON.stringify(effect.body)]
  const headers = { 'content-type': `${type}; charset=utf-8`, ...effect.headers }
  return { status: effect.status, headers, body }
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
