import { createServer } from 'node:net'

/** The wanted port if nobody has it, else any free one. */
export async function freePort(wanted?: number): Promise<number> {
  if (wanted !== undefined && (await isFree(wanted))) return wanted
  const port = await tryListening(0, '127.0.0.1')
  if (port === undefined) throw new Error('there is no free port on this machine')
  return port
}

/** On both addresses, since browsers try both for `localhost`. */
async function isFree(port: number): Promise<boolean> {
  const hasIpv6 = (await tryListening(0, '::1')) !== undefined
  const hosts = hasIpv6 ? ['127.0.0.1', '::1'] : ['127.0.0.1']
  const found = await Promise.all(hosts.map((host) => tryListening(port, host)))
  return !found.includes(undefined)
}

/** The port that was listened on for a moment; absent where somebody else has it. */
function tryListening(port: number, host: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen(port, host, () => {
      const address = server.address()
      const found = typeof address === 'object' ? address?.port : undefined
      server.close(() => resolve(found))
    })
  })
}
