import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Html } from '../../src/lib/html.ts'
import { pageHeaders } from '../../src/pages/layout.ts'
import { pageSamples } from './page-samples.ts'

/** Sends a page as the gateway does, with every header of it. */
export function answerWith(page: Html, response: ServerResponse): void {
  response.writeHead(200, pageHeaders(page)).end(String(page))
}

/** Every sample at its name. */
export function servePages(): Promise<Server> {
  return listening((request, response) => {
    const page = pageSamples.get(request.url?.slice(1) ?? '')
    if (page) answerWith(page, response)
    else response.writeHead(404).end()
  })
}

export function listening(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Server> {
  const server = createServer(answer)
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)))
}

export function originOf(server: Server, host = '127.0.0.1'): string {
  return `http://${host}:${(server.address() as AddressInfo).port}`
}
