import { createServer, type IncomingMessage, type RequestListener, request as send } from 'node:http'
import { connect, createServer as createHttp2 } from 'node:http2'
import type { AddressInfo, Server } from 'node:net'
import { text as textOf } from 'node:stream/consumers'
import { getRequestListener } from '@hono/node-server'
import express, { type RequestHandler } from 'express'
import { Hono } from 'hono'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { expressGuard } from '../src/adapters/express.ts'
import { honoGuard } from '../src/adapters/hono.ts'
import { readRpcBytes } from '../src/rpc-body.ts'
import { fakeGateway, toolCall } from './support/fake-gateway.ts'

const { guard, token: tokenOf } = fakeGateway({
  tools: { open: { scopes: ['notes.read'] }, closed: { scopes: ['notes.all'] } },
})
const first = expressGuard(guard)
const second = expressGuard(guard, { scopes: ['notes.read'] })
let token: string
const stop: (() => void)[] = []

beforeAll(async () => {
  token = await tokenOf()
})
afterEach(() => {
  for (const each of stop.splice(0)) each()
})

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stop.push(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function asked(handle: RequestListener, tool: string): Promise<{ status: number; text: string }> {
  const response = await fetch(await listening(createServer(handle)), {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', connection: 'close' },
    body: JSON.stringify(toolCall(tool)),
  })
  return { status: response.status, text: await response.text() }
}

const echo: RequestHandler = async (request, response) => {
  response.type('text/plain').send(request.body ? JSON.stringify(request.body) : await textOf(request))
}

test('a second guard judges a body that the first one put back', async () => {
  const app = express().use(first).use(second, echo)
  expect(await asked(app, 'open')).toEqual({ status: 200, text: JSON.stringify(toolCall('open')) })
  expect((await asked(app, 'closed')).status).toBe(403)
})

test('a second guard judges what a parser between the two made of the body', async () => {
  const app = express().use(first, express.json())
  app.use((request, _response, next) => {
    request.body.params.name = 'closed'
    next()
  })
  app.use(second, echo)
  expect((await asked(app, 'open')).status).toBe(403)
})

test('a body that was changed in front of the guard is refused where its bytes were kept, too', async () => {
  const keep = (request: IncomingMessage, _response: unknown, rawBody: Buffer) =>
    void Object.assign(request, { rawBody })
  const app = express().use(express.json({ verify: keep }))
  // As filters against scripts do.
  app.use((request, _response, next) => {
    const { params } = request.body
    params.name = params.name.replace('<!---->', '')
    next()
  })
  app.use(first, echo)
  expect((await asked(app, 'op<!---->en')).status).toBe(500)
  expect((await asked(app, 'open')).status).toBe(200)
})

test('a second guard refuses a body of which somebody between the two has read the beginning', async () => {
  const app = express().use(first)
  app.use((request: IncomingMessage, _response, next) => {
    request.once('readable', () => {
      request.read(5)
      next()
    })
  })
  app.use(second, echo)
  expect((await asked(app, 'open')).status).toBe(500)
})

test.each([0, 100_000])(
  'over HTTP/2 a body of a call and %i more bytes is judged, and reaches the server',
  async (more) => {
    const origin = await listening(
      createHttp2((request, response) => {
        const next = async () => response.end(await textOf(request))
        // The types of HTTP/2 are others, what is used of them is the same.
        void first(...([request, response, next] as unknown as Parameters<typeof first>))
      }),
    )
    const session = connect(origin)
    stop.push(() => session.destroy())
    const ask = async (tool: string) => {
      const body = JSON.stringify(toolCall(tool, 1, { text: 'x'.repeat(more) }))
      const head = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const stream = session.request({ ':method': 'POST', ':path': '/mcp', ...head })
      stream.end(body)
      return { body, answer: await textOf(stream) }
    }
    const { body, answer } = await ask('open')
    expect(answer).toBe(body)
    expect(JSON.parse((await ask('closed')).answer)).toMatchObject({ code: 'scope_insufficient' })
  },
)

test('a long text with many escapes is read as any other', () => {
  const body = JSON.stringify(toolCall('open', 1, { text: '\n"{,'.repeat(2_000_000) }))
  expect(readRpcBytes(new TextEncoder().encode(body))).toMatchObject({ calls: [{ tool: 'open' }] })
  const twice = body.replace('"params"', '"p\\u0061rams":{},"params"')
  expect(readRpcBytes(new TextEncoder().encode(twice))).toMatchObject({
    says: expect.stringMatching(/twice/),
  })
})

test.each([
  ['TRACE', 'closed', 405],
  ['DELETE', 'closed', 403],
  ['DELETE', undefined, 200],
  ['GET', undefined, 200],
] as const)('Hono on Node: %s with a call of %s is answered %i', async (method, tool, expected) => {
  const ran: string[] = []
  const app = new Hono().use(honoGuard(guard))
  app.all('/', async ({ req, text }) => {
    ran.push(await req.text())
    return text('ran')
  })
  const origin = await listening(
    createServer(getRequestListener(app.fetch, { overrideGlobalObjects: false })),
  )
  const body = tool ? JSON.stringify(toolCall(tool)) : ''
  const status = await new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${token}`,
      ...(body && { 'content-type': 'application/json', 'content-length': body.length }),
    }
    send(origin, { method, headers, agent: false }, (answer) => resolve(answer.resume().statusCode))
      .on('error', reject)
      .end(body)
  })
  expect(status).toBe(expected)
  expect(ran).toEqual(expected === 200 ? [''] : [])
})
