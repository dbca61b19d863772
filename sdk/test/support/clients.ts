import { Client as Client2, StreamableHTTPClientTransport as Transport2 } from '@modelcontextprotocol/client'
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as Transport1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

/** Asks the tool `whoami` with a client of the official SDK, which sends the token it is given. */
export const callers = {
  '1.x': async (url: string, token: string) => {
    const client = new Client1({ name: 'first', version: '1.0.0' })
    const transport = new Transport1(new URL(url), bearing(token))
    await client.connect(transport as Parameters<Client1['connect']>[0])
    return await asked(client, () => client.callTool({ name: 'whoami' }))
  },
  '2.x': async (url: string, token: string) => {
    const client = new Client2({ name: 'second', version: '1.0.0' })
    await client.connect(new Transport2(new URL(url), bearing(token)))
    return await asked(client, () => client.callTool({ name: 'whoami' }))
  },
}

const bearing = (token: string) => ({ requestInit: { headers: { authorization: `Bearer ${token}` } } })

async function asked(client: { close(): Promise<void> }, call: () => Promise<Record<string, unknown>>) {
  try {
    const { content } = await call()
    return (content as { text: string }[]).map(({ text }) => text).join('\n')
  } finally {
    await client.close()
  }
}
