import type { AddressInfo, Server } from 'node:net'
import type { FastifyBaseLogger } from 'fastify'
import { buildApp, type LogSettings } from './app.ts'
import { endChains } from './audit/chains.ts'
import { beginChores, type Chores, choresOf } from './chores/chores.ts'
import { applyDeclarations } from './config/apply-declarations.ts'
import type { Config } from './config/config.ts'
import { type Gateway, openGateway, type Secrets } from './gateway.ts'
import type { Clock } from './lib/clock.ts'
import type { Exposition } from './metrics/exposition.ts'
import { serveMetrics } from './metrics/server.ts'

export type RunningGateway = {
  gateway: Gateway
  /** Where it listens; the issuer may be another name for it. */
  url: string
  /** Where its metrics are, if anybody wants them. */
  metricsUrl: string | undefined
  stop(): Promise<void>
}

export type Surroundings = {
  clock: Clock
  log: LogSettings
  /** Which of all chores it does; all, unless somebody says. */
  chores?: (all: Chores) => Chores
}

/** Opens the store, builds the HTTP surface and listens. Throws for whatever keeps the gateway from starting. */
export async function startGateway(
  config: Config,
  secrets: Secrets,
  { clock, log, chores = (all) => all }: Surroundings,
): Promise<RunningGateway> {
  const exposition = await expositionFor(config)
  const { gateway, database } = await openGateway(config, secrets, clock, exposition?.meter)
  try {
    await applyDeclarations(gateway)
    // The first signing key is made now, so that the JWKS is never empty.
    await gateway.signingKeys.signingKey()
    const app = await buildApp(gateway, log)
    const metrics = exposition && (await listenForScrapes(gateway, exposition, app.log))
    try {
      await app.listen({ host: config.host, port: config.port })
    } catch (error) {
      await metrics?.close()
      throw error
    }
    const parts = { gateway, database, log: app.log }
    const endChores = beginChores(parts, chores(choresOf(parts)))
    return {
      gateway,
      url: urlOf(app.server),
      metricsUrl: metrics && `${urlOf(metrics.server)}/metrics`,
      async stop() {
        const choresEnded = endChores()
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
  return await serveMetrics({ exposition, read: gateway.readings }, { host, port }, (error) =>
    log.error({ err: error }, 'metrics cannot be told'),
  )
}
