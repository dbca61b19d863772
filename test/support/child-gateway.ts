import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createTestDatabase } from './database.ts'
import { adminCalls, createTestClock, freePort, type TestGateway } from './gateway.ts'

export type ChildGateway = TestGateway & {
  /** The process that runs now; undefined while none does. */
  pid(): number | undefined
  /** Ends the process and does not start another. */
  kill(signal: NodeJS.Signals): Promise<void>
  /** Starts a process where none runs. */
  start(): Promise<void>
  /** Kills it as a power cut would, and starts another over the same database; on the system's clock. */
  crash(meanwhile?: () => unknown): Promise<void>
  /** With which code that process ended. */
  ended(): Promise<number | null>
}

/** A gateway in a process of its own, as `coatcheck serve` runs it; with more of the environment, and options of Node's. */
export async function startChildGateway(
  more: Record<string, string> = {},
  nodeOptions: readonly string[] = [],
): Promise<ChildGateway> {
  const port = Number(more.COATCHECK_PORT ?? (await freePort()))
  const database = await createTestDatabase()
  const adminToken = `cc_admin_${randomBytes(32).toString('base64url')}`
  const masterKey = randomBytes(32)
  const issuer = more.COATCHECK_ISSUER ?? `http://localhost:${port}`
  const url = `http://localhost:${port}${new URL(issuer).pathname.replace(/\/$/, '')}`
  const env = {
    PATH: process.env.PATH ?? '',
    // The sources are the same at every start, and reading them anew is most of one.
    NODE_COMPILE_CACHE: 'node_modules/.cache/sources',
    COATCHECK_ISSUER: issuer,
    COATCHECK_PORT: String(port),
    COATCHECK_DATABASE_URL: database.url,
    COATCHECK_MASTER_KEYS: `test:${masterKey.toString('base64')}`,
    COATCHECK_ADMIN_TOKEN: adminToken,
    COATCHECK_ALLOW_LOOPBACK_UPSTREAMS: 'true',
    COATCHECK_LOG_LEVEL: 'debug',
    ...more,
  }
  let logs = ''
  let child: ChildProcess
  let ended: Promise<number | null>
  const isRunning = () => child.exitCode === null && child.signalCode === null
  const start = async () => {
    const command = [...nodeOptions, '--conditions=coatcheck-source', 'src/cli.ts', 'serve']
    const process_ = spawn(process.execPath, command, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    child = process_
    ended = new Promise((resolve) => process_.once('exit', resolve))
    // Whatever becomes of the tests, it does not outlive them.
    const endToo = () => void process_.kill('SIGKILL')
    process.once('exit', endToo)
    process_.once('exit', () => process.off('exit', endToo))
    await new Promise<void>((resolve, reject) => {
      const read = (chunk: Buffer) => {
        logs += chunk
        if (String(chunk).includes('Coatcheck is open at')) resolve()
      }
      process_.stdout.on('data', read)
      process_.stderr.on('data', read)
      process_.once('exit', (code, signal) =>
        reject(new Error(`the gateway did not start but ended with ${code ?? signal}: ${logs}`)),
      )
    })
  }
  const end = async (signal: NodeJS.Signals) => {
    if (!isRunning()) return
    child.kill(signal)
    await ended
  }
  await start()
  return {
    issuer,
    url,
    clock: createTestClock(),
    adminToken,
    masterKey,
    database,
    logs: () => logs,
    spreader: undefined,
    running() {
      throw new Error('it runs in another process')
    },
    async replica() {
      throw new Error('its keys are in another process')
    },
    admin: adminCalls(url, adminToken),
    pid: () => (isRunning() ? child.pid : undefined),
    kill: end,
    start,
    ended: () => ended,
    async restart() {
      await end('SIGTERM')
      await start()
    },
    async crash(meanwhile) {
      await end('SIGKILL')
      await meanwhile?.()
      await start()
    },
    async stop() {
      await end('SIGKILL')
      await database.remove()
    },
  }
}
