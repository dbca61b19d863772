import { Agent, request as send } from 'node:http'
import type { Browser } from './browser.ts'

export type Sent = {
  path: string
  from: string
  method?: string
  body?: string
  headers?: Record<string, string>
}
export type Answered = { status: number; wait: number; type: string; body: string; location: string }

export type Flood = {
  /** One request through a proxy that says whom it forwards for. */
  forwarded(sent: Sent): Promise<Answered>
  /** One request from each of the addresses, at once. */
  from(addresses: readonly string[], make: (from: string) => Sent): Promise<Answered[]>
  stop(): void
}

/** Sends from many addresses at once, to a gateway that trusts this machine as its proxy. */
export function createFlood(issuer: string): Flood {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  const { hostname, port } = new URL(issuer)
  const forwarded: Flood['forwarded'] = ({ path, from, method = 'GET', body, headers = {} }) =>
    new Promise((resolve, reject) => {
      const sent = send(
        { agent, hostname, port, path, method, headers: { ...headers, 'x-forwarded-for': from } },
        (answer) => {
          let text = ''
          answer.on('data', (chunk) => {
            text += chunk
          })
          answer.on('end', () =>
            resolve({
              status: answer.statusCode ?? 0,
              wait: Number(answer.headers['retry-after'] ?? 0),
              type: answer.headers['content-type'] ?? '',
              location: answer.headers.location ?? '',
              body: text,
            }),
          )
        },
      )
      sent.on('error', reject)
      sent.end(body)
    })
  return {
    forwarded,
    from: async (addresses, make) => await Promise.all(addresses.map((from) => forwarded(make(from)))),
    stop: () => agent.destroy(),
  }
}

/** For `COATCHECK_TRUSTED_PROXIES`. */
export const thisMachine = '127.0.0.1/32,::1/128'

export const withStatus = (answers: readonly Answered[], status: number) =>
  answers.filter((answer) => answer.status === status)

export const registration = (from: string, metadata: Record<string, unknown> = {}): Sent => ({
  path: '/oauth/register',
  from,
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({
    redirect_uris: ['http://127.0.0.1/callback'],
    token_endpoint_auth_method: 'none',
    ...metadata,
  }),
})

export const form = { 'content-type': 'application/x-www-form-urlencoded' }

/** The path of an address of the gateway, as it is sent through a proxy. */
export const pathOf = (url: string) => url.slice(new URL(url).origin.length)

/** The cookies of a browser, as a header that is sent through a proxy. */
export const cookiesOf = (browser: Browser) =>
  browser.cookies
    .list()
    .map(({ name, value }) => `${name}=${value}`)
    .join('; ')
