import pg, { type ClientConfig, type PoolClient } from 'pg'
import { StorageUnavailableError } from '../unavailable.ts'
import type { PostgresAddress, PostgresHost } from './address.ts'
import { clientConfig, ignore, refuseUnwished, type Wish, within } from './connect.ts'
import { connectionAfter, hasNoRoom, waitedInVain } from './faults.ts'

/** The connections of a process, of which one at a time belongs to whoever took it. */
export type Connections = ReturnType<typeof openConnections>

export type Held = {
  client: PoolClient
  /** To be called once; without an error all went well. */
  giveBack(error?: unknown): void
}

/** What somebody does who waits for a connection, for as long as they wait. */
type Search = { isOver: boolean }

/** Milliseconds for which a connection that answered is believed to answer again. */
const trust = 500
/** Milliseconds within which one has to show that it still does. */
const proofPatience = 1000
/** Milliseconds for which nothing more is asked of a server that has no room for another connection. */
const fullPause = 1000

export function openConnections(address: PostgresAddress, most: number, wish: Wish) {
  const { hosts } = address
  let turn = 0
  const hostInTurn = () => hosts[turn % hosts.length] ?? hosts[0]
  /** Whoever waits has time for each of them. */
  const wishOfHost = { ...wish, patience: wish.patience / hosts.length }
  let known = clientConfig(address, hosts[0], wishOfHost)
  /** With its certificates as they are now; while somebody replaces them, as they were. */
  function configOf(host: PostgresHost): ClientConfig {
    try {
      known = clientConfig(address, host, wishOfHost)
    } catch {
      known = { ...known, ...host }
    }
    return known
  }
  const provenAt = new WeakMap<object, number>()
  /** What was proven before a connection broke may have broken with it. */
  let suspectBefore = 0

  const pool = new pg.Pool({
    max: most,
    connectionTimeoutMillis: wish.patience,
    idleTimeoutMillis: 30_000,
    // After a change of servers behind a name, or a certificate's, none lasts longer than this.
    maxLifetimeSeconds: 1800,
    Client: function newClient() {
      return new pg.Client(configOf(hostInTurn()))
    } as unknown as new () => pg.Client,
    async onConnect(client) {
      await refuseUnwished(client, wishOfHost)
      provenAt.set(client, performance.now())
    },
  })
  /** Those that are there; the pool also counts those that are only tried. */
  const made = new Set<object>()
  pool.on('error', ignore)
  pool.on('remove', (client) => made.delete(client))
  pool.on('connect', (client) => {
    client.on('error', ignore)
    made.add(client)
  })

  async function find(search: Search): Promise<PoolClient> {
    for (;;) {
      const client = await connect(search)
      if (await isAlive(client)) return client
      client.release(true)
    }
  }

  async function connect(search: Search): Promise<PoolClient> {
    for (let failed = 1; ; failed++) {
      if (search.isOver) throw inVain()
      const tried = turn
      try {
        return await pool.connect()
      } catch (error) {
        if (hasNoRoom(error) && made.size > 0) makeDo()
        else if (failed >= hosts.length || waitedInVain(error)) throw error
        // Of all who found out together one goes on to the next.
        else if (turn === tried) turn++
      }
    }
  }

  /** All that there may be are others', or there is none to be had. */
  const inVain = () =>
    new StorageUnavailableError(made.size < pool.options.max ? 'unreachable' : 'overloaded')

  /** Whoever comes next waits for one of those that are there. */
  function makeDo(): void {
    pool.options.max = made.size
    setTimeout(() => {
      pool.options.max = most
    }, fullPause).unref()
  }

  async function isAlive(client: PoolClient): Promise<boolean> {
    const now = performance.now()
    if ((provenAt.get(client) ?? 0) > Math.max(suspectBefore, now - trust)) return true
    const proof = within(proofPatience, { text: 'SELECT pg_is_in_recovery() AS standby' })
    return client.query<{ standby: boolean }>(proof).then(
      ({ rows }) => wish.server === 'any' || rows[0]?.standby === false,
      () => false,
    )
  }

  function hold(client: PoolClient): Held {
    return {
      client,
      giveBack(error) {
        const state = error === undefined ? 'sound' : connectionAfter(error)
        if (state === 'sound') provenAt.set(client, performance.now())
        else suspectBefore = performance.now()
        client.release(state !== 'sound')
      },
    }
  }

  return {
    most,
    /**
     * One that was just made, or showed that it answers. Rejects with the driver's errors, and at the end of patience
     * or at `until`; what is found later goes back unused.
     */
    take: (until: number) =>
      new Promise<Held>((resolve, reject) => {
        const search = { isOver: false }
        const end = () => {
          search.isOver = true
          reject(inVain())
        }
        const timer = setTimeout(end, Math.min(until - performance.now(), wish.patience))
        find(search)
          .then((client) => (search.isOver ? client.release() : resolve(hold(client))), reject)
          .finally(() => clearTimeout(timer))
      }),
    get waiting() {
      return pool.waitingCount
    },
    get open() {
      return pool.totalCount
    },
    end: () => pool.end(),
  }
}
