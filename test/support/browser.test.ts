import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { callbackOf, createBrowser } from './browser.ts'
import { createCookieJar } from './cookie-jar.ts'

const page = (body: string) => `<!doctype html><title>not shown</title><main>${body}</main>`

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A site that shows the same page everywhere and tells what it was sent. */
async function site(
  markup: string,
): Promise<{ url: string; seen: { request: IncomingMessage; body: string }[] }> {
  const seen: { request: IncomingMessage; body: string }[] = []
  const url = await serve(async (request, response) => {
    seen.push({ request, body: await text(request) })
    response.writeHead(200, { 'content-type': 'text/html' }).end(page(markup))
  })
  return { url, seen }
}

test('a page is read as a person reads it, with its forms and links', async () => {
  const { url } = await site(
    '<h1>Hi &amp; <em>bye</em></h1><form method="post" action="/go?a=1&amp;b=2"><button name="x" value="1">Press <b>me</b></button></form><a href="../up">Up</a>',
  )
  const stop = await createBrowser().get(`${url}/a/b`)
  expect(stop).toMatchObject({ left: false, status: 200, text: 'Hi & bye Press me Up' })
  expect(stop.forms).toMatchObject([
    { method: 'POST', action: `${url}/go?a=1&b=2`, buttons: [{ name: 'x', value: '1', text: 'Press me' }] },
  ])
  expect(stop.links).toEqual([{ href: `${url}/up`, text: 'Up' }])
})

test('a form is sent with its hidden fields, what is ticked, and the pressed button alone', async () => {
  const { url, seen } = await site(`<form method="post" action="/go">
<input type="hidden" name="shown" value="&quot;1&quot;"><input type="checkbox" name="p" value="a" checked>
<input type="checkbox" name="p" value="b"><input name="note" value="">
<button name="decision" value="deny">Deny</button><button name="decision" value="allow">Allow</button>
<button formaction="/elsewhere">Elsewhere</button></form>`)
  const browser = createBrowser()
  const stop = await browser.get(url)
  await browser.submit(stop, { button: 'Allow' })
  expect(new URLSearchParams(seen.at(-1)?.body).toString()).toBe('shown=%221%22&p=a&note=&decision=allow')
  await browser.submit(stop, { button: 'deny', fields: { p: ['a', 'b'], note: 'no' } })
  expect(seen.at(-1)?.body).toBe('shown=%221%22&p=a&p=b&note=no&decision=deny')
  expect(await browser.submit(stop, { button: 'Elsewhere' })).toMatchObject({ url: `${url}/elsewhere` })
  expect(() => browser.submit(stop)).toThrow('not one button but 3')
  expect(() => browser.submit(stop, { button: 'Allow', fields: { nothing: '1' } })).toThrow(
    'no field nothing',
  )
})

test('a posted form says where it comes from, and a typed address that it comes from nowhere', async () => {
  const { url, seen } = await site('<form method="post"><button>Go</button></form>')
  const browser = createBrowser()
  await browser.submit(await browser.get(url))
  await browser.post(url, {}, { from: 'http://localhost:1/evil' })
  const sent = seen.map(({ request }) => [request.headers['sec-fetch-site'], request.headers.origin])
  expect(sent).toEqual([
    ['none', undefined],
    ['same-origin', url],
    ['cross-site', 'http://localhost:1'],
  ])
})

test("a redirect to a client's redirect URI is not followed but told", async () => {
  const gate = await serve((request, response) => {
    const to = request.url === '/a' ? '/b' : 'http://127.0.0.1:9/callback?code=1&state=s'
    response.writeHead(302, { location: to }).end()
  })
  const browser = createBrowser({ redirectUris: ['http://127.0.0.1:9/callback'] })
  const stop = await browser.get(`${gate}/a`)
  expect(stop).toMatchObject({ left: true, url: 'http://127.0.0.1:9/callback?code=1&state=s' })
  expect(callbackOf(stop)).toEqual({ code: '1', state: 's' })
  expect(browser.steps.map(({ url, status }) => [url, status])).toEqual([
    [`${gate}/a`, 302],
    [`${gate}/b`, 302],
  ])
})

