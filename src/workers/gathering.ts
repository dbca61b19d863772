import { type Collected, grownTogether, renderTogether } from '../metrics/exposition.ts'

/** Milliseconds a worker has to say its metrics; of one that is too busy, those of the last time are told. */
const patience = 2_000

export type Gathering = {
  /** From here on a worker's metrics are among those of all; `ask` makes it say them. */
  join(ask: () => void): Member
  /** The metrics of all workers as those of one gateway, in Prometheus' text format. */
  render(): Promise<string>
}

export type Member = {
  /** What the worker said. */
  note(metrics: Collected): void
  /** It ended: what only ever grows is kept of it. */
  leave(): void
}

type Known = { ask: () => void; last: Collected; onAnswer: () => void }

export function createGathering(): Gathering {
  const members = new Set<Known>()
  let departed: Promise<Collected> = Promise.resolve([])

  async function askAgain(member: Known): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, patience)
      member.onAnswer = () => {
        clearTimeout(timer)
        resolve()
      }
      member.ask()
    })
  }

  return {
    join(ask) {
      const member: Known = { ask, last: [], onAnswer: () => {} }
      members.add(member)
      return {
        note(metrics) {
          member.last = metrics
          member.onAnswer()
        },
        leave() {
          members.delete(member)
          member.onAnswer()
          departed = departed.then((kept) => grownTogether([kept, member.last]))
        },
      }
    },
    async render() {
      await Promise.all([...members].map(askAgain))
      return await renderTogether([await departed, ...[...members].map(({ last }) => last)])
    },
  }
}
