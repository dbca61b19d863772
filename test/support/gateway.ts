import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../../src/config/config.ts'
import type { Secrets } from '../../src/gateway.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { type RunningGateway, startGateway } from '../../src/main.ts'

/** A clock that starts now and moves only by being told to, shared with stand-ins. */
export function createTestClock() {
  let offset = 0
  return {
    now: () => systemClock() + offset,
    advance(seconds: number) {
      offset += seconds
    },
  }
}

export type TestClock = ReturnType<typeof createTestClock>

export type TestGateway = {
  issuer: string
  clock: TestClock
  adminToken: string
  /** Everything it logged, as one text. */
  logs(): string
  /** The folder of its database. */
  folder: string
  running(): RunningGateway
  /** One call of the admin API; throws where the answer is not a success, unless `expect` says which is wanted. */
  admin<Body = Record<string, unknown>>(
    method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
    expect?: number,
  ): Promise<Body>
  /** Stops and starts again over the same database and keys. */
  restart(): Promise<void>
  stop(): Promise<void>
}

export type TestGatewayOptions = {
  clock?: TestClock
  /** More of the environment, such as another issuer path. */
  env?: (port: number) => Record<string, string>
  /** The configuration file's content. */
  file?: unknown
}

/** A real gateway on a free port of this machine, over a database file of its own. */
export async function startTestGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'coatcheck-test-'))
  const clock = options.clock ?? createTestClock()
  const adminToken = `cc_admin_${randomBytes(32).toString('base64url')}`
  const secrets: Secrets = { masterKeys: [{ id: 'test', key: randomBytes(32) }], adminToken }
  const lines: string[] = []
  const env = {
    COATCHECK_ISSUER: `http://localhost:${port}`,
    COATCHECK_PORT: String(port),
    COATCHECK_DATABASE_URL: `sqlite:${join(folder, 'coatcheck.db')}`,
    COATCHECK_ALLOW_LOOPBACK_UPSTREAMS: 'true',
    COATCHECK_CONFIG: 'config.json',
    ...options.env?.(port),
  }
  const config = loadConfig(env, () => JSON.stringify(options.file ?? {}))
  const log = { level: 'debug', stream: { write: (line: string) => void lines.push(line) } }
  const start = () => startGateway(config, secrets, { clock: clock.now, log })
  let running = await start()
  return {
    issuer: config.issuer,
    clock,
    adminToken,
    folder,
    logs: () => lines.join(''),
    running: () => running,
    async admin<Body>(method: string, path: string, body?: unknown, expect?: number) {
      const response = await fetch(`${config.issuer}/admin/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${adminToken}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const answer = await response.text()
      const isWanted = expect === undefined ? response.ok : response.status === expect
      if (!isWanted) throw new Error(`${method} ${path} answered ${response.status}: ${answer}`)
      return (answer === '' ? {} : JSON.parse(answer)) as Body
    },
    async restart() {
      await running.stop()
      running = await start()
    },
    async stop() {
      await running.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
