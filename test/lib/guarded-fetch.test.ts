import { createServer, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, connect, type LookupFunction } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { FetchError } from '../../src/lib/fetch-error.ts'
import { createGuardedFetch, type GuardedRequest } from '../../src/lib/guarded-fetch.ts'
import { version } from '../../src/lib/version.ts'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

async function serve(
  listener: RequestListener,
): Promise<{ url: string; port: number; hits: () => number; connections: () => number }> {
  const counted = { hits: 0, connections: 0 }
  const server = createServer((request, response) => {
    counted.hits += 1
    listener(request, response)
  })
  server.on('connection', () => {
    counted.connections += 1
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    hits: () => counted.hits,
    connections: () => counted.connections,
  }
}

/** Finds the same addresses for every name. */
function resolvingTo(...addresses: string[]): LookupFunction & { asked: string[] } {
  const asked: string[] = []
  const lookup: LookupFunction = (hostname, _options, callback) => {
    asked.push(hostname)
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
  }
  return Object.assign(lookup, { asked })
}

const development = createGuardedFetch({ allowLoopback: true })
const production = createGuardedFetch({ allowLoopback: false })

async function codeOf(answer: Promise<Response>): Promise<string> {
  try {
    return `answered ${(await answer).status}`
  } catch (error) {
    if (error instanceof FetchError) return error.code
    throw error
  }
}

test('an answer comes back whole, as a standard response', async () => {
  const { url } = await serve((request, response) => {
    response.writeHead(201, { 'content-type': 'text/plain', 'x-many': ['one', 'two'] })
    request.pipe(response)
  })
  const response = await development(url, { method: 'POST', body: 'hello' })
  expect(response.status).toBe(201)
  expect(response.headers.get('x-many')).toBe('one, two')
  expect(await response.text()).toBe('hello')
})

test('it says who asks, and asks for nothing compressed, whatever the caller says', async () => {
  const { url } = await serve((request, response) => response.end(JSON.stringify(request.headers)))
  const headers = { 'User-Agent': 'somebody', 'ACCEPT-ENCODING': 'gzip', Accept: 'application/json' }
  expect(await (await development(url, { headers })).json()).toMatchObject({
    'user-agent': `Coatcheck/${version}`,
    'accept-encoding': 'identity',
    accept: 'application/json',
  })
})

test('a form is sent as one', async () => {
  const { url } = await serve((request, response) => {
    response.setHeader('x-type', request.headers['content-type'] ?? '')
    request.pipe(response)
  })
  const response = await development(url, { method: 'POST', body: new URLSearchParams({ a: 'b c', d: '+' }) })
  expect(response.headers.get('x-type')).toBe('application/x-www-form-urlencoded;charset=UTF-8')
  expect(await response.text()).toBe('a=b+c&d=%2B')
})

test('a DELETE brings its body along', async () => {
  const { url } = await serve(async (request, response) => {
    const chunks: Uint8Array[] = []
    for await (const chunk of request as AsyncIterable<Uint8Array>) chunks.push(chunk)
    response.end(`${request.method} ${Buffer.concat(chunks)}`)
  })
  const fetch = createGuardedFetch({ allowLoopback: true })
  const answer = await fetch(url, { method: 'DELETE', body: '{"token":"ü"}' })
  expect(await answer.text()).toBe('DELETE {"token":"ü"}')
})

test('an answer without a body is none', async () => {
  const { url } = await serve((_request, response) => response.writeHead(204).end())
  expect((await development(url)).body).toBeNull()
})

test('a redirect is an answer, never followed', async () => {
  const elsewhere = await serve((_request, response) => response.end())
  const { url } = await serve((_request, response) =>
    response.writeHead(307, { location: elsewhere.url }).end(),
  )
  const response = await development(url, { method: 'POST', body: 'secret' })
  expect(response.status).toBe(307)
  expect(elsewhere.hits()).toBe(0)
})

test.each([
  'http://id.acme.test',
  'ftp://id.acme.test',
  'file:///etc/passwd',
  'data:text/plain,hello',
  'https://user:password@id.acme.test',
  'https://id.acme.test/#fragment',
  '//id.acme.test',
])('%s is refused before anything is looked up', async (url) => {
  const lookup = resolvingTo('8.8.8.8')
  expect(await codeOf(createGuardedFetch({ allowLoopback: true, lookup })(url))).toBe('refused_url')
  expect(lookup.asked).toEqual([])
})

test.each([
  'https://10.0.0.1',
  'https://192.168.1.1',
  'https://169.254.169.254/latest/meta-data',
  'https://127.0.0.1',
  'https://127.1',
  'https://2130706433',
  'https://localhost',
  'https://db.localhost',
  'https://[::1]',
  'https://[::ffff:127.0.0.1]',
  'https://[::10.0.0.1]',
  'https://[64:ff9b::a00:1]',
  'https://[fd00::1]',
  'https://0.0.0.0',
])('%s is refused', async (url) => {
  expect(await codeOf(production(url))).toBe('refused_address')
})

test.each([
  '127.0.0.1',
  '10.0.0.1',
  '169.254.169.254',
  '::1',
  '::ffff:127.0.0.1',
  'fd00::1',
  '64:ff9b::7f00:1',
])('a name that resolves to %s is refused', async (address) => {
  const lookup = resolvingTo(address)
  for (const allowLoopback of [true, false]) {
    expect(await codeOf(createGuardedFetch({ allowLoopback, lookup })('https://id.acme.test'))).toBe(
      'refused_address',
    )
  }
})

test('a host an administrator named may be private, though not link-local or this machine', async () => {
  const privateHosts = new Set(['id.acme.test', '169.254.169.254', '10.255.255.1'])
  const ask = (url: string, address: string) =>
    codeOf(
      createGuardedFetch({ allowLoopback: false, lookup: resolvingTo(address), deadline: 0.05 })(url, {
        privateHosts,
      }),
    )
  const tried = /^(unreachable|deadline)$/
  expect(await ask('https://id.acme.test', '10.255.255.1')).toMatch(tried)
  expect(await ask('https://10.255.255.1', '')).toMatch(tried)
  expect(await ask('https://id.acme.test', '169.254.169.254')).toBe('refused_address')
  expect(await ask('https://id.acme.test', '127.0.0.1')).toBe('refused_address')
  expect(await ask('https://169.254.169.254', '')).toBe('refused_address')
  expect(await ask('https://other.acme.test', '10.255.255.1')).toBe('refused_address')
  expect(await ask('https://id.acme.test:8443', '10.255.255.1')).toBe('refused_address')
})

test('the connection goes to the address that was checked: the name is asked for once', async () => {
  const { port } = await serve((_request, response) => response.end('here'))
  const lookup = resolvingTo('10.0.0.1', '127.0.0.1')
  const fetch = createGuardedFetch({ allowLoopback: true, lookup })
  expect(await (await fetch(`http://name.localhost:${port}`)).text()).toBe('here')
  expect(lookup.asked).toEqual(['name.localhost'])
})

test('a name of this machine leads nowhere else', async () => {
  const fetch = createGuardedFetch({ allowLoopback: true, lookup: resolvingTo('8.8.8.8') })
  expect(await codeOf(fetch('http://name.localhost:1'))).toBe('refused_address')
})

test('a name nobody knows is unreachable', async () => {
  const lookup: LookupFunction = (_hostname, _options, callback) => callback(new Error('ENOTFOUND'), [])
  expect(await codeOf(createGuardedFetch({ allowLoopback: false, lookup })('https://id.acme.test'))).toBe(
    'unreachable',
  )
})

test('a server that does not speak TLS is not spoken to without it', async () => {
  const { port, hits } = await serve((_request, response) => response.end())
  expect(await codeOf(development(`https://localhost:${port}`))).toBe('unreachable')
  expect(hits()).toBe(0)
})

test.each<[string, RequestListener]>([
  ['before the headers', () => {}],
  ['in the middle of the body', (_request, response) => response.writeHead(200).write('{"access')],
  [
    'while it drips',
    (_request, response) => {
      response.writeHead(200)
      const drip = () => response.write('.', () => response.writable && setImmediate(drip))
      drip()
    },
  ],
])('the deadline ends an answer that stops %s', async (_where, listener) => {
  const { url } = await serve(listener)
  expect(await codeOf(development(url, { deadline: 0.1, limit: 1e9 }))).toBe('deadline')
})

test.each<[string, RequestListener]>([
  ['says', (_request, response) => response.writeHead(200, { 'content-length': '100000000' }).write('x')],
  [
    'does not say',
    (_request, response) => {
      const pour = () => response.write('x'.repeat(65_536), () => response.writable && setImmediate(pour))
      pour()
    },
  ],
])('a body larger than the limit is refused when it %s so', async (_how, listener) => {
  const { url } = await serve(listener)
  expect(await codeOf(development(url))).toBe('too_large')
})

test('a body of exactly the limit is taken, one byte more is not', async () => {
  const { url } = await serve((_request, response) => response.end('x'.repeat(1000)))
  expect(await codeOf(development(url, { limit: 1000 }))).toBe('answered 200')
  expect(await codeOf(development(url, { limit: 999 }))).toBe('too_large')
})

test('a compressed answer is refused, for nobody can say how large it gets', async () => {
  const { url } = await serve((_request, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).end('whatever')
  })
  expect(await codeOf(development(url))).toBe('encoded')
})

