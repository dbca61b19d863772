import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ChildGateway, startChildGateway } from '../support/child-gateway.ts'
import { databaseKind } from '../support/database.ts'
import { type Front, startFront } from '../support/front.ts'
import { freePort } from '../support/gateway.ts'
import { startUpstream, type TestUpstream } from '../support/upstreams.ts'
import {
  createCredential,
  introspect,
  refresh,
  registerClient,
  resourceUri,
  retrieve,
  signIn,
  type Tokens,
  type World,
} from '../support/world.ts'

// COATCHECK_WORKERS=2: two gateways over one port, of which each answers every second request.

/** What no database has a part in, or other files show of PostgreSQL as well; most of these take seconds. */
const once = test.skipIf(databaseKind() === 'postgres')

let port: number
let front: Front
let gateway: ChildGateway
let upstream: TestUpstream
let world: Omit<World, 'stop' | 'upstream'>
let metricsPort: number
const folder = mkdtempSync(join(tmpdir(), 'coatcheck-workers-'))

beforeAll(async () => {
  port = await freePort()
  metricsPort = await freePort()
  front = await startFront(port)
  writeFileSync(
    join(folder, 'config.json'),
    JSON.stringify({
      limits: {
        connections: 100,
        registrations_per_address: 10_000,
        token_requests_per_client: 100_000,
        token_requests_per_address: 100_000,
      },
    }),
  )
  gateway = await startChildGateway({
    COATCHECK_PORT: String(port),
    COATCHECK_ISSUER: front.url,
    COATCHECK_WORKERS: '2',
    COATCHECK_METRICS_PORT: String(metricsPort),
    COATCHECK_CONFIG: join(folder, 'config.json'),
  })
  gateway = { ...gateway, url: front.url }
  upstream = await startUpstream('github', { issuer: gateway.issuer, clock: gateway.clock.now })
  upstream.approveAs('ada')
  await gateway.admin('PUT', '/providers/github', upstream.definition)
  await gateway.admin('PUT', '/resources/notes', {
    resource: resourceUri,
    name: 'Notes',
    providers: [{ provider: 'github', scopes: [upstream.scope] }],
  })
  const credential = await createCredential(gateway, 'notes')
  const clientId = await registerClient(gateway)
  world = { gateway, clock: gateway.clock, clientId, credential, provider: 'github' }
  await until(() => workers().length === 2)
})
afterAll(async () => {
  await gateway.stop()
  await upstream.stop()
  front.stop()
  rmSync(folder, { recursive: true })
})

type Line = { pid: number; msg: string; route?: string }
const linesOf = (logs: string): Line[] =>
  // The last one is not all there yet.
  logs
    .slice(0, logs.lastIndexOf('\n'))
    .split('\n')
    .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Line] : []))

const primary = () => gateway.pid() ?? 0

/** The processes that ever listened, in their order. */
const workers = () => [
  ...new Set(
    linesOf(gateway.logs()).flatMap(({ pid, msg }) => (msg.startsWith('Server listening') ? [pid] : [])),
  ),
]

/** Waits for the log to say that these answered while this was done, and nobody else; it says so after the answer. */
async function answeredBy(pids: readonly number[], work: () => Promise<unknown>): Promise<void> {
  const before = gateway.logs().length
  await work()
  const answered = () =>
    new Set(
      linesOf(gateway.logs().slice(before)).flatMap(({ pid, msg }) => (msg === 'answered' ? [pid] : [])),
    )
  await until(() => answered().size >= pids.length)
  expect(answered()).toEqual(new Set(pids))
}

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Whether a connection is taken; what becomes of it nobody asks. */
const isOpen = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  // Those that are waited for need the processor more than whoever waits.
  while (!(await isSo())) await pause(10)
}

