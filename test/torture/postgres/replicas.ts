import type { ChildGateway } from '../../support/child-gateway.ts'
import { basic, redirectUri } from '../../support/world.ts'
import { broken, untilReady } from '../faults.ts'
import { createModel } from '../model.ts'
import { inRounds } from '../rounds.ts'
import type { Setting } from '../scenario.ts'
import { type Answer, send } from '../send.ts'
import { openStage, type Stage, type StageOptions, tokenRoute } from '../stage.ts'
import { register } from '../things/registration.ts'
import type { Scene, Session } from '../things/session.ts'
import { authorize, redeem } from '../things/sign-in.ts'
import { type Database, openDatabase } from './database.ts'

/** Two gateways on one PostgreSQL. */
export type Replicas = Scene & { database: Database; replicas: readonly [ChildGateway, ChildGateway] }

type Options = {
  stage?: Omit<StageOptions, 'gateways' | 'databaseUrl' | 'random'>
  /** Of the server. */
  settings?: Record<string, string>
}

/** Opens both, does something with them, and closes all of it. */
export async function withReplicas(
  { random, stage: options = {}, settings = {} }: Options & Pick<Setting, 'random'>,
  act: (replicas: Replicas) => Promise<void>,
): Promise<void> {
  const database = await openDatabase(settings)
  try {
    const stage = await openStage({ ...options, random, gateways: 2, databaseUrl: database.url })
    try {
      await act({ stage, model: createModel(), database, replicas: bothOf(stage) })
    } finally {
      await stage.stop()
    }
  } finally {
    await database.stop()
  }
}

export type Faults = Options & {
  /** Breaks something under load and mends it; answers when, in monotonic milliseconds, it was mended. */
  breaking: (replicas: Replicas, round: number) => Promise<number>
}

/** Faults on both under mixed load, in rounds; a round has ended when both are ready again. */
export async function breakReplicas(
  setting: Setting,
  { breaking, settings = {}, stage = {} }: Faults,
): Promise<void> {
  const database = await openDatabase(settings)
  try {
    await inRounds({
      ...setting,
      stage: { ...stage, gateways: 2, databaseUrl: database.url },
      async fault(scene, round) {
        const replicas = bothOf(scene.stage)
        return await broken(scene.model, async () => {
          const mendedAt = await breaking({ ...scene, database, replicas }, round)
          await Promise.all(replicas.map((replica) => untilReady(replica)))
          return performance.now() - mendedAt
        })
      },
    })
  } finally {
    await database.stop()
  }
}

function bothOf({ gateways: [first, second] }: Stage): Replicas['replicas'] {
  if (!first || !second) throw new Error('two gateways were asked for')
  return [first, second]
}

/** So many people with a session each, at a client that registered itself. */
export async function enterPeople(scene: Scene, count: number): Promise<Session[]> {
  const client = await register(scene)
  if (!client) throw new Error('nobody can register')
  const sessions: Session[] = []
  const enter = async () => {
    const code = await authorize(scene, scene.stage.newPerson(), { id: client.id, redirectUri })
    const session = code && !('error' in code) ? await redeem(scene, code) : undefined
    if (!session) throw new Error('nobody can sign in')
    sessions.push(session)
  }
  while (sessions.length < count) {
    await Promise.all(Array.from({ length: Math.min(8, count - sessions.length) }, enter))
  }
  return sessions
}

/** The MCP server asks one of the gateways for the upstream token of a session. */
export async function askAt(
  { url: gateway }: Pick<ChildGateway, 'url'>,
  { credential }: Stage,
  { tsid }: Session,
): Promise<Answer> {
  const url = `${gateway}/v1/token-sessions/${tsid}/tokens/atlassian`
  return await send(url, { headers: { authorization: basic(credential) } })
}

/** Every upstream token has ended a second ago, as far as anybody here knows. */
export async function endTokens({ run }: Database, sessions: readonly Session[]): Promise<void> {
  const now = 'extract(epoch from now())::bigint'
  await run(`UPDATE connections SET access_expires_at = ${now} - 1 WHERE upstream_subject = ANY ($1)`, [
    sessions.map(({ accountId }) => accountId),
  ])
}

/** The refresh tokens the provider was sent since it had been sent so many. */
export function sentSince({ provider }: Stage, mark: number): string[] {
  return provider
    .calls(tokenRoute)
    .slice(mark)
    .map(({ body }) => (body as Record<string, unknown>).refresh_token)
    .filter((token) => typeof token === 'string')
}

export const markOf = ({ provider }: Stage): number => provider.calls(tokenRoute).length
