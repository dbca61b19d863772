import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose'

export type Answer = { status?: number; headers?: Record<string, string>; body: unknown }
export type Introspection = { authorization: string | undefined; form: URLSearchParams }

export const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
export const publicJwk = { ...(await exportJWK(publicKey)), kid: 'known', alg: 'ES256', use: 'sig' }

/**
 * A small authorization server: metadata, keys, introspection. What it answers is changed by a test through
 * `routes`, what it was asked is in `requests`.
 */
export async function startIssuer(path = '') {
  const requests: string[] = []
  const introspections: Introspection[] = []
  const routes: Record<string, (request: IncomingMessage, body: string) => Answer> = {}
  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const issuer = origin + path

  async function answer(request: IncomingMessage, response: ServerResponse) {
    requests.push(`${request.method} ${request.url}`)
    let body = ''
    for await (const piece of request) body += piece
    const route = routes[request.url ?? '']
    const { status = 200, headers = {}, body: told } = route?.(request, body) ?? { status: 404, body: {} }
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(typeof told === 'string' ? told : JSON.stringify(told))
  }

  const metadata = {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${origin}/jwks`,
    introspection_endpoint: `${origin}/introspect`,
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
  }
  routes[`/.well-known/oauth-authorization-server${path}`] = () => ({ body: metadata })
  routes['/jwks'] = () => ({ body: { keys: [publicJwk] } })

  const it = {
    issuer,
    origin,
    metadata,
    requests,
    introspections,
    routes,
    /** How often a path was asked for. */
    asked: (path: string) => requests.filter((each) => each.endsWith(` ${path}`)).length,
    /** From now on introspections are answered, with what `tell` says of a token. */
    introspect(tell: (token: string) => Record<string, unknown>) {
      routes['/introspect'] = (request, body) => {
        const form = new URLSearchParams(body)
        introspections.push({ authorization: request.headers.authorization, form })
        return { body: tell(form.get('token') ?? '') }
      }
    },
    sign: (claims: Record<string, unknown>, header: Record<string, unknown> = {}) =>
      signToken({ iss: issuer, ...claims }, header),
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return it
}

export type Issuer = Awaited<ReturnType<typeof startIssuer>>

/** Signs what it is given; what is null is left out. */
export async function signToken(
  claims: Record<string, unknown>,
  header: Record<string, unknown> = {},
  key: CryptoKey = privateKey,
): Promise<string> {
  const kept = (members: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null))
  return await new SignJWT(kept(claims))
    .setProtectedHeader({ alg: 'ES256', ...kept({ typ: 'at+jwt', kid: 'known', ...header }) })
    .sign(key)
}
