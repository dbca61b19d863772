import { type Clock, systemClock } from '../src/lib/clock.ts'
import { createBrowser } from './kit/browser.ts'
import { createCallbacks, type IssMode } from './kit/callbacks.ts'
import { createVirtualClock } from './kit/clock.ts'
import type { Control } from './kit/control.ts'
import type { Core } from './kit/core.ts'
import { type Routes, text } from './kit/exchange.ts'
import { createFaults } from './kit/faults.ts'
import { createIds } from './kit/ids.ts'
import { createIssuedRecord } from './kit/issued.ts'
import { createRequestLog, type LogEntry } from './kit/log.ts'
import { createRouter } from './kit/router.ts'
import { type Answer, attach, close, listen } from './kit/server.ts'

/** What every stand-in can be started with. */
export type StandinOptions = {
  /** The clock this stand-in runs with; `control.advance` moves it further. Absent: the system's. */
  clock?: Clock
  /** Identifiers and tokens are the same for the same seed. Absent: the stand-in's own URL. */
  seed?: string
}

/** What every started stand-in offers beside its control API. */
export type Standin = {
  log(): LogEntry[]
  /** The requests of one route, `'POST /oauth/token'`, oldest first. */
  calls(route: string): LogEntry[]
  /** Resolves as soon as a route has been called this many times. */
  arrived(route: string, count?: number): Promise<LogEntry[]>
  stop(): Promise<void>
}

/** What a stand-in is: its origins and their ports, the issuer it has, and whether it usually sends `iss`. */
export type StandinPlan<Name extends string> = {
  name: string
  ports: Record<Name, number>
  issuer(urls: Record<Name, string>): string
  iss: IssMode
}

export type OpenedStandin<Name extends string> = {
  core: Core
  urls: Record<Name, string>
  /** Starts answering. */
  serve(answers: Record<Name, Answer>, control: Control): Standin
}

/**
 * Listens on one port of 127.0.0.1 per origin; port 0 is a random one. Nothing is answered until `serve`, because routes
 * want to know their own URLs.
 */
export async function openStandin<Name extends string>(
  plan: StandinPlan<Name>,
  options: StandinOptions,
): Promise<OpenedStandin<Name>> {
  const names = Object.keys(plan.ports) as Name[]
  const origins = await Promise.all(
    names.map(async (origin) => ({ origin, ...(await listen(plan.ports[origin])) })),
  )
  const urls = Object.fromEntries(origins.map(({ origin, url }) => [origin, url])) as Record<Name, string>
  const clock = createVirtualClock(options.clock ?? systemClock)
  const log = createRequestLog()
  const core: Core = {
    clock,
    ids: createIds(options.seed ?? `${plan.name} ${Object.values(urls).join(' ')}`),
    log,
    faults: createFaults(),
    issued: createIssuedRecord(clock.now),
    browser: createBrowser(plan.name),
    callbacks: createCallbacks(plan.issuer(urls), plan.iss),
  }
  return {
    core,
    urls,
    serve(answers, control) {
      for (const origin of origins) attach(origin, origin.origin, core, control, answers[origin.origin])
      return {
        log: log.entries,
        calls: log.calls,
        arrived: log.arrived,
        async stop() {
          core.faults.clear()
          await Promise.all(origins.map(({ server }) => close(server)))
        },
      }
    },
  }
}

/** Answers by a table of routes, all of them under a prefix; everything else is 404. */
export function answerRoutes(routes: Routes, prefix = ''): Answer {
  const mounted = Object.entries(routes).map(([route, handler]) => [
    route.replace(' ', ` ${prefix}`),
    handler,
  ])
  const find = createRouter(Object.fromEntries(mounted))
  return async (call) => {
    const match = find(call.method, call.path)
    return match ? match.handler({ ...call, params: match.params }) : text(404, 'Not Found')
  }
}
