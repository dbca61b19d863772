import { setImmediate as turn } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildApp } from '../../src/app.ts'
import { precedenceOf } from '../../src/http/load.ts'
import { type Notes, startNotes } from '../support/notes.ts'
import { bytesOf, type RawAnswer, type RawRequest, sendBytes, sendRaw } from '../support/raw.ts'
import { basic } from '../support/world.ts'

// The whole table of routes, as the router has it: no route has more patience, or takes more, than any other.

type Face = 'oauth' | 'retrieval' | 'admin' | 'pages'
type Route = { template: string; path: string; face: Face; headers: string[] }

let notes: Notes
/** The same surface, which waits for nobody long. */
let hasty: FastifyInstance
let hastyOrigin: string
let routes: Route[]

beforeAll(async () => {
  notes = await startNotes()
  const { gateway } = notes.gateway.running()
  const slowest = { headersTimeout: 150, requestTimeout: 200, connectionsCheckingInterval: 20 }
  hasty = await buildApp(gateway, { level: 'silent' }, slowest)
  hastyOrigin = await hasty.listen({ host: '127.0.0.1', port: 0 })
  routes = templatesIn(hasty.printRoutes({ commonPrefix: false })).map(routeOf)
})
afterAll(async () => {
  await hasty.close()
  await notes.stop()
})

/** The lines of the router's tree, each a part of an address below the one it is indented under. */
function templatesIn(tree: string): string[] {
  const above: string[] = []
  return tree
    .split('\n')
    .filter((line) => line.includes('── '))
    .map((line) => {
      const depth = line.indexOf('── ') / 4
      const [part = ''] = /\/\S*/.exec(line) ?? []
      above.splice(Math.floor(depth), above.length, part)
      return above.join('')
    })
}

/** One that is there for nobody, so that whatever is sent there is refused or finds nothing. */
function routeOf(template: string): Route {
  const path = template.replaceAll(/:[\w|:]+/g, 'nothing')
  const authorized = [`authorization: ${basic(notes.credential)}`]
  if (path.startsWith('/admin/')) {
    const headers = [`authorization: Bearer ${notes.gateway.adminToken}`]
    return { template, path, face: 'admin', headers }
  }
  if (path.startsWith('/v1/')) return { template, path, face: 'retrieval', headers: authorized }
  const isPage = /^\/(?:oauth\/(?:authorize|interactions|callback)|connect|account)/.test(path)
  return { template, path, face: isPage ? 'pages' : 'oauth', headers: [] }
}

const shapes: Record<Face, RegExp> = {
  oauth: /^application\/json/,
  retrieval: /^application\/json/,
  admin: /^application\/problem\+json/,
  pages: /^text\/html/,
}

/** Refused as errors are told there. */
function expectRefused({ status, headers, body }: RawAnswer, face: Face, statuses: number[], what: string) {
  expect(statuses, `${what}: ${body}`).toContain(status)
  expect(headers['content-type'], what).toMatch(shapes[face])
  expect(headers['cache-control'], what).toBe('no-store')
  if (face === 'oauth' && body !== '') expect(JSON.parse(body), what).toHaveProperty('error_description')
  if (face === 'retrieval' && body !== '') expect(JSON.parse(body), what).toHaveProperty('error_code')
}

const send = (request: RawRequest) => sendRaw(notes.gateway.url, request)
const json = 'application/json'
const form = 'application/x-www-form-urlencoded'

async function onEvery(ask: (route: Route) => Promise<void>): Promise<void> {
  for (const route of routes) {
    await ask(route)
    // What is counted in a minute is another test's matter.
    notes.clock.advance(5)
  }
}

test('the table is the whole table', () => {
  expect(routes.length).toBeGreaterThan(55)
  const templates = routes.map(({ template }) => template)
  expect(new Set(templates).size).toBe(templates.length)
  expect(templates).toEqual(expect.arrayContaining(['/oauth/token', '/admin/v1/audit-events/export']))
})

