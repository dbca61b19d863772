/**
 * Runs one call per key at a time; who asks meanwhile gets the same answer. Cloudflare Workers let no request wait
 * for what another one began, so there everybody runs their own.
 */
export function singleFlight<Value>(): (key: string, run: () => Promise<Value>) => Promise<Value> {
  const flights = new Map<string, Promise<Value>>()
  return (key, run) => {
    const flight = flights.get(key)
    if (flight) return flight
    const started = run().finally(() => flights.delete(key))
    if (!isolatesRequests()) flights.set(key, started)
    return started
  }
}

const isolatesRequests = (): boolean =>
  'navigator' in globalThis && globalThis.navigator?.userAgent === 'Cloudflare-Workers'
