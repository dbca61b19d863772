import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Answer = { status?: number; headers?: Record<string, string>; body: string }

export type DocumentHost = {
  origin: string
  /** What is answered at a path from now on; a function is asked each time, and one that never resolves hangs. */
  serve(path: string, answer: Answer | (() => Answer | Promise<Answer>)): void
  /** How often a path was asked for, or anything at all. */
  calls(path?: string): number
  /** Makes every request fail before it is answered. */
  fail(fails: 'fails' | 'works'): void
  stop(): Promise<void>
}

/** A host on this machine on which clients publish what they are. */
export async function startDocumentHost(): Promise<DocumentHost> {
  const answers = new Map<string, () => Answer | Promise<Answer>>()
  const asked: string[] = []
  let failing: 'fails' | 'works' = 'works'
  const server = createServer(async (request, response) => {
    const path = request.url ?? ''
    asked.push(path)
    if (failing === 'fails') return void request.socket.destroy()
    const answer = answers.get(path) ?? answers.get(path.split('?')[0] ?? '')
    const { status = 200, headers = {}, body } = answer ? await answer() : { status: 404, body: '{}' }
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    serve: (path, answer) => void answers.set(path, typeof answer === 'function' ? answer : () => answer),
    calls: (path) => asked.filter((each) => path === undefined || each === path).length,
    fail: (fails) => {
      failing = fails
    },
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A document that is as it should be, but for what is said otherwise. */
export function clientDocument(id: string, more: Record<string, unknown> = {}): string {
  return JSON.stringify({
    client_id: id,
    client_name: 'Published client',
    redirect_uris: ['http://127.0.0.1/callback'],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'none',
    ...more,
  })
}
