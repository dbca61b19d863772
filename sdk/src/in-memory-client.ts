import type { JsonObject } from './bounded-fetch.ts'
import { isObject } from './rpc-body.ts'

/** As much of an MCP server of the official SDK, 1.x or 2.x, as connecting to it takes. */
export type ConnectableServer = {
  // biome-ignore lint/suspicious/noExplicitAny: the two SDKs have types of their own for what has this shape
  connect(transport: any): Promise<unknown>
  close(): Promise<unknown>
}

export type InMemoryClient = {
  /** The result of a request. Throws where there is none, or not in time. */
  request(method: string, params?: JsonObject): Promise<JsonObject>
  notify(method: string): void
  close(): Promise<void>
}

type Waiting = { readonly resolve: (result: JsonObject) => void; readonly reject: (error: Error) => void }

/** A client in the same process, of a server that is connected to nobody else. */
export async function connectInMemory(
  server: ConnectableServer,
  deadline: number,
  heard: (method: string) => void,
): Promise<InMemoryClient> {
  const waiting = new Map<number, Waiting>()
  let lastId = 0

  /** The server's end, as the SDKs' `Transport` has it: they set what begins with `on`. */
  const transport: {
    onmessage?: (message: unknown) => void
    onclose?: () => void
    start(): Promise<void>
    send(message: unknown): Promise<void>
    close(): Promise<void>
  } = {
    async start() {},
    async send(message) {
      if (!isObject(message)) return
      const { id, method, result, error } = message
      if (typeof method === 'string') return heard(method)
      const asked = typeof id === 'number' ? waiting.get(id) : undefined
      if (isObject(result)) return asked?.resolve(result)
      const says = isObject(error) ? error.message : undefined
      asked?.reject(
        new Error(typeof says === 'string' ? says : 'The server answers with neither result nor error'),
      )
    },
    async close() {
      transport.onclose?.()
    },
  }
  await server.connect(transport)
  const tell = (message: JsonObject) => transport.onmessage?.({ jsonrpc: '2.0', ...message })

  return {
    async request(method, params) {
      const id = ++lastId
      const answer = new Promise<JsonObject>((resolve, reject) => {
        waiting.set(id, { resolve, reject })
        AbortSignal.timeout(deadline * 1000).addEventListener('abort', () => {
          reject(new Error(`The server does not answer ${method}`))
        })
      })
      tell({ id, method, ...(params && { params }) })
      return await answer.finally(() => waiting.delete(id))
    },
    notify: (method) => tell({ method }),
    async close() {
      await server.close()
    },
  }
}
