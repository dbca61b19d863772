import { once } from 'node:events'
import { connect } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { enterAging } from '../support/aging.ts'
import { requestLink } from '../support/connecting.ts'
import { type Notes, startNotes } from '../support/notes.ts'
import { until } from '../support/until.ts'
import { authorizeUrl, basic, newBrowser, newPkce, signIn } from '../support/world.ts'

// What is under way is answered, and nobody who waits keeps the gateway from stopping (FC-15).

let notes: Notes

beforeAll(async () => {
  notes = await startNotes({ chores: 'none', file: { limits: { requests_under_way: 50 } } })
})
afterAll(() => notes.stop())

/** Milliseconds a restart takes. */
async function restart(): Promise<number> {
  const began = performance.now()
  await notes.gateway.restart()
  return performance.now() - began
}

test('those who only wait for a link leave room for everybody else', async () => {
  const { tsid } = await signIn(notes, { browser: newBrowser() })
  const { ticket } = await requestLink(notes, notes.room, tsid)
  const ask = () =>
    fetch(`${notes.gateway.issuer}/v1/token-sessions/${tsid}/connect/${ticket}?wait=30`, {
      headers: { authorization: basic(notes.credential) },
    })
  const statuses: number[] = []
  const all = Array.from({ length: 30 }, async () => {
    const { status } = await ask()
    statuses.push(status)
  })
  while (statuses.length < 30 - 13) await turn()
  expect(notes.gateway.running().gateway.load.underWay()).toBeLessThanOrEqual(13)
  expect((await newBrowser().get(authorizeUrl(notes, newPkce().challenge))).status).toBe(200)
  await restart()
  await Promise.all(all)
  expect(new Set(statuses)).toEqual(new Set([200]))
})

test('a resource that waits for a link is told how it stands', async () => {
  const { tsid } = await signIn(notes, { browser: newBrowser() })
  const link = await requestLink(notes, notes.room, tsid)
  const { connectLinks } = notes.gateway.running().gateway.store
  const { find } = connectLinks
  const looked = Promise.withResolvers<void>()
  connectLinks.find = async (hash) => {
    looked.resolve()
    return await find(hash)
  }
  const waiting = fetch(`${notes.gateway.issuer}/v1/token-sessions/${tsid}/connect/${link.ticket}?wait=30`, {
    headers: { authorization: basic(notes.credential) },
  })
  await looked.promise
  expect(await restart()).toBeLessThan(5_000)
  const response = await waiting
  expect(response.status).toBe(200)
  expect(await response.json()).toEqual({ state: 'pending', provider: 'github' })
})

test('a refresh that is under way is finished, stored and answered', async () => {
  const session = await enterAging(notes, notes.room, 'github', { browser: newBrowser() })
  await session.age(28_801)
  const route = 'POST /login/oauth/access_token'
  const before = notes.github.calls(route).length
  notes.github.control.script({ on: route, effect: { kind: 'hold' } })
  const asked = session.fetch()
  await notes.github.arrived(route, before + 1)
  const stopped = restart()
  notes.github.control.release()
  const { status, body, headers } = await asked
  expect(status).toBe(200)
  expect(headers.get('connection')).toBe('close')
  expect(await stopped).toBeLessThan(5_000)
  expect((await session.fetch()).body.access_token).toBe(body.access_token)
  expect(notes.github.calls(route)).toHaveLength(before + 1)
})

/** Asks for something, and for another thing of which the end is yet to come. */
async function askHalf(path: string) {
  const { hostname, port } = new URL(notes.gateway.running().url)
  const socket = connect(Number(port), hostname)
  let heard = ''
  socket.setEncoding('utf8').on('data', (chunk) => {
    heard += chunk
  })
  const ask = (asked: string) => `GET ${asked} HTTP/1.1\r\nhost: localhost\r\n`
  socket.write(`${ask('/healthz')}\r\n${ask(path)}`)
  await until(() => heard.endsWith('{"status":"ok"}'))
  return async () => {
    heard = ''
    socket.write('\r\n')
    await once(socket, 'close')
    return heard
  }
}

test('what arrives on a connection that is open is answered as ever, and it is ready no more', async () => {
  const { url } = notes.gateway.running()
  const paths = ['/.well-known/jwks.json', `/oauth/authorize?client_id=nobody`, '/readyz', '/healthz']
  const halves = await Promise.all(paths.map(askHalf))
  const stopped = restart()
  const isOpen = () =>
    fetch(`${url}/healthz`).then(
      () => true,
      () => false,
    )
  await until(async () => !(await isOpen()))
  const [keys = '', page = '', ready = '', alive = ''] = await Promise.all(halves.map((finish) => finish()))
  expect(keys).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  expect(page).toMatch(/^HTTP\/1\.1 400 .*content-type: text\/html/s)
  expect(ready).toMatch(/^HTTP\/1\.1 503 .*cache-control: no-store\r\nretry-after: 5\r\n.*"unavailable"/s)
  expect(alive).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  for (const answer of [keys, page, ready, alive]) expect(answer).toMatch(/\r\nconnection: close\r\n/i)
  expect(await stopped).toBeLessThan(5_000)
})
