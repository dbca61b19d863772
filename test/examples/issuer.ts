import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWTHeaderParameters, SignJWT } from 'jose'
import { onTestFinished } from 'vitest'
import { freePorts } from '../../examples/demo/ports.ts'
import { startMcpServer } from '../../examples/mcp-server/server.ts'
import { systemClock } from '../../src/lib/clock.ts'

type Change = {
  claims?: Record<string, unknown>
  header?: Partial<JWTHeaderParameters>
  key?: Parameters<SignJWT['sign']>[0]
}

/** The example MCP server behind an issuer that signs whatever a test wants. */
export async function startProtectedServer() {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ keys: [jwk] }))
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const stopIssuer = () => new Promise((resolve) => server.close(resolve))
  onTestFinished(() => void stopIssuer())

  const url = 'https://mcp.example/mcp'
  const [port = 0] = await freePorts(1)
  const mcp = await startMcpServer({
    issuer,
    url,
    host: '127.0.0.1',
    port,
    clientId: 'rc_example',
    clientSecret: 'secret',
    apis: { github: issuer, google: issuer, atlassian: issuer },
  })
  onTestFinished(mcp.stop)

  function token({ claims, header, key = privateKey }: Change = {}): Promise<string> {
    const now = systemClock()
    const all = {
      iss: issuer,
      aud: url,
      sub: 'sub_1',
      tsid: 'ts_1',
      scope: 'profile.read',
      iat: now,
      exp: now + 60,
    }
    return new SignJWT({ ...all, ...claims })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'one', ...header })
      .sign(key)
  }

  const send = (path: string, init: RequestInit = {}) => fetch(`http://127.0.0.1:${port}${path}`, init)

  async function call(tool: string, authorization?: string, wrap = (message: unknown) => message) {
    const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: tool, arguments: {} } }
    return await send('/mcp', {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...(authorization === undefined ? {} : { authorization }),
      },
      body: JSON.stringify(wrap(message)),
    })
  }
  return { issuer, url, asked, token, send, call, stopIssuer }
}
