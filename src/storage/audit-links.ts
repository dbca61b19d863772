import { type Head, linkAfter, newChain, startEvent, startOfChain } from './audit-chain.ts'
import type { NewAuditEvent } from './audit-events.ts'

/** Stands for one column of an event's place in its chain, until the statement is carried out. */
type Place = { readonly [placed]: NewAuditEvent; readonly part: keyof Head }

const placed = Symbol('the event to be placed')

/** What `recordEvent` writes where the link will stand; typed as what will. */
export function placeOf(event: NewAuditEvent): Head {
  const place = (part: keyof Head): Place => ({ [placed]: event, part })
  return { chain: place('chain'), seq: place('seq'), mac: place('mac') } as Record<
    keyof Head,
    unknown
  > as Head
}

const isPlace = (param: unknown): param is Place =>
  typeof param === 'object' && param !== null && placed in param

/** The event a statement with these parameters writes, if it writes one. */
export function eventIn(params: readonly unknown[]): NewAuditEvent | undefined {
  // The columns of the link are the last of their table.
  const last = params.at(-1)
  return isPlace(last) ? last[placed] : undefined
}

/** The parameters with the link where its columns are. */
export const withLink = (params: readonly unknown[], link: Head): unknown[] =>
  params.map((param) => (isPlace(param) ? link[param.part] : param))

/** What the rows of this process are linked with. */
export type Chaining = {
  key: Uint8Array
  /** What a chain that starts says of the others. */
  heads: readonly Head[]
}

/**
 * The chains this process writes. Whoever has a transaction under way has one of them to itself, so that no two ever
 * continue the same row: SQLite, where transactions follow each other, needs one, PostgreSQL one for each that are
 * under way at once.
 */
export type Chains = ReturnType<typeof createChains>

export function createChains(initial: Chaining) {
  let chaining = initial
  const free: Head[] = []
  return {
    /** From here on; to be said before anything is written. */
    keep(next: Chaining): void {
      chaining = next
    },
    /** How many were begun and not ended, of those that nobody has. */
    get begun() {
      return free.length
    },
    /** One transaction's view: takes a chain with its first event. */
    transaction: () => openLinks(chaining, free),
  }
}

/** The links of one transaction. What it does not say is kept is a chain nobody goes on with. */
export type Links = ReturnType<typeof openLinks>

function openLinks({ key, heads }: Chaining, free: Head[]) {
  let before: Head | undefined
  let head: Head | undefined
  let isEnded = false
  const take = () => {
    before ??= free.pop() ?? newChain()
    return before
  }
  return {
    /** The event that has to be written before this one, where the chain begins with this transaction. */
    startBefore(event: NewAuditEvent): NewAuditEvent | undefined {
      head ??= take()
      return head.seq === 0 && event.event !== startEvent ? startOfChain(event, heads) : undefined
    },
    next(event: NewAuditEvent): Head {
      head = linkAfter(key, head ?? take(), event)
      isEnded = event.event === 'audit.chain_ended'
      return head
    },
    /** Where it stands now, for `undo`. */
    mark: (): Head | undefined => head,
    /** What was linked since the mark was rolled back. */
    undo(mark: Head | undefined): void {
      head = mark ?? before
      isEnded = false
    },
    /** Somebody else has the next place: a forger, or a copy of this process. What comes goes into another chain. */
    abandon(): void {
      head = undefined
      before = undefined
    },
    /** The transaction ended as it is known here; without this, somebody may find more in the chain than is known. */
    settle(): void {
      if (head && head.seq > 0 && !isEnded) free.push(head)
    },
  }
}
