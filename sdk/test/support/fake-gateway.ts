import { type Guard, type Protection, protect } from '../../src/index.ts'
import { publicJwk, signToken } from './issuer.ts'
import { claims, now, resource } from './tokens.ts'

export const gatewayIssuer = 'https://gateway.example'

export type Asked = { path: string; headers: Headers; body: Record<string, unknown> | undefined }
type Json = Record<string, unknown>

/** A gateway that says what it is told to, and a guard that asks it; nothing of it is on the network. */
export function fakeGateway(options: Partial<Protection> = {}) {
  const asked: Asked[] = []
  const clock = { now }
  const says = {
    /** Of one call; a Response is what the whole question is answered with. */
    decision: (_call: Json): Json | Response | Promise<Response> => ({ allowed: true, cache_for: 0 }),
    list: (): Json | Response => ({ tools: [], cache_for: 0 }),
  }

  async function answer(url: string, init: RequestInit = {}): Promise<Response> {
    const { pathname, search } = new URL(url)
    if (pathname === '/keys') return Response.json({ keys: [publicJwk] })
    const body = typeof init.body === 'string' ? JSON.parse(init.body) : undefined
    asked.push({ path: pathname + search, headers: new Headers(init.headers), body })
    if (pathname === '/v1/tools') return asResponse(says.list())
    const decisions = await Promise.all(body.calls.map(says.decision))
    const whole = decisions.find((each) => each instanceof Response)
    return whole ?? Response.json({ decisions })
  }

  const guard: Guard = protect({
    resource,
    authorizationServers: [
      { issuer: gatewayIssuer, metadata: { issuer: gatewayIssuer, jwks_uri: `${gatewayIssuer}/keys` } },
    ],
    credential: { id: 'notes', secret: 'a secret' },
    validation: 'jwt',
    tools: 'gateway',
    clock: () => clock.now,
    fetch: async (input, init) => {
      // As the real one does: who does not wait any more gets no answer.
      const late = new Promise<never>((_, reject) => {
        init?.signal?.addEventListener('abort', () => reject(init.signal?.reason))
      })
      return await Promise.race([answer(String(input), init), late])
    },
    ...options,
  })
  return {
    guard,
    asked,
    clock,
    says,
    /** How often each was asked. */
    decisions: () => asked.filter(({ path }) => path === '/v1/decisions').length,
    lists: () => asked.filter(({ path }) => path.startsWith('/v1/tools')).length,
    token: (of: Json = {}) => signToken({ ...claims, iss: gatewayIssuer, ...of }),
  }
}

const asResponse = (said: Json | Response) => (said instanceof Response ? said : Response.json(said))

export type FakeGateway = ReturnType<typeof fakeGateway>

/** A request to the MCP server, as a Web `Request`. */
export function mcpRequest(token: string, body: unknown, headers: Record<string, string> = {}): Request {
  return new Request(resource, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
}

export const toolCall = (name: string, id: string | number = 1, values: Json = {}) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: values },
})
