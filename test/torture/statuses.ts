import { basic } from '../support/world.ts'
import type { Report } from './scenario.ts'
import { type Answer, send } from './send.ts'
import { askRegistration } from './things/registration.ts'
import { introspect, refresh, retrieve, type Scene, type Session } from './things/session.ts'

/** What each kind of request was answered with while something was broken. */
export type Statuses = Map<string, number[]>

/** One request of each kind, by somebody with a session. */
export async function askEverything(scene: Scene, session: Session, statuses: Statuses): Promise<void> {
  const { stage } = scene
  const at = stage.address()
  const asResource = { authorization: basic(stage.credential) }
  const asked: Record<string, Promise<Answer>> = {
    healthz: send(`${at}/healthz`),
    readyz: send(`${at}/readyz`),
    metadata: send(`${at}/.well-known/oauth-authorization-server`),
    keys: send(`${at}/.well-known/jwks.json`),
    introspect: introspect(scene, session),
    'what a session holds': send(`${at}/v1/token-sessions/${session.tsid}`, { headers: asResource }),
    retrieve: retrieve(scene, session),
    refresh: refresh(scene, session).then(
      ([answer]) => answer ?? { outcome: 'unknown', status: 0, body: {} },
    ),
    register: askRegistration(stage),
  }
  for (const [kind, answer] of Object.entries(asked)) {
    statuses.set(kind, [...(statuses.get(kind) ?? []), (await answer).status])
  }
}

/** Each kind was answered by one of the statuses that are true then. */
export function tellStatuses(
  report: Report,
  when: string,
  statuses: Statuses,
  wanted: Record<string, readonly number[]>,
): void {
  for (const [kind, allowed] of Object.entries(wanted)) {
    const seen = statuses.get(kind) ?? []
    const counts = [...new Set(seen)].map(
      (status) => `${status} ${seen.filter((each) => each === status).length} times`,
    )
    const isGood = seen.length > 0 && seen.every((each) => allowed.includes(each))
    report.check(isGood, `${when}, ${kind} is answered ${counts.join(', ')}`)
  }
}
