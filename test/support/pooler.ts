import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  cancelRequest,
  cutting,
  type Message,
  refusal,
  sslRequest,
  startOf,
  textsOf,
  welcome,
} from './postgres-wire.ts'
import { faultOf, statementOf } from './session-state.ts'

/**
 * What becomes of a statement: `cut`: the connection breaks before the server hears of it. `lose`: after the server
 * did what it says, before its answer. `stall`: nothing, and the connection stays.
 */
export type Mishap = 'cut' | 'lose' | 'stall'

export type Pooler = {
  /** The URL of a database, by way of the pooler. */
  urlOf(url: string): string
  /** What a pooler in transaction mode would have refused, or let get lost. */
  violations(): readonly string[]
  /** How many server connections the clients have had, one after the other. */
  changes(): number
  /** Lets this befall the next statement that matches, or the COMMIT of its transaction. */
  befall(pattern: RegExp, mishap: Mishap, when?: 'now' | 'at its commit'): void
  stop(): Promise<void>
}

type Server = { socket: Socket; client: Client | undefined }
type Client = {
  socket: Socket
  database: string
  server: Server | undefined
  last: Server | undefined
  /** What it said and was not answered: `Query` and `Sync`. */
  asked: number
  /** What waits for a server connection. */
  waiting: Message[]
  isLost: boolean
  /** Nothing it says is heard any more. */
  isUnheard: boolean
  /** What befalls its COMMIT. */
  fate: Mishap | undefined
}

/** What PgBouncer lets a session say as it starts. */
const known = ['user', 'database', 'application_name', 'client_encoding', 'replication']

/**
 * A strict pooler in transaction mode before a server on a socket: each transaction goes over another server connection
 * than the client's last, and what would stay in a session is refused.
 */
