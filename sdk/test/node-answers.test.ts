import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { connect } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { text as textOf } from 'node:stream/consumers'
import { gunzipSync, gzipSync } from 'node:zlib'
import express from 'express'
import Fastify from 'fastify'
import { Hono } from 'hono'
import { compress } from 'hono/compress'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { expressGuard } from '../src/adapters/express.ts'
import { fastifyGuard } from '../src/adapters/fastify.ts'
import { honoGuard } from '../src/adapters/hono.ts'
import type { AuthInfo } from '../src/index.ts'
import { fakeGateway, toolCall } from './support/fake-gateway.ts'

const gateway = fakeGateway({
  tools: { open: { scopes: ['notes.read'] }, closed: { scopes: ['notes.all'] } },
})
const guard = expressGuard(gateway.guard)
let token: string
const stop: (() => Promise<void>)[] = []

beforeAll(async () => {
  token = await gateway.token()
})
afterEach(async () => {
  for (const each of stop.splice(0)) await each()
})

type Behind = (request: IncomingMessage, response: ServerResponse) => unknown

async function listening(handle: Behind): Promise<string> {
  const server = createServer((request, response) => void handle(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stop.push(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`
}

/** A server of no framework behind the guard. */
const behind = (handle: Behind) =>
  listening((request, response) =>
    guard(request, response, (error) => {
      if (error) response.writeHead(500).end(String(error))
      else void handle(request, response)
    }),
  )

const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
const full = {
  jsonrpc: '2.0',
  id: 1,
  result: {
    tools: [{ name: 'open', x: 'ü☃🎩' }, { name: 'closed' }, { name: 7 }, null, 'open'],
    nextCursor: 'c',
  },
}
const shown = { ...full, result: { tools: [{ name: 'open', x: 'ü☃🎩' }], nextCursor: 'c' } }

const init = (body: unknown, headers: Record<string, string> = {}): RequestInit => ({
  method: 'POST',
  headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
})
const listen = (url: string, headers: Record<string, string> = {}) =>
  fetch(url, { headers: { authorization: `Bearer ${token}`, ...headers } })

const inPieces = (text: string, size = 3): Buffer[] => {
  const bytes = Buffer.from(text)
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
    bytes.subarray(at * size, (at + 1) * size),
  )
}

const ways: [string, (response: ServerResponse, text: string, type: string) => unknown][] = [
  [
    'writeHead and end',
    (response, text, type) => response.writeHead(200, { 'content-type': type }).end(text),
  ],
  [
    'writeHead with a length, a message and a list of headers',
    (response, text, type) =>
      response
        .writeHead(200, 'Fine', [
          'Content-Type',
          type,
          'content-length',
          String(Buffer.byteLength(text)),
          'set-cookie',
          'a=b',
          'set-cookie',
          'c=d',
        ])
        .end(text),
  ],
  [
    'setHeader and write',
    (response, text, type) => {
      response.setHeader('Content-Type', type)
      for (const piece of inPieces(text)) response.write(piece)
      response.end()
    },
  ],
  [
    'flushHeaders, write and end with text',
    (response, text, type) => {
      response.setHeader('content-type', `${type}; charset=utf-8`)
      response.flushHeaders()
      response.write(text.slice(0, 9), 'utf8')
      response.end(text.slice(9), 'utf8')
    },
  ],
  [
    'a stream that is piped',
    (response, text, type) =>
      Readable.from(inPieces(text, 5)).pipe(response.writeHead(200, { 'content-type': type })),
  ],
]

test.each(ways)('a list as JSON is cut, written by %s', async (_, write) => {
  const url = await behind((_request, response) => write(response, JSON.stringify(full), 'application/json'))
  const response = await fetch(url, init(list))
  expect(response.status).toBe(200)
  expect(await response.json()).toEqual(shown)
})

test.each(ways)(
  'a list as an event is cut and the rest stays byte for byte, written by %s',
  async (_, write) => {
    const stream = (message: unknown) =>
      `: hi ☃\r\n\r\nid: 7\r\nevent: message\r\ndata: ${JSON.stringify(message)}\r\n\r\ndata: {"a":\ndata: 1}\n\nretry: 5\n\n`
    const url = await behind((_request, response) => write(response, stream(full), 'text/event-stream'))
    const response = await fetch(url, init(list))
    expect(await response.text()).toBe(stream(shown))
  },
)

test('what is no list is answered byte for byte, with its length', async () => {
  const odd = '{ "jsonrpc":"2.0",\n "id" : 1.0, "result": {"tools": "none", "content": [ ] } }'
  const url = await behind((_request, response) =>
    response.writeHead(201, { 'content-type': 'application/json', 'content-length': odd.length }).end(odd),
  )
  const response = await fetch(url, init(list))
  expect([response.status, response.headers.get('content-length'), await response.text()]).toEqual([
    201,
    String(odd.length),
    odd,
  ])
})

test('the result of a call keeps whatever it has, tools too', async () => {
  const result = { content: [], tools: [{ name: 'closed' }] }
  const url = await behind((_request, response) =>
    response
      .setHeader('content-type', 'application/json')
      .end(JSON.stringify({ jsonrpc: '2.0', id: 1, result })),
  )
  expect(await (await fetch(url, init(toolCall('open')))).json()).toMatchObject({ result })
})

test('a list that comes for another request, or on a stream that is listened to, is cut too', async () => {
  const url = await behind((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end(`id: 3\ndata: ${JSON.stringify({ ...full, id: 99 })}\n\n`)
  })
  const expected = `id: 3\ndata: ${JSON.stringify({ ...shown, id: 99 })}\n\n`
  expect(await (await listen(url, { 'last-event-id': '2' })).text()).toBe(expected)
  expect(await (await fetch(url, init(toolCall('open', 99)))).text()).toBe(expected)
})

test('a batch of answers is cut where it is a list', async () => {
  const ping = { jsonrpc: '2.0', id: 2, result: {} }
  const url = await behind((_request, response) =>
    response.setHeader('content-type', 'application/json').end(JSON.stringify([ping, full])),
  )
  const batch = [list, { jsonrpc: '2.0', id: 2, method: 'ping' }]
  expect(await (await fetch(url, init(batch))).json()).toEqual([ping, shown])
})

test('an event is there before the next one is written', async () => {
  let goOn = () => {}
  const url = await behind(async (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: first\n\n')
    await new Promise<void>((resolve) => {
      goOn = resolve
    })
    response.end('data: second\n\n')
  })
  const reader = (await listen(url)).body?.getReader()
  expect(Buffer.from((await reader?.read())?.value ?? '').toString()).toBe('data: first\n\n')
  goOn()
  expect(Buffer.from((await reader?.read())?.value ?? '').toString()).toBe('data: second\n\n')
})

test('an answer that was compressed before it could be looked into is not passed on', async () => {
  const url = await behind((_request, response) =>
    response
      .writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
      .end(gzipSync(JSON.stringify(full))),
  )
  const response = await fetch(url, init(list))
  expect(response.status).toBe(503)
  expect(await response.json()).toMatchObject({ code: 'policy_unavailable', reason: 'answer_encoded' })
})

test('compression before the guard compresses what was cut', async () => {
  const app = new Hono<{ Variables: { auth: AuthInfo } }>().use(
    compress({ threshold: 0 }),
    honoGuard(gateway.guard),
  )
  app.post('/mcp', (c) => c.json(full))
  const headers = { 'accept-encoding': 'gzip' }
  const response = await app.request('/mcp', init(list, headers))
  expect(response.headers.get('content-encoding')).toBe('gzip')
  const bytes = gunzipSync(Buffer.from(await response.arrayBuffer()))
  expect(JSON.parse(bytes.toString())).toEqual(shown)
})

const readers: [string, (request: IncomingMessage) => Promise<string>][] = [
  ['iterates', textOf],
  [
    'listens to data',
    (request) =>
      new Promise((resolve) => {
        let text = ''
        request.on('data', (piece) => {
          text += piece
        })
        request.on('end', () => resolve(text))
      }),
  ],
  ['makes a Web stream of it', (request) => new Response(Readable.toWeb(request) as ReadableStream).text()],
  [
    'listens to readable',
    (request) =>
      new Promise((resolve) => {
        let text = ''
        request.on('readable', () => {
          for (let piece = request.read(); piece !== null; piece = request.read()) text += piece
        })
        request.on('end', () => resolve(text))
      }),
  ],
]
test.each(readers)('a server that %s reads the body that was judged', async (_, read) => {
  const url = await behind(async (request, response) => response.end(await read(request)))
  for (const size of [1, 30_000, 300_000]) {
    const call = toolCall('open', 1, { text: '☃'.repeat(size) })
    expect(await (await fetch(url, init(call))).text()).toBe(JSON.stringify(call))
  }
})

test('a body that comes in chunks is judged whole', async () => {
  const url = await behind(async (request, response) => response.end(await textOf(request)))
  const send = (call: unknown) =>
    fetch(url, {
      ...init(call),
      body: Readable.toWeb(Readable.from(inPieces(JSON.stringify(call), 1))) as ReadableStream,
      duplex: 'half',
    } as RequestInit)
  expect(await (await send(toolCall('open'))).json()).toEqual(toolCall('open'))
  expect((await send(toolCall('closed'))).status).toBe(403)
})

/** What `fetch` does not send: a GET with a body. */
const getWithBody = (url: string, body: string) =>
  new Promise<number | undefined>((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'content-length': body.length,
    }
    const sent = request(url, { method: 'GET', headers }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    sent.on('error', reject)
    sent.end(body)
  })

test('a body is judged with whatever method it comes', async () => {
  const url = await behind((_request, response) => response.end('ran'))
  expect(await getWithBody(url, JSON.stringify(toolCall('closed')))).toBe(403)
  expect(await getWithBody(url, JSON.stringify(toolCall('open')))).toBe(200)
})

test.each([
  ['an object', express.json()],
  ['an object, whatever the content type', express.json({ type: () => true })],
  ['text', express.text({ type: () => true })],
  ['bytes', express.raw({ type: () => true })],
  ['a form', express.urlencoded({ extended: true })],
])('what a parser in front made of the body is judged: %s', async (name, parser) => {
  let ran = 0
  const app = express().use(parser, guard)
  app.post('/mcp', (_request, response) => {
    ran += 1
    response.json({ ran })
  })
  const url = await listening(app)
  const type = name === 'a form' ? 'application/x-www-form-urlencoded' : 'application/json'
  const sent = (call: ReturnType<typeof toolCall>) =>
    name === 'a form'
      ? `jsonrpc=2.0&id=1&method=${call.method}&params[name]=${call.params.name}`
      : JSON.stringify(call)
  const status = async (call: ReturnType<typeof toolCall>) =>
    (await fetch(url, { ...init({}, { 'content-type': type }), body: sent(call) })).status
  expect(await status(toolCall('closed'))).toBe(403)
  expect(ran).toBe(0)
  expect(await status(toolCall('open'))).toBe(200)
  expect(ran).toBe(1)
})

test('bytes that a parser in front kept are judged, since servers may go by them', async () => {
  let ran = 0
  const keep = (request: IncomingMessage, _response: ServerResponse, rawBody: Buffer) =>
    void Object.assign(request, { rawBody })
  const app = express().use(express.json({ verify: keep }), guard)
  app.post('/mcp', (_request, response) => {
    ran += 1
    response.json({ ran })
  })
  const url = await listening(app)
  const status = async (body: string, type = 'application/json') =>
    (await fetch(url, { ...init({}, { 'content-type': type }), body })).status
  // In UTF-7 `+ACI-` is a quotation mark: parsed so, the call is of another tool.
  const twofold =
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"closed","x":"+ACI-,+ACI-name+ACI-:+ACI-open"}}'
  expect(await status(twofold, 'application/json; charset=utf-7')).toBe(415)
  expect(await status(JSON.stringify(toolCall('closed')))).toBe(403)
  expect(ran).toBe(0)
  expect(await status(JSON.stringify(toolCall('open')))).toBe(200)
})

test('a body that was read and kept from the guard is a mistake, and runs nothing', async () => {
  const app = express().use((request, _response, next) => void request.resume().on('end', next), guard)
  app.post('/mcp', (_request, response) => void response.json({ ran: true }))
  const response = await fetch(await listening(app), init(toolCall('open')))
  expect(response.status).toBe(500)
  expect(await response.text()).toContain('mount the guard first')
})

test('Fastify is judged by what it parsed, also where nothing is sent over a network', async () => {
  const app = Fastify()
  app.register(fastifyGuard(gateway.guard))
  app.post('/mcp', async () => full)
  app.get('/mcp', async () => 'a stream')
  const headers = { authorization: `Bearer ${token}` }
  const inject = async (payload: object) =>
    (await app.inject({ method: 'POST', url: '/mcp', headers, payload })).json()
  expect(await inject(list)).toEqual(shown)
  expect(await inject(toolCall('closed'))).toMatchObject({ code: 'scope_insufficient' })
  expect((await app.inject({ method: 'GET', url: '/mcp', headers })).body).toBe('a stream')
  await app.close()
})

/** One request over HTTP/2, which has no `Content-Length` to go by. */
const overHttp2 = (origin: string, method: string, body?: object) =>
  new Promise<{ status: number; text: string }>((resolve, reject) => {
    const session = connect(origin)
    const headers = { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) }
    const stream = session.request({ ':method': method, ':path': '/mcp', ...headers }, { endStream: !body })
    let status = 0
    stream.on('response', (answered) => {
      status = Number(answered[':status'])
    })
    textOf(stream).then((text) => resolve({ status, text }), reject)
    stream.on('close', () => session.close())
    if (body) stream.end(JSON.stringify(body))
  })

test.each([
  ['application/json', (text: string) => text],
  ['text/event-stream', (text: string) => `data: ${text}\n\n`],
])('a list as %s that is ended twice is cut, and sent once', async (type, written) => {
  const url = await behind((_request, response) => {
    response.setHeader('content-type', type)
    response.end(written(JSON.stringify(full)))
    response.write('more')
    response.end(written(JSON.stringify(full)))
  })
  expect(await (await fetch(url, init(list))).text()).toBe(written(JSON.stringify(shown)))
})

test('HTTP/2 is judged and cut as HTTP/1.1 is', async () => {
  const app = Fastify({ http2: true })
  app.register(fastifyGuard(gateway.guard))
  app.route({
    method: ['GET', 'POST'],
    url: '/mcp',
    handler: async ({ method }) => (method === 'GET' ? 'open' : full),
  })
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  const listed = await overHttp2(origin, 'POST', list)
  expect([listed.status, JSON.parse(listed.text)]).toEqual([200, shown])
  expect((await overHttp2(origin, 'POST', toolCall('closed'))).status).toBe(403)
  expect((await overHttp2(origin, 'GET', toolCall('closed'))).status).toBe(403)
  expect(await overHttp2(origin, 'GET')).toEqual({ status: 200, text: 'open' })
  await app.close()
})
