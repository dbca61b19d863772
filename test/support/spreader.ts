import { randomInt } from 'node:crypto'
import { Agent, request as ask, createServer } from 'node:http'
import { randomFrom } from './random.ts'

export type Spread = { over: number; seed: number }

/** `TEST_SPREAD=3` has every test gateway be three, `3:17` with that seed: any test can be run that way. */
export function spreadOfRun(): Spread | undefined {
  const [over, seed = randomInt(2 ** 31)] = process.env.TEST_SPREAD?.split(':').map(Number) ?? []
  return over === undefined ? undefined : { over, seed }
}

export type Spreader = {
  url: string
  /** Where requests go from now on. */
  to(targets: readonly string[]): void
  /** How many requests each of them got since. */
  counts(): number[]
  stop(): Promise<void>
}

/** A load balancer that knows nothing of anybody: every request goes to one of its targets at random, by a seed. */
export async function startSpreader(port: number, seed: number): Promise<Spreader> {
  const below = randomFrom(seed)
  const agent = new Agent({ keepAlive: true })
  let targets: { url: URL; count: number }[] = []
  const server = createServer((request, response) => {
    const target = targets[below(targets.length)]
    if (!target) return void response.writeHead(503).end()
    target.count++
    const { hostname, port } = target.url
    const { method, url: path, headers } = request
    // Nothing of ours is added, the name the visitor asked for stays.
    const passed = ask({ agent, hostname, port, method, path, headers, setHost: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
      answer.pipe(response)
    })
    passed.on('error', () => response.destroy())
    response.on('close', () => response.writableFinished || passed.destroy())
    request.pipe(passed)
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${port}`,
    to(urls) {
      targets = urls.map((url) => ({ url: new URL(url), count: 0 }))
    },
    counts: () => targets.map(({ count }) => count),
    async stop() {
      agent.destroy()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