export async function startPooler(serverFolder: string, { size = 4 } = {}): Promise<Pooler> {
  const folder = mkdtempSync(join(tmpdir(), 'coatcheck-pooler-'))
  const violations: string[] = []
  const mishaps: { pattern: RegExp; mishap: Mishap; when: 'now' | 'at its commit' }[] = []
  const clients = new Set<Client>()
  const pools = new Map<string, { servers: Server[]; free: Server[]; queue: Client[] }>()
  let changes = 0

  const poolOf = (database: string) => {
    const pool = pools.get(database) ?? { servers: [], free: [], queue: [] }
    pools.set(database, pool)
    return pool
  }

  function openServer(database: string): void {
    const server: Server = { socket: connect(join(serverFolder, '.s.PGSQL.5432')), client: undefined }
    const pool = poolOf(database)
    pool.servers.push(server)
    let isReady = false
    const messages = cutting('message', (said) => {
      if (isReady) return answered(server, database, said)
      if (said.type === 'Z') {
        isReady = true
        release(server, database)
      } else if (said.type === 'E') refuse(database, said.whole)
    })
    server.socket.on('data', (chunk) => messages.push(chunk))
    server.socket.on('error', () => {})
    server.socket.on('close', () => {
      pool.servers.splice(pool.servers.indexOf(server), 1)
      pool.free = pool.free.filter((each) => each !== server)
      const says = refusal('FATAL', '08P01', 'server conn crashed?')
      server.client?.socket.end(says)
      if (isReady) serve(database)
      else refuse(database, says)
    })
    server.socket.write(startOf({ user: 'postgres', database, application_name: 'pooler' }))
  }

  /** Whoever waits hears why there is no connection. */
  function refuse(database: string, says: Buffer): void {
    for (const { socket } of poolOf(database).queue.splice(0)) socket.end(says)
  }

  function answered(server: Server, database: string, said: Message): void {
    const { client } = server
    if (said.type === 'N' && textsOf(said.body).includes('C25P01')) violations.push('SET LOCAL by itself')
    if (!client) return
    if (said.type !== 'Z') {
      if (!client.isLost) client.socket.write(said.whole)
      return
    }
    client.asked--
    if (client.isLost) return void client.socket.destroy()
    client.socket.write(said.whole)
    if (client.asked > 0 || said.body.toString() !== 'I') return
    client.server = undefined
    release(server, database)
  }

  function release(server: Server, database: string): void {
    server.client = undefined
    poolOf(database).free.push(server)
    serve(database)
  }

  function serve(database: string): void {
    const pool = poolOf(database)
    while (pool.queue.length > 0) {
      const [client] = pool.queue
      if (!client) return
      const other = pool.free.find((each) => each !== client.last) ?? pool.free[0]
      if (!other || (other === client.last && pool.servers.length < size)) {
        if (pool.servers.length < size) openServer(database)
        return
      }
      pool.queue.shift()
      pool.free = pool.free.filter((each) => each !== other)
      if (client.last !== other) changes++
      Object.assign(client, { server: other, last: other })
      other.client = client
      for (const said of client.waiting.splice(0)) other.socket.write(said.whole)
    }
  }

  function said(client: Client, heard: Message): void {
    if (client.isUnheard) return
    if (heard.type === 'X') return void client.socket.end()
    const text = statementOf(heard)
    const fault = text === undefined ? undefined : faultOf(heard, text)
    if (fault !== undefined) {
      violations.push(fault)
      return void client.socket.end(refusal('FATAL', '0A000', fault))
    }
    const mishap = text === undefined ? undefined : befalls(client, text)
    client.isLost ||= mishap === 'lose'
    client.isUnheard = mishap === 'cut' || mishap === 'stall'
    if (mishap === 'cut') client.socket.destroy()
    if (client.isUnheard) return
    if (heard.type === 'Q' || heard.type === 'S') client.asked++
    if (client.server) return void client.server.socket.write(heard.whole)
    client.waiting.push(heard)
    const { queue } = poolOf(client.database)
    if (!queue.includes(client)) queue.push(client)
    serve(client.database)
  }

  function befalls(client: Client, text: string): Mishap | undefined {
    if (text === 'COMMIT') return client.fate
    const at = mishaps.findIndex(({ pattern }) => pattern.test(text))
    const [found] = at < 0 ? [] : mishaps.splice(at, 1)
    if (found?.when !== 'at its commit') return found?.mishap
    client.fate = found.mishap
    return undefined
  }

  const listener = createServer((socket) => {
    let client: Client | undefined
    const messages = cutting('start', (heard) => {
      if (client) return said(client, heard)
      // Who was refused says goodbye.
      if (heard.type !== '') return
      const code = heard.body.readInt32BE(0)
      if (code === sslRequest) return void socket.write('N')
      if (code === cancelRequest) return void socket.end()
      const parts = textsOf(heard.body.subarray(4))
      const names = parts.filter((_, index) => index % 2 === 0 && index < parts.length - 2)
      const unknown = names.find((name) => name !== '' && !known.includes(name))
      if (unknown) {
        return void socket.end(refusal('FATAL', '08P01', `unsupported startup parameter: ${unknown}`))
      }
      const database = parts[parts.indexOf('database') + 1] ?? ''
      client = {
        socket,
        database,
        server: undefined,
        last: undefined,
        asked: 0,
        waiting: [],
        isLost: false,
        isUnheard: false,
        fate: undefined,
      }
      clients.add(client)
      socket.write(welcome())
    })
    socket.on('data', (chunk) => messages.push(chunk))
    socket.on('error', () => {})
    socket.on('close', () => {
      if (!client) return
      clients.delete(client)
      const pool = poolOf(client.database)
      pool.queue = pool.queue.filter((each) => each !== client)
      // What it had begun is rolled back.
      client.server?.socket.destroy()
      if (client.server) client.server.client = undefined
    })
  })
  await new Promise<void>((resolve) => listener.listen(join(folder, '.s.PGSQL.5432'), resolve))

  return {
    urlOf(url) {
      const own = new URL(url)
      own.searchParams.set('host', folder)
      return own.href
    },
    violations: () => violations,
    changes: () => changes,
    befall(pattern, mishap, when = 'now') {
      mishaps.push({ pattern, mishap, when })
    },
    async stop() {
      for (const { socket } of clients) socket.destroy()
      for (const { servers } of pools.values()) for (const { socket } of servers) socket.destroy()
      await new Promise((resolve) => listener.close(resolve))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
