import { expect, test } from 'vitest'
import { newStore, startClient } from './child-client.ts'
import { startGuardedServer } from './guarded-server.ts'

const program = 'node_modules/mcp-remote/dist/proxy.js'
const authorizationUrl = /http\S+\/oauth\/authorize\?\S+/

/** mcp-remote, spoken to as a desktop client does: one JSON message a line. */
async function start() {
  const server = await startGuardedServer()
  const store = newStore()

  function open() {
    const remote = startClient([program, server.mcpUrl], { HOME: store, MCP_REMOTE_CONFIG_DIR: store })
    const { stdin, stdout } = remote.child
    const send = (message: object) => stdin?.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
    async function answer(id: number): Promise<unknown> {
      for await (const chunk of stdout?.iterator({ destroyOnReturn: false }) ?? []) {
        const messages = String(chunk)
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line))
        const found = messages.find((message) => message.id === id)
        if (found) return found
      }
      throw new Error(`no answer to ${id}`)
    }
    return {
      ...remote,
      async whoami() {
        const clientInfo = { name: 'desktop', version: '1.0.0' }
        const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo }
        send({ id: 1, method: 'initialize', params })
        await answer(1)
        send({ method: 'notifications/initialized' })
        send({ id: 2, method: 'tools/call', params: { name: 'whoami', arguments: {} } })
        const told = await answer(2)
        remote.child.kill('SIGTERM')
        return told
      },
    }
  }
  async function signIn(remote: ReturnType<typeof open>) {
    const url = await remote.printed(authorizationUrl)
    // It listens only after it has said where to go.
    await remote.printed(/OAuth callback server running/)
    const redirectUri = new URL(url).searchParams.get('redirect_uri') ?? ''
    await fetch(await server.approve(url, redirectUri))
  }
  return { server, open, signIn }
}

const isAda = { result: { content: [{ type: 'text', text: '{"login":"ada","name":"Ada"}' }] } }

test('mcp-remote signs in, goes on after a restart, and registers again when it was forgotten', async () => {
  const { server, open, signIn } = await start()
  const first = open()
  await signIn(first)
  expect(await first.whoami()).toMatchObject(isAda)

  await server.restart()
  expect(await open().whoami()).toMatchObject(isAda)

  await server.forgetClients()
  await server.restart()
  const third = open()
  await signIn(third)
  expect(await third.whoami()).toMatchObject(isAda)
  expect(await server.clients()).toHaveLength(1)
}, 60_000)