async function scrape(series: string): Promise<number> {
  const text = await (await fetch(`http://localhost:${metricsPort}/metrics`)).text()
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `))
  return Number(line?.slice(series.length + 1))
}

test('one start is announced once, by two processes that listen', () => {
  expect(gateway.logs().match(/Coatcheck is open at/g)).toHaveLength(1)
  expect(workers()).not.toContain(primary())
})

test('a sign-in goes through both, and so does what is done with its tokens', async () => {
  const both = workers()
  let session: Awaited<ReturnType<typeof signIn>> | undefined
  await answeredBy(both, async () => {
    session = await signIn(world)
  })
  const { tokens, tsid } = session ?? expect.fail()
  const answers = async () => {
    for (const _turn of both) {
      expect((await retrieve(world, tsid)).status).toBe(200)
      expect(await introspect(world, tokens.access_token)).toMatchObject({ active: true })
      await retrieve(world, tsid)
    }
  }
  await answeredBy(both, answers)
  const successor = (await (await refresh(world, tokens.refresh_token)).json()) as Tokens
  const retried = (await (await refresh(world, tokens.refresh_token)).json()) as Tokens
  expect(retried.refresh_token).toBe(successor.refresh_token)
})

test('what ends at one has ended at the other', async () => {
  const { tokens, tsid } = await signIn(world)
  for (const _worker of workers()) expect((await retrieve(world, tsid)).status).toBe(200)
  await fetch(`${gateway.url}/oauth/revoke`, {
    method: 'POST',
    body: new URLSearchParams({ client_id: world.clientId, token: tokens.refresh_token }),
  })
  for (const _worker of workers()) {
    expect((await retrieve(world, tsid)).status).toBe(404)
    expect(await introspect(world, tokens.access_token)).toEqual({ active: false })
    expect((await retrieve(world, tsid)).status).toBe(404)
  }
})

once('a new signing key is published by both within a second', async () => {
  const kids = async () => {
    const { keys } = (await (await fetch(`${gateway.url}/.well-known/jwks.json`)).json()) as {
      keys: { kid: string }[]
    }
    return keys.map(({ kid }) => kid)
  }
  await Promise.all([kids(), kids()])
  const { kid } = await gateway.admin<{ kid: string }>('POST', '/signing-keys/rotate')
  const second = performance.now() + 1_000
  await until(async () => {
    await kids()
    return performance.now() > second
  })
  expect(await kids()).toContain(kid)
  expect(await kids()).toContain(kid)
})

once('metrics are those of both', async () => {
  const series = 'coatcheck_http_requests_total{route="/healthz",status="2xx"}'
  const asked = Array.from({ length: 6 }, async () => await fetch(`${gateway.url}/healthz`))
  expect((await Promise.all(asked)).map(({ status }) => status)).toEqual(Array(6).fill(200))
  expect(await scrape(series)).toBe(6)
  expect(await scrape('coatcheck_connections{provider="github",status="live"}')).toBe(1)
})

once(
  'of a worker killed under load nothing that was answered is lost, and another takes its place',
  async () => {
    const [first = 0] = workers()
    const chains = await Promise.all(Array.from({ length: 4 }, async () => (await signIn(world)).tokens))
    const clients: string[] = []
    const counted = await scrape('coatcheck_tokens_issued_total{grant="authorization_code"}')
    let isOver = false

    const renew = async (tokens: Tokens): Promise<Tokens> => {
      let latest = tokens
      while (!isOver) {
        const response = await refresh(world, latest.refresh_token).catch(() => undefined)
        // Whoever got no answer asks again with the same token, and is given what it missed.
        if (!response) continue
        expect(response.status).toBe(200)
        latest = (await response.json()) as Tokens
      }
      return latest
    }
    const register = async () => {
      while (!isOver) {
        await registerClient(gateway).then(
          (id) => clients.push(id),
          () => undefined,
        )
        if (clients.length >= 5 && isAlive(first)) process.kill(first, 'SIGKILL')
        if (clients.length >= 10 && workers().length === 3) isOver = true
      }
    }
    const [latest] = await Promise.all([Promise.all(chains.map(renew)), register()])

    expect(isAlive(first)).toBe(false)
    expect(gateway.logs()).toContain(`worker ${first}: it ended by SIGKILL; another takes its place`)
    for (const id of clients) await gateway.admin('GET', `/clients/${id}`)
    for (const { refresh_token } of latest) expect((await refresh(world, refresh_token)).status).toBe(200)
    const [, , third = 0] = workers()
    await until(async () => {
      await fetch(`${gateway.url}/readyz`)
      return linesOf(gateway.logs()).some(({ pid, msg }) => pid === third && msg === 'answered')
    })
    expect(await scrape('coatcheck_tokens_issued_total{grant="authorization_code"}')).toBe(counted)
  },
  30_000,
)

once('a worker that is told to stop is replaced, too', async () => {
  const [, second = 0] = workers()
  process.kill(second, 'SIGTERM')
  await until(() => workers().length === 4)
  expect(isAlive(second)).toBe(false)
})

once('a stop answers what is under way, and ends all of them in order', async () => {
  const body = new URLSearchParams({ token: 'nobody' }).toString()
  const head = `POST /oauth/revoke HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: ${body.length}\r\n\r\n`
  const openings = [1, 2].map(() => {
    const socket = connect(port, '127.0.0.1')
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk
    })
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.write(head + body.slice(0, 3))
    const finish = async () => {
      socket.write(body.slice(3))
      await closed
      return answer
    }
    return { finish }
  })
  // It is being read once a later connection to the same worker is answered.
  for (const _worker of [1, 2, 3, 4]) await fetch(`${gateway.url}/healthz`)
  process.kill(primary(), 'SIGTERM')
  await until(async () => !(await isOpen(port)))
  for (const { finish } of openings) expect(await finish()).toMatch(/^HTTP\/1.1 4\d\d /)
  expect(await gateway.ended()).toBe(0)
  expect(workers().filter(isAlive)).toEqual([])
  expect(gateway.logs()).not.toContain('did not end')
})

once('connections beyond what both may have are closed, and handed to and fro by nobody', async () => {
  await gateway.restart()
  await until(() => workers().length === 6)
  const sockets = Array.from({ length: 220 }, () => connect(port, '127.0.0.1').on('error', () => {}))
  await until(() => sockets.filter(({ closed }) => closed).length >= 20)
  for (const socket of sockets) socket.destroy()
  const isServed = () =>
    fetch(`${gateway.url}/healthz`).then(
      ({ status }) => status === 200,
      () => false,
    )
  await until(isServed)
})

once('whose first process is killed leaves none behind', async () => {
  const last = workers().slice(-2)
  expect(last.map(isAlive)).toEqual([true, true])
  process.kill(primary(), 'SIGKILL')
  await until(() => !last.some(isAlive))
})

once('a stop before all of them listen lets those that do end in order', async () => {
  const second = `
    import cluster from 'node:cluster'
    if (cluster.worker?.id === 2) {
      process.on('message', ({ kind }) => kind === 'stop' && process.exit(0))
      process.kill(process.ppid, 'SIGTERM')
      await new Promise(() => setInterval(() => {}, 1000))
    }`
  const start = startChildGateway({ COATCHECK_WORKERS: '2' }, [
    '--import',
    `data:text/javascript,${encodeURIComponent(second)}`,
  ])
  await expect(start).rejects.toThrow('the gateway did not start but ended with 0: ')
})

once('where no worker can start it says why, once', async () => {
  const start = startChildGateway({ COATCHECK_PORT: new URL(front.url).port, COATCHECK_WORKERS: '2' })
  const message = await start.then(
    () => 'started',
    (error: Error) => error.message,
  )
  expect(message.match(/EADDRINUSE/g)).toHaveLength(1)
  expect(message).toContain('Coatcheck: bind EADDRINUSE')
})
