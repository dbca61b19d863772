import { type Answer, type Connection, openConnection } from './connection.ts'
import type { LoadOrder, LoadReport, Measured, Plan, PlannedRequest } from './plan.ts'

/** A process that does nothing but ask: it is told a plan, then to carry it out for some seconds, as often as wanted. */

type Prepared = { plan: Plan; connections: Connection[]; next: (lane: number) => PlannedRequest | undefined }

let prepared: Prepared | undefined

process.on('disconnect', () => process.exit())
process.on('message', (order: LoadOrder | 'stop') => {
  if (order === 'stop') process.exit()
  void obey(order).then(
    (report) => process.send?.(report),
    (error) => {
      console.error(error instanceof Error ? error.message : error)
      process.exit(1)
    },
  )
})

async function obey(order: LoadOrder): Promise<LoadReport> {
  if (order.order === 'run') return { report: 'measured', measured: await run(order.seconds) }
  for (const connection of prepared?.connections ?? []) connection.close()
  const { plan } = order
  const connections = await Promise.all(
    Array.from({ length: plan.connections }, () => openConnection(plan.port)),
  )
  prepared = { plan, connections, next: requestsOf(plan) }
  return { report: 'ready' }
}

/** The next request of a connection; none where all were used. */
function requestsOf({ order, requests }: Plan): Prepared['next'] {
  let at = 0
  switch (order) {
    case 'in turn':
      return () => requests[at++ % requests.length]
    case 'once each':
      return () => requests[at++]
    case 'in chains':
      return (lane) => requests[lane]
  }
}

/** As many requests at once as there are connections, each sent when the one before it was answered. */
async function run(seconds: number): Promise<Measured> {
  if (!prepared) throw new Error('there is nothing to run')
  const { plan, connections, next } = prepared
  const latencies: number[] = []
  const began = performance.now()
  const end = began + seconds * 1000
  await Promise.all(
    connections.map(async (connection, lane) => {
      for (let now = performance.now(); now < end; ) {
        const request = next(lane)
        if (!request) return
        const answer = await connection.send(request.text)
        const then = performance.now()
        latencies.push(then - now)
        now = then
        check(plan, request, answer)
      }
    }),
  )
  const lasted = (performance.now() - began) / 1000
  latencies.sort((a, b) => a - b)
  const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? Number.NaN
  return { operations: latencies.length, seconds: lasted, p50: at(0.5), p99: at(0.99) }
}

/** Throws for every answer that is not the right one, so that what is broken cannot look fast. */
function check(plan: Plan, request: PlannedRequest, { status, header, body }: Answer): void {
  const wrong = (what: string) => {
    const asked = request.text.slice(0, request.text.indexOf(' HTTP/'))
    return new Error(`${asked}: ${what}: ${header.split('\r\n', 1)} ${body.slice(0, 300)}`)
  }
  if (status !== plan.status) throw wrong('the wrong status')
  if (plan.header !== undefined && !header.includes(plan.header)) throw wrong(`no ${plan.header}`)
  if (!plan.has && !request.says) return
  const answer: Record<string, unknown> = JSON.parse(body)
  for (const [member, type] of Object.entries(plan.has ?? {})) {
    const value = answer[member]
    if ((Array.isArray(value) ? 'array' : typeof value) !== type) throw wrong(`${member} is no ${type}`)
  }
  for (const [member, value] of Object.entries(request.says ?? {})) {
    if (answer[member] !== value) throw wrong(`the wrong ${member}`)
  }
  if (request.refreshToken !== undefined) {
    const successor = String(answer.refresh_token)
    const isNew = successor !== request.refreshToken && successor.length === request.refreshToken.length
    if (!isNew) throw wrong('no new refresh token')
    request.text = request.text.replace(request.refreshToken, successor)
    request.refreshToken = successor
  }
}
