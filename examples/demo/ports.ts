import { createServer, type Server } from 'node:net'

/**
 * This many free ports, no two the same: from `first` on where nobody has them, any others elsewhere. Each is held for
 * a moment, until all are found.
 */
export async function freePorts(count: number, first?: number): Promise<number[]> {
  const held: Server[] = []
  const ports: number[] = []
  try {
    for (let offset = 0; offset < count; offset++) {
      const wanted = first === undefined ? undefined : await holdOnBoth(first + offset)
      const found = wanted ?? (await holdAny())
      if (!found) throw new Error('there is no free port on this machine')
      held.push(found)
      ports.push(portOf(found))
    }
    return ports
  } finally {
    await Promise.all(held.map(release))
  }
}

/** One of those the system gives away; it looks at one address, and may give one that somebody has on the other. */
async function holdAny(): Promise<Server | undefined> {
  for (let attempt = 0; attempt < 10; attempt++) {
    const server = await holdOnBoth(0)
    if (server) return server
  }
  return undefined
}

/** Browsers try both addresses of `localhost`, so whoever has a port on one of them is in the way. */
async function holdOnBoth(port: number): Promise<Server | undefined> {
  const server = await hold(port, '127.0.0.1')
  if (!server || (await isFreeOnIpv6(portOf(server)))) return server
  await release(server)
  return undefined
}

async function isFreeOnIpv6(port: number): Promise<boolean> {
  const server = await hold(port, '::1')
  if (server) await release(server)
  return server !== undefined || !(await hasIpv6())
}

async function hasIpv6(): Promise<boolean> {
  const server = await hold(0, '::1')
  if (server) await release(server)
  return server !== undefined
}

function hold(port: number, host: string): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen(port, host, () => resolve(server))
  })
}

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a held port has a number')
  return address.port
}

const release = (server: Server) => new Promise((resolve) => server.close(resolve))
