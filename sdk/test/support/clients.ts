import { Client as Client2, StreamableHTTPClientTransport as Transport2 } from '@modelcontextprotocol/client'
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as Transport1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

const bearing = (token: string) => ({ requestInit: { headers: { authorization: `Bearer ${token}` } } })

/** Clients of the official SDK, which send the token they are given. */
export const clients = {
  '1.x': async (url: string, token: string) => {
    const client = new Client1({ name: 'first', version: '1.0.0' })
    const transport = new Transport1(new URL(url), bearing(token))
    await client.connect(transport as Parameters<Client1['connect']>[0])
    return client
  },
  '2.x': async (url: string, token: string) => {
    const client = new Client2({ name: 'second', version: '1.0.0' })
    await client.connect(new Transport2(new URL(url), bearing(token)))
    return client
  },
}

export const generations = Object.keys(clients) as (keyof typeof clients)[]

/** What the tool `whoami` answers to each of them. */
export const callers = {
  '1.x': async (url: string, token: string) => await whoami(await clients['1.x'](url, token)),
  '2.x': async (url: string, token: string) => await whoami(await clients['2.x'](url, token)),
}

type Caller = {
  callTool(call: { name: string }): Promise<Record<string, unknown>>
  close(): Promise<void>
}

async function whoami(client: Caller) {
  try {
    const { content } = await client.callTool({ name: 'whoami' })
    return (content as { text: string }[]).map(({ text }) => text).join('\n')
  } finally {
    await client.close()
  }
}
