import type { AddressInfo, Server } from 'node:net'
import type { FastifyBaseLogger } from 'fastify'
import { buildApp, type LogSettings } from './app.ts'
import { createCheckpoints, endChains } from './audit/chains.ts'
import { createRetention } from './audit/retention.ts'
import { applyDeclarations } from './config/apply-declarations.ts'
import type { Config } from './config/config.ts'
import { type Gateway, openGateway, type Secrets } from './gateway.ts'
import type { Clock } from './lib/clock.ts'
import type { Exposition } from './metrics/exposition.ts'
import { serveMetrics } from './metrics/server.ts'
import type { Database } from './storage/database.ts'
import { checkMasterKeys } from './storage/key-check.ts'
import { sweep, sweepDefaults } from './storage/sweep.ts'

export type RunningGateway = {
  gateway: Gateway
  /** Where it listens; the issuer may be another name for it. */
  url: string
  /** Where its metrics are, if anybody wants them. */
  metricsUrl: string | undefined
  stop(): Promise<void>
}

const sweepEvery = 300
const tendEvery = 1
const checkpointEvery = 3_600
const keepAliveEvery = 600
const revokeEvery = 5
const probeEvery = 60
const failuresEvery = 60
const resealEvery = 1
const keyCheckEvery = 60

/** Rows of the audit record that one sweep takes at most. */
const mostDropped = 20_000

/** Opens the store, builds the HTTP surface and listens. Throws for whatever keeps the gateway from starting. */
export async function startGateway(
  config: Config,
  secrets: Secrets,
  { clock, log }: { clock: Clock; log: LogSettings },
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
    const run = (what: string, work: () => Promise<void>) =>
      void work().catch((error) => app.log.error({ err: error }, `${what} failed`))
    const every = (seconds: number, what: string, work: () => Promise<void>) =>
      setInterval(() => run(what, work), seconds * 1000).unref()
    const writeCheckpoint = createCheckpoints(gateway, gateway.auditKey)
    // What the process before this one did not live to tell providers waited long enough.
    run('revoking at providers', gateway.revocations.carryOutDue)
    const chores = [
      every(sweepEvery, 'sweep', () => sweepOnce(gateway, database)),
      every(sweepEvery, 'shortening the audit record', shorteningOf(gateway)),
      every(checkpointEvery, 'a checkpoint of the audit record', writeCheckpoint),
      every(failuresEvery, 'recording failures', () => gateway.failures.record('due')),
      every(tendEvery, 'writing decisions', gateway.decisionLog.flush),
      every(resealEvery, 'resealing', gateway.resealing.runDue),
      // A key that another process let go of while this one seals with it is not to be forgotten.
      every(keyCheckEvery, 'checking the master keys', async () =>
        checkMasterKeys(gateway.store, gateway.sealer, clock()),
      ),
      every(revokeEvery, 'revoking at providers', gateway.revocations.carryOutDue),
      every(tendEvery, 'tending refreshes', gateway.tendRefreshes),
      every(probeEvery, 'probing MCP servers', async () => {
        for (const { resourceId, probes } of await gateway.probing.runDue()) {
          const failed = probes.filter(({ outcome }) => outcome === 'failed').map(({ check }) => check)
          if (failed.length > 0) app.log.warn({ resourceId, failed }, 'an MCP server is not protected')
        }
      }),
      every(keepAliveEvery, 'keeping connections alive', async () => {
        for (const { provider, outcomes } of await gateway.keepConnectionsAlive()) {
          if (Object.keys(outcomes).length === 0) continue
          app.log.info({ provider, outcomes }, 'idle connections were touched')
        }
      }),
    ]
    return {
      gateway,
      url: urlOf(app.server),
      metricsUrl: metrics && `${urlOf(metrics.server)}/metrics`,
      async stop() {
        for (const chore of chores) clearInterval(chore)
        // What is under way is answered first; then nothing writes any more.
        await app.close()
        await gateway.decisionLog.flush().catch((error) => app.log.warn({ err: error }, 'decisions are lost'))
        await gateway.probing.stop()
        await gateway.resealing.stop()
        await gateway.revocations.stop()
        await gateway.stopRefreshing().catch((error) => app.log.error({ err: error }, 'tokens are lost'))
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

function shorteningOf(gateway: Gateway): () => Promise<void> {
  const shorten = createRetention(gateway, gateway.auditKey)
  return async () => {
    const retention = gateway.config.lifetimes.audit_retention
    const { broken } = await shorten({ retention, rows: mostDropped })
    if (broken.length === 0) return
    const advice = 'its old rows stay; coatcheck audit verify says more'
    throw new Error(`the audit record was changed, in ${broken.join(', ')}: ${advice}`)
  }
}

/** Retired signing keys stay a day longer than anything they signed. */
async function sweepOnce({ store, clock, config, meter }: Gateway, database: Database): Promise<void> {
  const now = clock()
  const swept = await sweep(database, now, {
    ...sweepDefaults,
    refreshGrace: config.lifetimes.refresh_grace,
  }).catch((error) => {
    meter.count('sweeps', { outcome: 'failed' })
    throw error
  })
  meter.count('sweeps', { outcome: 'done' })
  for (const [kind, rows] of Object.entries(swept)) meter.count('sweptRows', { kind }, rows)
  await store.signingKeys.deleteRetired(now - 86_400)
}
