import { expect, test } from 'vitest'
import { freePorts } from '../../examples/demo/ports.ts'
import { newStore, startClient } from './child-client.ts'
import { startGuardedServer } from './guarded-server.ts'

const program = 'node_modules/@modelcontextprotocol/inspector/clients/cli/build/index.js'
const authorizationUrl = /http\S+\/oauth\/authorize\?\S+/

/** The MCP Inspector's command line, each call a process of its own with one store. */
async function start() {
  const server = await startGuardedServer()
  const store = newStore()
  const [port = 0] = await freePorts(1)
  const redirectUri = `http://127.0.0.1:${port}/oauth/callback`
  const whoami = ['--method', 'tools/call', '--tool-name', 'whoami', '--callback-url', redirectUri]
  const env = {
    HOME: store,
    MCP_STORAGE_DIR: store,
    MCP_INSPECTOR_SECRET_STORE: 'file',
    MCP_AUTO_OPEN_ENABLED: 'true',
  }
  const call = () => startClient([program, server.mcpUrl, '--transport', 'http', ...whoami], env)
  async function signIn() {
    const inspector = call()
    const url = await inspector.printed(authorizationUrl)
    await fetch(await server.approve(url, redirectUri))
    return await inspector.output()
  }
  return { server, call, signIn }
}

test('the MCP Inspector signs in, goes on after a restart, and registers again when it was forgotten', async () => {
  const { server, call, signIn } = await start()
  expect(await signIn()).toContain('{\\"login\\":\\"ada')

  await server.restart()
  expect(await call().output()).toContain('{\\"login\\":\\"ada')

  await server.forgetClients()
  await server.restart()
  expect(await signIn()).toContain('{\\"login\\":\\"ada')
  expect(await server.clients()).toHaveLength(1)
}, 60_000)
