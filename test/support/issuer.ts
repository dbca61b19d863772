import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

/** What an issuer answers, to be changed by a test. */
export type IssuerAnswers = {
  /** Its metadata document. */
  document: Record<string, unknown>
  keys: unknown
  status: number
  /** Of every answer, beside what it is made of. */
  headers: Record<string, string>
}

/** A server with a metadata document and keys, and a token endpoint that refuses everything. */
export async function openIssuer() {
  const requests: Pick<IncomingMessage, 'method' | 'url'>[] = []
  const answer: IssuerAnswers = { document: {}, keys: {}, status: 200, headers: {} }
  const server = createServer(({ method, url }, response) => {
    requests.push({ method, url })
    const [body, status] = url?.includes('/.well-known/')
      ? [answer.document, answer.status]
      : url === '/jwks'
        ? [answer.keys, 200]
        : [{ error: 'invalid_request' }, 405]
    response.writeHead(status, { 'content-type': 'application/json', ...answer.headers })
    response.end(method === 'HEAD' ? undefined : JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  answer.keys = { keys: [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }] }
  answer.document = {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    userinfo_endpoint: `${issuer}/userinfo`,
    jwks_uri: `${issuer}/jwks`,
  }
  return { issuer, answer, requests }
}

/** The registration of one at the generic OpenID Provider. */
export const oidcAt = (issuer: string) => ({
  descriptor: 'oidc',
  variables: { issuer },
  client_id: 'id',
  client_secret: 'a-secret-to-be-kept',
})

export const httpDate = (seconds: number) => new Date(seconds * 1000).toUTCString()
