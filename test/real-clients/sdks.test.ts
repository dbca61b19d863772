import { describe, expect, onTestFinished, test } from 'vitest'
import { createMcpClient } from '../../examples/demo/mcp-client.ts'
import { createClientV2 } from './client-v2.ts'
import { startGuardedServer } from './guarded-server.ts'

const redirectUrl = 'http://127.0.0.1:9/callback'
const generations = [
  ['1.x', createMcpClient],
  ['2.x', createClientV2],
] as const

const isAda = { text: '{"login":"ada","name":"Ada"}', isError: false }

describe.each(generations)('the official SDK %s', (_version, createClient) => {
  async function start() {
    const server = await startGuardedServer()
    const client = createClient({ mcpUrl: server.mcpUrl, redirectUrl })
    onTestFinished(client.close)
    const signIn = async (url: URL | undefined) => {
      if (!url) throw new Error('nobody was sent to the gateway')
      await client.finish(await server.approve(url.href, redirectUrl))
    }
    return { server, client, signIn }
  }

  test('gets from a bare address to what the person has upstream', async () => {
    const { client, signIn, server } = await start()
    const url = await client.connect()
    expect(Object.fromEntries(url?.searchParams ?? [])).toMatchObject({ resource: server.mcpUrl })
    await signIn(url)
    expect(await client.call('whoami')).toEqual(isAda)
  })

  test('goes on after a restart of everything with what it stored, without a browser', async () => {
    const { client, signIn, server } = await start()
    await signIn(await client.connect())
    await server.restart()
    expect(await client.connect()).toBeUndefined()
    expect(await client.call('whoami')).toEqual(isAda)
  })

  test('registers itself again where its registration was deleted', async () => {
    const { client, signIn, server } = await start()
    await signIn(await client.connect())
    const [before] = await server.clients()
    await server.forgetClients()
    await server.restart()
    const url = await client.connect()
    expect(url?.searchParams.get('client_id')).not.toBe(before?.client_id)
    await signIn(url)
    expect(await client.call('whoami')).toEqual(isAda)
    expect(await server.clients()).toHaveLength(1)
  })
})
