import type { AddressInfo, Server } from 'node:net'
import type { FastifyBaseLogger } from 'fastify'
import { buildApp, type LogSettings } from './app.ts'
import { endChains } from './audit/chains.ts'
import { beginChores, type Chores, choresOf } from './chores/chores.ts'
import { applyDeclarations } from './config/apply-declarations.ts'
import type { Config } from './config/config.ts'
import { type Gateway, openGateway, type Secrets } from './gateway.ts'
import type { Clock } from './lib/clock.ts'
import { watchEventLoop } from './lib/event-loop.ts'
import type { Collected, Exposition } from './metrics/exposition.ts'
import { serveMetrics } from './metrics/server.ts'

export type RunningGateway = {
  gateway: Gateway
  log: FastifyBaseLogger
  /** Where it listens; the issuer may be another name for it. */
  url: string
  /** Where its metrics are, if anybody wants them. */
  metricsUrl: string | undefined
  /** What was counted and is read, for who tells of several processes at once; nothing where nobody wants metrics. */
  collectMetrics(): Promise<Collected>
  stop(): Promise<void>
}

export type Surroundings = {
  clock: Clock
  log: LogSettings
  /** Which of all chores it does; all, unless somebody says. */
  chores?: (all: Chores) => Chores
  /** `worker`: one of several processes of one start. Another has prepared the store, and tells the metrics of all. */
  role?: 'alone' | 'worker'
}

/** Opens the store, builds the HTTP surface and listens. Throws for whatever keeps the gateway from starting. */
export async function startGateway(
  config: Config,
  secrets: Secrets,
  { clock, log, chores = (all) => all, role = 'alone' }: Surroundings,
): Promise<RunningGateway> {
  const exposition = await expositionFor(config)
  const { gateway, database } = await openGateway(config, secrets, clock, exposition?.meter)
  try {
    if (role === 'alone') await prepare(gateway)
    const app = await buildApp(gateway, log)
    const metrics =
      role === 'alone' && exposition ? await listenForScrapes(gateway, exposition, app.log) : undefined
    try {
      await app.listen({ host: config.host, port: config.port })
    } catch (error) {
      await metrics?.close()
      throw error
    }
    const loop = watchEventLoop()
    const parts = { gateway, database, loop, log: app.log }
    const endChores = beginChores(parts, chores(choresOf(parts)))
    return {
      gateway,
      log: app.log,
      url: urlOf(app.server),
      metricsUrl: metrics && metricsUrlOf(metrics.server),
      collectMetrics: async () => (exposition ? await exposition.collect(await gateway.readings()) : []),
      async stop() {
        const choresEnded = endChores()
        loop.stop()
        // What is under way is answered first; then nothing writes any more.
        await app.close()
        await gateway.shareLimits().catch((error) => app.log.warn({ err: error }, 'limits were not shared'))
        await gateway.decisionLog.flush().catch((error) => app.log.warn({ err: error }, 'decisions are lost'))
        await gateway.probing.stop()
        await gateway.revocations.stop()
        await gateway.stopRefreshing().catch((error) => app.log.error({ err: error }, 'tokens are lost'))
        await choresEnded
        const endRecord = gateway.failures.record('all').then(() => endChains(gateway, database))
        await endRecord.catch((error) => app.log.warn({ err: error }, 'the audit record has no last row'))
        await metrics?.close()
        await database.close()
      },
    }
  } catch (error) {
    await database.close()
    throw error
  }
}

/** What one process does for all that are to run over a store: migrates it, and brings it in line with the configuration. */
export async function prepareStore(config: Config, secrets: Secrets, clock: Clock): Promise<void> {
  const { gateway, database } = await openGateway(config, secrets, clock)
  try {
    await prepare(gateway)
    await endChains(gateway, database)
  } finally {
    await database.close()
  }
}

async function prepare(gateway: Gateway): Promise<void> {
  await applyDeclarations(gateway)
  // The first signing key is made now, so that the JWKS is never empty.
  await gateway.signingKeys.signingKey()
}

const metricsUrlOf = (server: Server): string => `${urlOf(server)}/metrics`

function urlOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}

/** Loaded where it is wanted: nobody should pay for counting what nobody looks at. */
async function expositionFor({ metricsPort }: Config): Promise<Exposition | undefined> {
  if (metricsPort === undefined) return undefined
  const { createExposition } = await import('./metrics/exposition.ts')
  return createExposition()
}

async function listenForScrapes(gateway: Gateway, exposition: Exposition, log: FastifyBaseLogger) {
  const { host, metricsPort: port = 0 } = gateway.config
  const { contentType, render } = exposition
  return await serveMetrics(
    { contentType, tell: async () => render(await gateway.readings()) },
    { host, port },
    (error) => log.error({ err: error }, 'metrics cannot be told'),
  )
}
