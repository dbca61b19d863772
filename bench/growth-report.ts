import { type Growth, type GrowthSample, type GrowthSize, growing, type Setting } from './growth.ts'
import { operationNames } from './operations.ts'
import { decimal, median, table, whole } from './table.ts'

/** How what an operation costs changes with what is stored, with the processes and with the database. */
export function growthReport({ samples, sizes }: Growth): string {
  const databases = [...new Set(samples.map(({ database }) => database))]
  return databases
    .flatMap((database) => [
      `### ${database}`,
      '',
      operationsTable(samples.filter((sample) => sample.database === database)),
      '',
      sizesTable(sizes.filter((size) => size.database === database)),
      '',
    ])
    .join('\n')
    .trimEnd()
}

function operationsTable(samples: readonly GrowthSample[]): string {
  const stored = distinct(samples, 'sessions')
  const workers = distinct(samples, 'workers')
  const rows = growing.flatMap((operation) =>
    stored.map((sessions) => [
      operationNames[operation],
      whole(sessions),
      ...workers.flatMap((count) => {
        const own = samples.filter((sample) => sample.operation === operation && sample.workers === count)
        return cells(own, sessions, stored[0] ?? sessions)
      }),
    ]),
  )
  const heads = workers.flatMap((count) => [
    `${count === 1 ? 'one process' : `${count} processes`}: CPU µs`,
    '× least',
    'requests/s',
    'p50 / p99 ms',
  ])
  return table(['operation', 'sessions', ...heads], rows)
}

/** Of one size: CPU time, that of a database server added, and round by round in the measure of the least size. */
function cells(samples: readonly GrowthSample[], sessions: number, least: number): string[] {
  const of = (size: number) => samples.filter((sample) => sample.sessions === size)
  const own = of(sessions)
  const whollyOf = ({ cpuMicroseconds, databaseMicroseconds }: GrowthSample) =>
    cpuMicroseconds + databaseMicroseconds
  const ratios = own.map((sample, round) => whollyOf(sample) / whollyOf(of(least)[round] ?? sample))
  const middle = (figure: (sample: GrowthSample) => number) => median(own.map(figure))
  const database = middle((sample) => sample.databaseMicroseconds)
  return [
    `${whole(middle((sample) => sample.cpuMicroseconds))}${database > 0 ? ` + ${whole(database)}` : ''}`,
    sessions === least ? '' : decimal(median(ratios)),
    whole(middle(({ operations, seconds }) => operations / seconds)),
    `${decimal(middle(({ p50 }) => p50))} / ${decimal(middle(({ p99 }) => p99))}`,
  ]
}

function sizesTable(sizes: readonly GrowthSize[]): string {
  const rows = distinct(sizes, 'sessions').map((sessions) => {
    const own = sizes.filter((size) => size.sessions === sessions)
    const megabytes = (workers: number) =>
      median(own.filter((size) => size.workers === workers).map(({ rssBytes }) => rssBytes / 1e6))
    const bytes = Math.max(...own.map((size) => size.bytes))
    return [
      whole(sessions),
      whole(bytes / 1e6),
      whole(bytes / sessions),
      distinct(own, 'workers')
        .map((workers) => whole(megabytes(workers)))
        .join(', '),
    ]
  })
  return table(
    [
      'sessions',
      'database, MB',
      'bytes a session',
      `memory after it, MB, with ${distinct(sizes, 'workers').join(', ')} processes`,
    ],
    rows,
  )
}

function distinct(settings: readonly Setting[], member: 'sessions' | 'workers'): number[] {
  return [...new Set(settings.map((setting) => setting[member]))].toSorted((a, b) => a - b)
}
