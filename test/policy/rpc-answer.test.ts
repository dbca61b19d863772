import { expect, test } from 'vitest'
import { readRpcAnswer } from '../../src/policy/rpc-answer.ts'

const message = '{"jsonrpc":"2.0","id":3,"result":{"tools":[]}}'
const stream = { 'content-type': 'text/event-stream' }

test.each<[string, string, Record<string, string>]>([
  ['JSON', message, { 'content-type': 'application/json' }],
  ['a batch', `[{"id":2,"result":{}},${message}]`, {}],
  ['an event', `event: message\ndata: ${message}\n\n`, stream],
  ['an event among others', `: well\n\ndata: {"method":"ping","id":1}\n\nid: 1\ndata:${message}\n\n`, stream],
  ['lines that end as in HTTP', `data: {"id":1}\r\n\r\nid: 7\r\ndata: ${message}\r\n\r\n`, stream],
  ['data in several lines', 'data: {"jsonrpc":"2.0","id":3,\r\ndata: "result":{"tools":[]}}\r\n\r\n', stream],
  ['a stream that ends too soon', `data: ${message}`, stream],
])('an answer is found in %s', async (_, body, headers) => {
  const answer = await readRpcAnswer(new Response(body, { headers }), 3)
  expect(answer).toMatchObject({ status: 200, result: { tools: [] } })
})

test.each([
  ['nothing', ''],
  ['a page', '<html>'],
  ['another request’s answer', '{"id":4,"result":{}}'],
  ['a result that is none', '{"id":3,"result":[1]}'],
  ['null', 'null'],
])('none is found in %s', async (_, body) => {
  const answer = await readRpcAnswer(new Response(body), 3)
  expect([answer.result, answer.error]).toEqual([undefined, undefined])
})
