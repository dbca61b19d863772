import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'

export type MetricsServer = {
  server: Server
  close(): Promise<void>
}

/** What is told to who asks. */
type Scraped = { contentType: string; tell: () => Promise<string> }

type Place = { host: string; port: number }

/** Who scrapes is one or two; more at once is not served. */
const mostConnections = 16

/**
 * `GET /metrics` and nothing else, apart from the surface everybody sees. Rejects where the address cannot be listened
 * on. `onError` is told of what should not have happened.
 */
export async function serveMetrics(
  { contentType, tell }: Scraped,
  { host, port }: Place,
  onError: (error: unknown) => void,
): Promise<MetricsServer> {
  let underWay: Promise<string> | undefined
  /** Whoever comes while it is being put together gets the same. */
  function scrape(): Promise<string> {
    underWay ??= tell().finally(() => {
      underWay = undefined
    })
    return underWay
  }

  const server = createServer({ requestTimeout: 10_000, keepAliveTimeout: 72_000 }, (request, response) => {
    const refused = refusalOf(request)
    if (refused) return answer(request, response, refused, '')
    scrape().then(
      (text) => answer(request, response, { status: 200, 'content-type': contentType }, text),
      (error: unknown) => {
        onError(error)
        answer(request, response, { status: 500 }, '')
      },
    )
  })
  server.maxConnections = mostConnections
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, resolve)
  })
  return {
    server,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

type Head = { status: number; [header: string]: string | number }

function refusalOf({ url = '', method }: IncomingMessage): Head | undefined {
  if (url.split('?')[0] !== '/metrics') return { status: 404 }
  return method === 'GET' || method === 'HEAD' ? undefined : { status: 405, allow: 'GET, HEAD' }
}

function answer({ method }: IncomingMessage, response: ServerResponse, head: Head, text: string): void {
  const { status, ...headers } = head
  response.writeHead(status, {
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-length': Buffer.byteLength(text),
    ...headers,
  })
  response.end(method === 'HEAD' ? '' : text)
}
