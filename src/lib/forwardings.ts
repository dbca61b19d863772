/** Whether a request came with `X-Forwarded-For`, and if so, from a proxy that is trusted. */
export type Forwarding = 'direct' | 'believed' | 'disbelieved'

export type Forwardings = {
  note(forwarding: Forwarding, peer: string): void
  /** How many requests of each kind there were, and from where the last disbelieved one came. */
  told(): Readonly<Record<Forwarding, number>> & { lastDisbelieved: string | undefined }
}

/** Counts how requests arrive: it shows a proxy that nobody configured. */
export function createForwardings(): Forwardings {
  const counts: Record<Forwarding, number> = { direct: 0, believed: 0, disbelieved: 0 }
  let lastDisbelieved: string | undefined
  return {
    note(forwarding, peer) {
      counts[forwarding] += 1
      if (forwarding === 'disbelieved') lastDisbelieved = peer
    },
    told: () => ({ ...counts, lastDisbelieved }),
  }
}