test.each(['https://client.example/callback?code=1', 'cursor://anysphere.cursor-mcp/oauth/callback?code=1'])(
  'a redirect out of this machine, %s, is not followed but told',
  async (location) => {
    const gate = await serve((_request, response) => response.writeHead(303, { location }).end())
    expect(await createBrowser().get(gate)).toMatchObject({ left: true, url: location })
  },
)

test('an address out of this machine is not opened', async () => {
  await expect(createBrowser().get('https://client.example/')).rejects.toThrow('does not leave this machine')
})

test('redirects and pages in circles end with an error', async () => {
  const circle = await serve((_request, response) => response.writeHead(302, { location: '/again' }).end())
  await expect(createBrowser().get(circle)).rejects.toThrow('more than 20 redirects')
  const { url } = await site('<form method="post"><button>Again</button></form>')
  await expect(createBrowser().walk(url, ['Again'])).rejects.toThrow('more than 20 pages')
})

test('a public origin is reached where it is really served, and keeps its secure cookies', async () => {
  const cookies: unknown[] = []
  const really = await serve((request, response) => {
    cookies.push(request.headers.cookie)
    response.setHeader('set-cookie', '__Host-a=1; Path=/; Secure; HttpOnly')
    response.end()
  })
  const browser = createBrowser({ served: { 'https://gate.example': really } })
  expect(await browser.get('https://gate.example/x')).toMatchObject({ url: 'https://gate.example/x' })
  await browser.get('https://gate.example/y')
  expect(cookies).toEqual([undefined, '__Host-a=1'])
})

const at = new URL('https://gate.example/oauth/authorize')
const request = { url: at, method: 'GET', crossSite: false }

function sentBack(line: string, change: Partial<typeof request> = {}, from = at): string | undefined {
  const jar = createCookieJar(() => 1000)
  jar.receive(from, [line])
  return jar.header({ ...request, ...change })
}

test.each([
  ['a=1', 'a=1'],
  ['a=1; Path=/oauth', 'a=1'],
  ['a=1; Path=/oau', undefined],
  ['a=1; Path=/connect', undefined],
  ['a=1; Max-Age=1', 'a=1'],
  ['a=1; Max-Age=0', undefined],
  ['a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT', undefined],
  ['a=1; Domain=example', 'a=1'],
  ['a=1; Domain=other.example', undefined],
  ['a=1; SameSite=None', undefined],
  ['__Host-a=1; Path=/; Secure', '__Host-a=1'],
  ['__Host-a=1; Path=/', undefined],
  ['__Host-a=1; Path=/oauth; Secure', undefined],
  ['__Host-a=1; Path=/; Secure; Domain=gate.example', undefined],
  ['__Secure-a=1', undefined],
])('of %s the next request carries %s', (line, header) => {
  expect(sentBack(line)).toBe(header)
})

test('a secure cookie neither comes nor goes without https', () => {
  const http = new URL('http://gate.example/oauth/authorize')
  expect(sentBack('a=1; Secure', {}, http)).toBeUndefined()
  expect(sentBack('a=1; Secure', { url: http })).toBeUndefined()
})

test('from another site Lax goes along with a GET, and Strict never', () => {
  expect(sentBack('a=1; SameSite=Lax', { crossSite: true })).toBe('a=1')
  expect(sentBack('a=1; SameSite=Lax', { crossSite: true, method: 'POST' })).toBeUndefined()
  expect(sentBack('a=1; SameSite=Strict', { crossSite: true })).toBeUndefined()
  expect(sentBack('a=1; SameSite=None; Secure', { crossSite: true, method: 'POST' })).toBe('a=1')
})

test('a port does not separate cookies, another host does', () => {
  expect(sentBack('a=1', { url: new URL('https://gate.example:8443/oauth/') })).toBe('a=1')
  expect(sentBack('a=1', { url: new URL('https://other.example/oauth/') })).toBeUndefined()
})
