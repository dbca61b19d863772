import { configuredSecrets } from '../config/generated-secrets.ts'
import { endInOrder } from '../ending.ts'
import { systemClock } from '../lib/clock.ts'
import { startGateway } from '../main.ts'
import type { FromWorker, ToWorker } from '../workers/message.ts'
import { pulseEvery } from '../workers/pulse.ts'
import { explain } from './explain.ts'
import { standardLog } from './standard-log.ts'

/*
 * What `coatcheck serve` runs several of: a gateway that is told by the process that started it how to run. Should that
 * one die, Node ends this one.
 */

/** Resolves when it is on its way, so that the process may end. */
const say = (message: FromWorker) =>
  new Promise<void>((resolve) => {
    if (process.send) process.send(message, undefined, undefined, () => resolve())
    else resolve()
  })

// It waits to be told, whatever was loaded before it and wants no channel to keep it.
process.channel?.ref()

let onStop = (): void => process.exit(0)
let onCollect = (): void => {}

process.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'start':
      return void start(message).catch(fail)
    case 'collect':
      return onCollect()
    case 'stop':
      return onStop()
  }
})

async function start({ config }: Extract<ToWorker, { kind: 'start' }>): Promise<void> {
  const surroundings = { clock: systemClock, log: standardLog(config.logLevel), role: 'worker' } as const
  const running = await startGateway(config, configuredSecrets(config), surroundings)
  const tellMetrics = async () => await say({ kind: 'collected', metrics: await running.collectMetrics() })
  const stop = async () => {
    await running.stop()
    await tellMetrics()
  }
  const { end } = endInOrder({ stop, log: running.log }, () => void say({ kind: 'failing' }))
  onStop = end
  onCollect = () => void tellMetrics()
  await say({ kind: 'ready' })
  setInterval(() => void say({ kind: 'alive' }), pulseEvery).unref()
}

async function fail(error: unknown): Promise<void> {
  await say({ kind: 'failed', message: explain(error) })
  process.exit(1)
}
