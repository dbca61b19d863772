import { z } from 'zod'
import { callbackChangeSchema, issModeSchema } from './callbacks.ts'
import { ControlError, command, nothing } from './command.ts'
import type { Core } from './core.ts'
import type { Directory } from './directory.ts'
import { type Call, json, type Reply } from './exchange.ts'
import { faultSchema } from './faults.ts'

/** What every stand-in's control API can do. Users are named by their id or alias. */
export function commonControl<User>(core: Core, users: Directory<User>) {
  const signIn = (name: string) => {
    core.browser.script.currentUser = users.idOf(users.get(name))
  }
  return {
    /** Who is signed in at this provider in everybody's browser; null: whoever the browser itself remembers. */
    currentUser: command(z.string().nullable(), (name) => {
      if (name === null) core.browser.script.currentUser = undefined
      else signIn(name)
    }),
    /** From now on every consent page is approved without being shown, by this user if one is named. */
    autoApprove: command(z.string().nullish(), (name) => {
      if (typeof name === 'string') signIn(name)
      core.browser.script.answer = 'approve'
    }),
    /** From now on every consent page is denied without being shown. */
    deny: command(nothing, () => {
      core.browser.script.answer = 'deny'
    }),
    /** From now on consent pages are shown to a person, as at the start. */
    ask: command(nothing, () => {
      core.browser.script.answer = 'ask'
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
    advance: command(z.int(), (seconds) => core.clock.advance(seconds)),
    clockOffset: command(z.int(), (seconds) => core.clock.setOffset(seconds)),
    /** Every code and token ever handed out, dead ones included, for leak scans. */
    issued: command(nothing, () => core.issued.list()),
    clearLog: command(nothing, () => core.log.clear()),
  }
}

/** For providers whose consent pages let a person refuse single scopes. */
export function tickControl(core: Core) {
  return {
    /** The scopes that are refused when a consent page is approved without being shown. */
    untick: command(z.array(z.string()), (scopes) => {
      core.browser.script.unticked = scopes
    }),
  }
}

export type Control = Record<string, (argument: never) => unknown>

/** `POST /__ctl {"autoApprove": "octocat", "advance": 3600}`: the members are called in order. */
export async function controlReply(control: Control, call: Call): Promise<Reply> {
  // A page of another origin can post a form or text without asking, but not JSON.
  if (call.bodyKind !== 'json') return json(415, { error: 'commands are a JSON object' })
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
