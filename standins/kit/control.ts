import { z } from 'zod'
import { callbackChangeSchema, issModeSchema } from './callback.ts'
import type { Core } from './core.ts'
import { type Call, json, type Reply } from './exchange.ts'
import { faultSchema } from './faults.ts'

/** The control API was asked for something that makes no sense. */
export class ControlError extends Error {}

type Arguments<Schema extends z.ZodType> =
  undefined extends z.input<Schema> ? [argument?: z.input<Schema>] : [argument: z.input<Schema>]

/** For commands that take no argument; over HTTP that is `null`. */
export const nothing = z.null().optional()

/** One verb of a control API: its argument is checked, whether it comes from code or over HTTP. */
export function command<Schema extends z.ZodType, Result>(
  schema: Schema,
  run: (argument: z.output<Schema>) => Result,
): (...args: Arguments<Schema>) => Result {
  return (...[argument]) => {
    const parsed = schema.safeParse(argument)
    if (!parsed.success) throw new ControlError(z.prettifyError(parsed.error))
    return run(parsed.data)
  }
}

export type CommonControl = ReturnType<typeof commonControl>

/** What every stand-in's control API can do. `userKey` guards against signing in somebody who was never seeded. */
export function commonControl(core: Core, userKey: (name: string) => string | undefined) {
  const known = (name: string) => {
    const key = userKey(name)
    if (key === undefined) throw new ControlError(`no such user: ${name}`)
    return key
  }
  return {
    /** Who is signed in at this provider in everybody's browser; null: whoever the browser itself remembers. */
    currentUser: command(z.string().nullable(), (name) => {
      core.person.currentUser = name === null ? undefined : known(name)
    }),
    /** From now on every consent page is approved without being shown, by this user if one is named. */
    autoApprove: command(z.string().nullish(), (name) => {
      if (typeof name === 'string') core.person.currentUser = known(name)
      core.person.decision = 'approve'
    }),
    /** From now on every consent page is denied without being shown. */
    deny: command(nothing, () => {
      core.person.decision = 'deny'
    }),
    /** From now on consent pages are shown to a person, as at the start. */
    ask: command(nothing, () => {
      core.person.decision = 'ask'
    }),
    /** The scopes that are refused when a consent page is approved without being shown. */
    untick: command(z.array(z.string()), (scopes) => {
      core.person.unticked = scopes
    }),
    /** How `iss` travels on the way back. */
    iss: command(issModeSchema, (mode) => {
      core.callbacks.iss = mode
    }),
    /** Changes the parameters of the next redirect back to the client. */
    nextCallback: command(callbackChangeSchema, (change) => {
      core.callbacks.next = change
    }),
    /** Scripts what happens to coming requests; see `faults.ts`. */
    script: command(faultSchema, (fault) => core.faults.add(fault)),
    clearScripts: command(nothing, () => core.faults.clear()),
    /** Lets the requests go that a `hold` keeps waiting, and holds no more. */
    release: command(nothing, () => core.faults.release()),
    advance: command(z.number().int(), (seconds) => core.clock.advance(seconds)),
    clockOffset: command(z.number().int(), (seconds) => core.clock.setOffset(seconds)),
    /** Every code and token ever handed out, dead ones included, for leak scans. */
    issued: command(nothing, () => core.issued.list()),
    clearLog: command(nothing, () => core.log.clear()),
  }
}

type Command = (argument: never) => unknown
export type Control = Record<string, Command>

/** `POST /__ctl {"autoApprove": "octocat", "advance": 3600}`: the members are called in order. */
export async function controlReply(control: Control, call: Call): Promise<Reply> {
  const results: Record<string, unknown> = {}
  for (const [name, argument] of Object.entries(call.body)) {
    const run = Object.hasOwn(control, name) ? control[name] : undefined
    if (!run) return json(400, { error: `no such command: ${name}` })
    try {
      results[name] = (await run(argument as never)) ?? null
    } catch (error) {
      if (!(error instanceof ControlError)) throw error
      return json(400, { error: `${name}: ${error.message}` })
    }
  }
  return json(200, results)
}
