import type { AddressInfo } from 'node:net'
import { buildApp, type LogSettings } from './app.ts'
import { applyDeclarations } from './config/apply-declarations.ts'
import type { Config } from './config/config.ts'
import { type Gateway, openGateway, type Secrets } from './gateway.ts'
import type { Clock } from './lib/clock.ts'
import type { Database } from './storage/database.ts'
import { sweep, sweepDefaults } from './storage/sweep.ts'

export type RunningGateway = {
  gateway: Gateway
  /** Where it listens; the issuer may be another name for it. */
  url: string
  stop(): Promise<void>
}

const sweepEvery = 300
const storeWaitingEvery = 1
const keepAliveEvery = 600

/** Opens the store, builds the HTTP surface and listens. Throws for whatever keeps the gateway from starting. */
export async function startGateway(
  config: Config,
  secrets: Secrets,
  { clock, log }: { clock: Clock; log: LogSettings },
): Promise<RunningGateway> {
  const { gateway, database } = await openGateway(config, secrets, clock)
  try {
    await applyDeclarations(gateway)
    // The first signing key is made now, so that the JWKS is never empty.
    await gateway.signingKeys.signingKey()
    const app = await buildApp(gateway, log)
    await app.listen({ host: config.host, port: config.port })
    const every = (seconds: number, what: string, work: () => Promise<void>) =>
      setInterval(
        () => void work().catch((error) => app.log.error({ err: error }, `${what} failed`)),
        seconds * 1000,
      ).unref()
    const chores = [
      every(sweepEvery, 'sweep', () => sweepOnce(gateway, database)),
      every(storeWaitingEvery, 'storing tokens', gateway.storeWaitingTokens),
      every(keepAliveEvery, 'keeping connections alive', async () => {
        for (const { provider, outcomes } of await gateway.keepConnectionsAlive()) {
          if (Object.keys(outcomes).length === 0) continue
          app.log.info({ provider, outcomes }, 'idle connections were touched')
        }
      }),
    ]
    const { address, family, port } = app.server.address() as AddressInfo
    return {
      gateway,
      url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
      async stop() {
        for (const chore of chores) clearInterval(chore)
        // What is under way is answered first; then nothing writes any more.
        await app.close()
        await gateway.stopRefreshing().catch((error) => app.log.error({ err: error }, 'tokens are lost'))
        await database.close()
      },
    }
  } catch (error) {
    await database.close()
    throw error
  }
}

/** Retired signing keys stay a day longer than anything they signed. */
async function sweepOnce({ store, clock, config }: Gateway, database: Database): Promise<void> {
  const now = clock()
  await sweep(database, now, { ...sweepDefaults, refreshGrace: config.lifetimes.refresh_grace })
  await store.signingKeys.deleteRetired(now - 86_400)
}
