import { randomBytes, randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import type { Chores } from '../../src/chores/chores.ts'
import { loadConfig } from '../../src/config/config.ts'
import type { Secrets } from '../../src/gateway.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { type RunningGateway, startGateway } from '../../src/main.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'
import { type Spread, type Spreader, spreadOfRun, startSpreader } from './spreader.ts'

/** A clock that starts now, goes on, and moves by being told to, shared with stand-ins. */
export function createTestClock(clock = systemClock) {
  let offset = 0
  return {
    now: () => clock() + offset,
    advance(seconds: number) {
      offset += seconds
    },
  }
}

/** A clock that starts now and moves only by being told to: what is counted in a second is the same on every machine. */
export function createStillClock(): TestClock {
  const start = systemClock()
  return createTestClock(() => start)
}

export type TestClock = ReturnType<typeof createTestClock>

export type TestGateway = {
  issuer: string
  /** Where it really is, its path included; the issuer may be the name of a proxy before it. */
  url: string
  clock: TestClock
  adminToken: string
  masterKey: Uint8Array
  /** Everything it logged, as one text. */
  logs(): string
  database: TestDatabase
  running(): RunningGateway
  /** One call of the admin API; throws where the answer is not a success, unless `expect` says which is wanted. */
  admin<Body = Record<string, unknown>>(
    method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
    expect?: number,
  ): Promise<Body>
  /** What sends its requests on, where it is several. */
  spreader: Spreader | undefined
  /** Stops and starts again over the same database and keys; with another configuration file, if one is given. */
  restart(file?: unknown): Promise<void>
  /** Another gateway over the same database, with the same issuer and keys, unless said, as if behind one proxy. */
  replica(masterKeys?: Secrets['masterKeys']): Promise<RunningGateway>
  stop(): Promise<void>
}

export type TestGatewayOptions = {
  clock?: TestClock
  /** More of the environment, such as another issuer path. */
  env?: (port: number) => Record<string, string>
  /** The configuration file's content. */
  file?: unknown
  /** In the place of one made for this test. */
  masterKeys?: Secrets['masterKeys']
  /**
   * `none`, for tests that count what the gateway does: nothing but what it is asked. `all`: also what is minutes apart,
   * and comes up in other tests only because their clock is moved.
   */
  chores?: 'none' | 'all' | ((all: Chores) => Chores)
  /** In the place of one of its own, of the kind this run is about. It is removed when the gateway is stopped. */
  database?: TestDatabase
  /** Several gateways on its database, each request to one of them at random; absent: one, or what the run says. */
  spread?: Spread
}

/** A real gateway on a free port of this machine, over a database of its own. */
export async function startTestGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const port = await freePort()
  const { spread = spreadOfRun() } = options
  const spreader = spread && (await startSpreader(port, spread.seed))
  const database = options.database ?? (await createTestDatabase())
  const clock = options.clock ?? createTestClock()
  const adminToken = `cc_admin_${randomBytes(32).toString('base64url')}`
  const masterKey = randomBytes(32)
  const secrets: Secrets = {
    masterKeys: options.masterKeys ?? [{ id: 'test', key: masterKey }],
    adminToken,
  }
  const lines: string[] = []
  const env = {
    COATCHECK_ISSUER: `http://localhost:${port}`,
    COATCHECK_PORT: spreader ? '0' : String(port),
    COATCHECK_DATABASE_URL: database.url,
    COATCHECK_ALLOW_LOOPBACK_UPSTREAMS: 'true',
    COATCHECK_CONFIG: 'config.json',
    ...options.env?.(port),
  }
  const log = { level: 'debug', stream: { write: (line: string) => void lines.push(line) } }
  const { chores = 'some' } = options
  const surroundings = {
    clock: clock.now,
    log,
    chores: typeof chores === 'function' ? chores : choresFor[chores],
  }
  let file: unknown = options.file ?? {}
  const start = async (own: Record<string, string> = {}, { masterKeys } = secrets) => {
    const config = loadConfig({ ...env, ...own }, () => JSON.stringify(roomy(file)))
    return await startGateway(config, { ...secrets, masterKeys }, surroundings)
  }
  const replica = async (masterKeys = secrets.masterKeys) =>
    await start({ COATCHECK_PORT: '0' }, { ...secrets, masterKeys })
  const startAll = async () => {
    const first = await start()
    const all = [first]
    while (all.length < (spread?.over ?? 1)) all.push(await replica())
    spreader?.to(all.map(({ url }) => url))
    return { first, stop: () => Promise.all(all.map((each) => each.stop())) }
  }
  let running = await startAll()
  const { issuer } = running.first.gateway.config
  const url = (spreader ?? running.first).url + new URL(issuer).pathname.replace(/\/$/, '')
  return {
    issuer,
    url,
    clock,
    adminToken,
    masterKey,
    database,
    spreader,
    logs: () => lines.join(''),
    running: () => running.first,
    admin: adminCalls(url, adminToken),
    async restart(another) {
      await running.stop()
      if (another !== undefined) file = another
      // Connections kept alive by fetch learn only from the event loop that their other end is gone.
      for (let turns = 0; turns < 10; turns++) await turn()
      running = await startAll()
    },
    replica,
    async stop() {
      await running.stop()
      await spreader?.stop()
      await database.remove()
    },
  }
}

const choresFor: Record<'none' | 'some' | 'all', (all: Chores) => Chores> = {
  none: () => ({ own: [], shared: [] }),
  some: ({ own, shared }) => ({ own, shared: shared.filter(({ every }) => every < 60) }),
  all: (all) => all,
}

/** Everybody in a test comes from one address, and most in one minute. What a file says of limits holds. */
function roomy(file: unknown): unknown {
  if (typeof file !== 'object' || file === null) return file
  const limits = {
    // Many gateways are tested at once on few processors.
    event_loop_lag: 10_000,
    registrations_per_address: 10_000,
    registrations: 10_000,
    authorizations_per_address: 10_000,
    authorizations_per_client: 10_000,
    authorizations: 10_000,
    failed_authentications_per_address: 10_000,
    failed_authentications_per_caller: 10_000,
    token_requests_per_client: 10_000,
    token_requests_per_address: 100_000,
    registration_changes_per_client: 10_000,
    registration_changes: 10_000,
    visits_per_interaction: 10_000,
    visits_per_connect_link: 10_000,
    account_visits_per_address: 10_000,
    unknown_visits_per_address: 10_000,
    callbacks_per_provider: 10_000,
    unknown_sessions_per_resource: 10_000,
  }
  return { ...file, limits: { ...limits, ...('limits' in file ? Object(file.limits) : {}) } }
}

/** Calls of the admin API of whatever listens there. */
export function adminCalls(url: string, adminToken: string): TestGateway['admin'] {
  return async <Body>(method: string, route: string, body?: unknown, expect?: number) => {
    const response = await fetch(`${url}/admin/v1${route}`, {
      method,
      headers: {
        authorization: `Bearer ${adminToken}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const answer = await response.text()
    const isWanted = expect === undefined ? response.ok : response.status === expect
    if (!isWanted) throw new Error(`${method} ${route} answered ${response.status}: ${answer}`)
    return (answer === '' ? {} : JSON.parse(answer)) as Body
  }
}

/**
 * A port that nobody has. None of those the system gives away by itself (32768 and beyond, on Linux): before whoever
 * wanted it listens, it would be another's.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_100, 32_000)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!isFree) continue
    await new Promise((resolve) => server.close(resolve))
    return port
  }
}
