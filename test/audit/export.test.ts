import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { auditEvent } from '../../src/audit/event.ts'
import { sha256 } from '../../src/lib/secret.ts'
import { coatcheck, coatcheckAt } from '../support/cli.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'

let gateway: TestGateway
const rows = 1_203
let server: Server | undefined

beforeAll(async () => {
  gateway = await startTestGateway()
  const { store } = gateway.running().gateway
  const events = Array.from({ length: rows }, (_, index) =>
    auditEvent(1_000 + index, {
      event: 'token.issued',
      actor: `client:${index % 3}`,
      tsid: `ts_${index}`,
      detail: { index },
    }),
  )
  await Promise.all(events.map((event) => store.auditEvents.create(event)))
})
afterAll(() => gateway.stop())
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

type Line = { id?: string; chain?: string; seq?: number; mac?: string; at?: number; [name: string]: unknown }
const linesOf = (text: string): Line[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

async function ask(query: string) {
  const headers = { authorization: `Bearer ${gateway.adminToken}` }
  const response = await fetch(`${gateway.issuer}/admin/v1/audit-events/export?${query}`, { headers })
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() }
}

test('the export is all that was asked for, the oldest first, in answers that say where they end', async () => {
  const first = await ask('event=token.issued&limit=1000')
  expect(first).toMatchObject({ status: 200, type: 'application/x-ndjson' })
  const [heads, ...some] = linesOf(first.text)
  const end = some.pop() as { end: { rows: number; next_cursor: string } }
  expect(heads).toMatchObject({
    heads: {
      heads: expect.arrayContaining([expect.objectContaining({ seq: expect.any(Number) })]),
      signature: expect.any(String),
    },
  })
  expect(end).toEqual({ end: { rows: 1_000, next_cursor: some.at(-1)?.id } })
  const second = linesOf((await ask(`event=token.issued&cursor=${end.end.next_cursor}`)).text)
  expect(second.pop()).toEqual({ end: { rows: rows - 1_000 } })
  const all = [...some, ...second]
  expect(all.map(({ at }) => at)).toEqual(Array.from({ length: rows }, (_, index) => 1_000 + index))
  expect(all[7]).toMatchObject({ tsid_hash: sha256('ts_7'), detail: { index: 7 }, mac: expect.any(String) })
})

test('what is wrong with a question is said before anything is sent', async () => {
  for (const query of ['limit=0', 'limit=10001', 'since=x', 'tsid_hash=x']) {
    expect((await ask(query)).status, query).toBe(400)
  }
  expect((await ask('token_session_id=nothing')).status).toBe(404)
  const url = `${gateway.issuer}/admin/v1/audit-events/export`
  expect((await fetch(url)).status).toBe(401)
})

test('the command writes what the gateway tells, filtered', async () => {
  const { out = '', exitCode } = await coatcheckAt(gateway)([
    'audit',
    'export',
    '--actor',
    'client:1',
    '--since',
    '1970-01-01T00:30Z',
  ])
  expect(exitCode).toBe(0)
  const [heads, ...lines] = linesOf(out)
  expect(heads).toHaveProperty('heads')
  expect(lines.length).toBeGreaterThan(100)
  expect(lines.every(({ actor, at = 0 }) => actor === 'client:1' && at >= 1_800)).toBe(true)
  const mistaken = await coatcheckAt(gateway)(['audit', 'export', '--offline', '--actor', 'x'])
  expect(mistaken).toMatchObject({ exitCode: 2, err: expect.stringContaining('--actor') })
})

async function exportFrom(listener: RequestListener) {
  server = createServer(listener)
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return await coatcheck(['audit', 'export', '--url', url], {
    env: { COATCHECK_ADMIN_TOKEN: 'a'.repeat(32) },
  })
}

test('the command goes on until nothing follows', async () => {
  const { out, exitCode } = await exportFrom((request, response) => {
    const isFirst = !request.url?.includes('cursor=1')
    response.end(
      isFirst
        ? '{"heads":{}}\n{"id":"1"}\n{"end":{"rows":1,"next_cursor":"1"}}\n'
        : '{"id":"2"}\n{"end":{"rows":1}}\n',
    )
  })
  expect({ out, exitCode }).toEqual({ out: '{"heads":{}}\n{"id":"1"}\n{"id":"2"}\n', exitCode: 0 })
})

test.each<[string, RequestListener]>([
  [
    'is broken off',
    (_, response) => {
      response.write('{"id":"1"}\n{"id":"2"}\n{"i')
      setImmediate(() => response.destroy())
    },
  ],
  ['ends without saying so', (_, response) => response.end('{"id":"1"}\n{"id":"2"}\n')],
])('an answer that %s is not taken for all', async (_, listener) => {
  const { out, err, exitCode } = await exportFrom(listener)
  expect(exitCode).toBe(1)
  expect(out).toContain('{"id":"2"}\n')
  expect(err).toContain('To go on after the last row: --cursor 2')
})
