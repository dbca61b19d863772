import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type EventStore,
  StreamableHTTPServerTransport,
} from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import express from 'express'
import { expect, onTestFinished, test } from 'vitest'
import { expressGuard } from '../src/adapters/express.ts'
import { fakeGateway } from './support/fake-gateway.ts'
import { mcp1 } from './support/servers.ts'

/** Everything that was sent, in its order; the SDK's own example sorts by the millisecond. */
function eventStore(): EventStore {
  const events: { stream: string; message: Parameters<EventStore['storeEvent']>[1] }[] = []
  return {
    storeEvent: async (stream, message) => String(events.push({ stream, message }) - 1),
    async replayEventsAfter(id, { send }) {
      const { stream = '' } = events[Number(id)] ?? {}
      for (const [at, event] of events.entries()) {
        if (at > Number(id) && event.stream === stream) await send(String(at), event.message)
      }
      return stream
    },
  }
}

/** A server of the official SDK whose clients may come back for what they missed. */
async function startResumable(gateway: ReturnType<typeof fakeGateway>): Promise<string> {
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    eventStore: eventStore(),
  })
  const mcp = mcp1({ names: ['read_note', 'delete_all'], ran() {} })
  await mcp.connect(transport as Parameters<typeof mcp.connect>[0])
  const app = express().use(expressGuard(gateway.guard))
  app.all('/mcp', async (request, response) => await transport.handleRequest(request, response))
  const server = createServer(app)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`
}

test('a list that is sent once more on a resumed stream is cut again, by what holds then', async () => {
  const gateway = fakeGateway()
  const callable = (...names: string[]) => {
    gateway.says.list = () => ({ tools: names.map((name) => ({ name, allowed: true })), cache_for: 0 })
  }
  const url = await startResumable(gateway)
  const headers: Record<string, string> = {
    authorization: `Bearer ${await gateway.token()}`,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
  }
  const post = async (message: object) => {
    const body = JSON.stringify({ jsonrpc: '2.0', ...message })
    return await fetch(url, { method: 'POST', headers, body })
  }
  const protocolVersion = '2025-11-25'
  const params = { protocolVersion, capabilities: {}, clientInfo: { name: 'c', version: '1' } }
  const opened = await post({ id: 1, method: 'initialize', params })
  headers['mcp-session-id'] = opened.headers.get('mcp-session-id') ?? ''
  headers['mcp-protocol-version'] = protocolVersion
  await opened.text()
  await post({ method: 'notifications/initialized' })

  callable('whoami', 'read_note')
  const first = await (await post({ id: 2, method: 'tools/list' })).text()
  expect(first).toContain('read_note')
  expect(first).not.toContain('delete_all')

  callable('whoami')
  const [, id = ''] = /^id: (\S+)/.exec(first) ?? []
  const resumed = await fetch(url, { headers: { ...headers, 'last-event-id': id } })
  const reader = resumed.body?.getReader()
  let again = ''
  for (let isOver = false; !isOver && !again.includes('"id":2'); ) {
    const { done = true, value } = (await reader?.read()) ?? {}
    again += Buffer.from(value ?? '').toString()
    isOver = done
  }
  await reader?.cancel()
  expect(again).toContain('whoami')
  expect(again).not.toContain('read_note')
})