test('a body of one byte more than may be is a 413 on every route that reads one', async () => {
  const { body_bytes } = notes.gateway.running().gateway.config.limits
  await onEvery(async ({ path, face, headers }) => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      // What an MCP server publishes of its tools is larger than a question.
      const most = `${method} ${path}` === 'PUT /v1/tools' ? 4_194_304 : body_bytes
      // One says it has more than it has, and is not waited for.
      const bodies = method === 'POST' ? ['x'.repeat(most + 1), 'x'] : ['x']
      const asked = [json, form].flatMap((type) =>
        bodies.map(async (body) => {
          const lines = [...headers, `content-length: ${most + 1}`, `content-type: ${type}`]
          const answer = await send({ method, path, headers: lines, body })
          expectRefused(answer, face, [413, 415], `${method} ${path} ${type}`)
          return answer.status
        }),
      )
      expect(await Promise.all(asked), `${method} ${path}`).toContain(413)
    }
  })
})

test('headers of more than 16 KB, and more than two hundred of them, are a 431 on every route', async () => {
  await onEvery(async ({ path, face, headers }) => {
    const large = await send({ path, headers: [`x: ${'a'.repeat(16_500)}`] })
    expectRefused(large, 'oauth', [431], path)
    const many = await send({ path, headers: [...headers, ...Array(200).fill('a: b')] })
    expectRefused(many, face, [431], path)
    // Beyond two thousand Node would stop to look.
    const most = await send({ path, headers: [...Array(2_500).fill('a: b'), ...headers] })
    expect([401, 431], path).toContain(most.status)
  })
})

test('a thousand parameters are refused on every route, in the address and in a form', async () => {
  const many = 'a=1&'.repeat(1_001)
  await onEvery(async ({ path, face, headers }) => {
    expectRefused(await send({ path: `${path}?${many}`, headers }), face, [400], path)
    const posted = { method: 'POST', path, headers: [...headers, `content-type: ${form}`], body: many }
    expectRefused(await send(posted), face, [400, 403, 405, 413, 415], `POST ${path}`)
  })
})

test('whatever method is sent, on no route is it a fault of ours', async () => {
  const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY']
  await onEvery(async ({ template, path, face, headers }) => {
    // What it would really do.
    const isAction = /signing-keys|master-keys/.test(template)
    for (const method of methods) {
      const with_ = isAction ? [] : headers
      const answer = await send({ method, path, headers: [...with_, 'content-length: 0'] })
      const what = `${method} ${path}: ${answer.body}`
      expect(answer.status, what).toBeLessThan(500)
      if (answer.status >= 400 && answer.status !== 429) {
        expect(answer.headers['content-type'], what).toMatch(method === 'PROPFIND' ? /./ : shapes[face])
      }
      if (method === 'HEAD') expect(answer.body, what).toBe('')
    }
  })
})

test('a body or a header that does not come is not waited for on any route', async () => {
  const partial = routes.flatMap(({ path, headers }) =>
    [json, form].map((type) =>
      bytesOf({
        method: 'POST',
        path,
        headers: [...headers, `content-type: ${type}`, 'content-length: 100'],
        body: 'a',
      }),
    ),
  )
  const headless = routes.map(({ path }) => Buffer.from(`POST ${path} HTTP/1.1\r\nhost: localhost\r\nx: `))
  const ends = await Promise.all([...partial, ...headless].map((bytes) => sendBytes(hastyOrigin, bytes)))
  for (const answers of ends) {
    // 408, or what there was to say before the body: another type, another method, nobody there.
    expect(answers).toHaveLength(1)
    expect([400, 401, 403, 404, 405, 408, 413, 415, 429]).toContain(answers[0]?.status)
  }
  const last = ends.slice(partial.length).map(([answer]) => answer?.status)
  expect(new Set(last)).toEqual(new Set([408]))
  await turn()
})

test('every route has its place in the order in which an overload is met', () => {
  const places = Map.groupBy(routes, ({ template }) =>
    precedenceOf(template.replaceAll(/:[\w|:]+/g, ':part')),
  )
  const of = (precedence: 'new' | 'always') => places.get(precedence)?.map(({ path }) => path)
  expect(of('always')).toEqual([
    '/.well-known/oauth-authorization-server',
    '/.well-known/openid-configuration',
    '/.well-known/jwks.json',
    '/healthz',
    '/readyz',
  ])
  expect(of('new')).toEqual([
    '/oauth/authorize',
    '/oauth/register',
    '/admin/v1/providers/nothing/check',
    '/admin/v1/resources/nothing/application/probe',
    '/admin/v1/tests',
  ])
  // As metadata is asked for first, where the issuer has a path.
  expect(precedenceOf('/.well-known/oauth-authorization-server/gateway')).toBe('always')
})
