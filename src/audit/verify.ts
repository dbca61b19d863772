import { type Cut, type Head, namingEvents } from '../storage/audit-chain.ts'
import type { AuditEvent } from '../storage/audit-events.ts'
import type { Store } from '../storage/store.ts'
import { chainsOf, headSchema, isSigned, type SignedHeads } from './heads.ts'
import { follow, isProven } from './walk.ts'

/** The first thing that is wrong with a chain. */
export type Fault = {
  chain: string
  /** The number of the row it shows at. */
  seq: number
  id?: string
  kind: 'altered' | 'missing' | 'doubled' | 'put in' | 'forged cut' | 'cut off' | 'replaced' | 'forged heads'
  says: string
}

export type Verdict = { chains: number; rows: number; faults: Fault[] }

type Parts = { store: Pick<Store, 'auditChains'>; key: Uint8Array }

/** Rows in memory at once. */
const page = 1_000

/**
 * Walks every chain from its beginning, or from where retention cut it, and looks up every head that a sound row, or
 * a file of signed heads, names. Says the first fault of each chain; what stands behind one is not looked at.
 */
export async function verifyRecord(parts: Parts, exported?: SignedHeads): Promise<Verdict> {
  const verdict: Verdict = { chains: 0, rows: 0, faults: [] }
  const report = (fault: Fault) => {
    if (!verdict.faults.some(({ chain }) => chain === fault.chain)) verdict.faults.push(fault)
  }
  for await (const chain of chainsOf(parts.store.auditChains)) {
    verdict.chains += 1
    const fault = await verifyChain(parts, chain, {
      seen: () => {
        verdict.rows += 1
      },
      named: (head, by) => checkHead(parts, head, by, report),
    })
    if (fault) report(fault)
  }
  if (exported) await checkExported(parts, exported, report)
  return verdict
}

type Watch = { seen(): void; named(head: Head, by: string): Promise<void> }

async function verifyChain({ store, key }: Parts, chain: string, watch: Watch): Promise<Fault | undefined> {
  let cut = await store.auditChains.findCut(chain)
  if (cut && !isProven(key, cut)) return forgedCut(cut)
  let head: Head = cut ?? { chain, seq: 0, mac: '' }
  const stray = await store.auditChains.findStray(chain, head.seq)
  if (stray) return putIn(stray)
  for (;;) {
    const rows = await store.auditChains.rows(chain, head.seq, page)
    for (const row of rows) {
      const footing = follow(key, head, row)
      if (footing === 'missing') {
        // The gateway may have cut the chain since.
        const later = await store.auditChains.findCut(chain)
        const isLater = later !== undefined && later.seq > (cut?.seq ?? 0) && isProven(key, later)
        if (!isLater || later.seq < head.seq || later.seq >= row.seq) return faultOf(row, head, 'missing')
        cut = later
        head = later
        if (follow(key, head, row) !== 'fits') return faultOf(row, head, follow(key, head, row))
      } else if (footing !== 'fits') return faultOf(row, head, footing)
      watch.seen()
      for (const other of headsIn(row)) await watch.named(other, `row ${row.seq} of ${chain}`)
      head = row
    }
    if (rows.length < page) return undefined
  }
}

function forgedCut({ chain, seq }: Cut): Fault {
  return {
    chain,
    seq,
    kind: 'forged cut',
    says: `rows up to ${seq} are gone, and it was not this gateway that dropped them`,
  }
}

/** It has no number that leads on from any other, so nobody who walks the chain comes by it; whoever lists rows does. */
function putIn({ chain, seq, id }: AuditEvent): Fault {
  return { chain, seq, id, kind: 'put in', says: `row ${seq} stands before the first there may be` }
}

function faultOf(row: AuditEvent, head: Head, footing: 'missing' | 'doubled' | 'altered' | 'fits'): Fault {
  const { chain, seq, id } = row
  const place = { chain, seq, id }
  switch (footing) {
    case 'missing': {
      const [first, last] = [head.seq + 1, seq - 1]
      const which = first === last ? `row ${first} is missing` : `rows ${first} to ${last} are missing`
      return { ...place, kind: 'missing', says: which }
    }
    case 'doubled':
      return { ...place, kind: 'doubled', says: `row ${seq} is there twice` }
    case 'altered':
    case 'fits':
      return { ...place, kind: 'altered', says: `row ${seq} is not what was written there` }
  }
}

function headsIn({ event, detail }: AuditEvent): Head[] {
  if (!namingEvents.includes(event)) return []
  const { data } = headSchema.array().safeParse(detail.heads)
  return data ?? []
}

/** Whether a chain still holds what it held when somebody named its head. */
async function checkHead(
  { store, key }: Parts,
  head: Head,
  by: string,
  report: (fault: Fault) => void,
): Promise<void> {
  const { chain, seq, mac } = head
  const link = await store.auditChains.findLink(chain, seq)
  if (link?.mac === mac) return
  if (link) {
    report({ chain, seq, kind: 'replaced', says: `row ${seq} is another than the one ${by} names` })
    return
  }
  const cut = await store.auditChains.findCut(chain)
  const wasTaken = cut && (cut.seq > seq || (cut.seq === seq && cut.mac === mac))
  if (wasTaken && isProven(key, cut)) return
  const now = await store.auditChains.findHead(chain)
  const rest = now ? `it ends at row ${now.seq}` : 'it is gone'
  report({ chain, seq, kind: 'cut off', says: `${by} knows it up to row ${seq}, and ${rest}` })
}

async function checkExported(parts: Parts, exported: SignedHeads, report: (fault: Fault) => void) {
  if (!isSigned(parts.key, exported)) {
    const says = 'the signature of the heads is not of this gateway'
    report({ chain: '', seq: 0, kind: 'forged heads', says })
    return
  }
  for (const head of exported.heads) await checkHead(parts, head, 'the file of heads', report)
}