test('an answer that breaks off is none', async () => {
  const { url } = await serve((_request, response) => {
    response.writeHead(200, { 'content-length': '10' })
    response.write('12345', () => response.destroy())
  })
  expect(await codeOf(development(url))).toBe('unreachable')
})

test('a status no response can have is refused', async () => {
  const { url } = await serve((_request, response) => response.writeHead(999).end())
  expect(await codeOf(development(url))).toBe('malformed')
})

test('what is not HTTP is refused', async () => {
  const { url, port } = await serve((request) => {
    request.socket.end('SSH-2.0-OpenSSH_9.2\r\n')
  })
  expect(await codeOf(development(url))).toBe('unreachable')
  connect(port, '127.0.0.1').destroy()
})

test('a caller that gives up is told so in its own words', async () => {
  const { url } = await serve(() => {})
  const reason = new Error('the browser is gone')
  const request: GuardedRequest = { signal: AbortSignal.abort(reason) }
  await expect(development(url, request)).rejects.toBe(reason)
})

test('connections are used again', async () => {
  const { url, hits, connections } = await serve((_request, response) => response.end('here'))
  for (const _ of [1, 2, 3]) await development(url)
  expect(hits()).toBe(3)
  expect(connections()).toBe(1)
})

test('an error names the host and nothing else of the URL', async () => {
  const error = await production('https://10.0.0.1/callback?code=secret').catch((caught: unknown) => caught)
  expect(String(error)).toContain('10.0.0.1')
  expect(String(error)).not.toContain('secret')
})

test('an answer that changes the protocol is none, and is not waited for', async () => {
  const { url } = await serve((request) => {
    request.socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')
  })
  expect(await codeOf(development(url))).toBe('unreachable')
  expect(await codeOf(development(url, { method: 'POST', body: 'x' }))).toBe('unreachable')
})
