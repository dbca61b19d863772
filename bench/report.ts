import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { canPin } from './child.ts'
import type { Effort, Measurement, Sample, Start } from './measure.ts'
import { type Operation, operationNames } from './operations.ts'
import { decimal, median, spread, table, whole } from './table.ts'

/** The names the servers have in the tables. */
export type Names = { ours: string; floor: string; peers: readonly string[] }

/** Of one server at one operation, over the rounds. */
type Figures = Record<'cpuMicroseconds' | 'perSecond' | 'p50' | 'p99', readonly number[]>

/** Everything that was measured, as Markdown. */
export function report(
  measurement: Measurement,
  starts: readonly Start[],
  effort: Effort,
  names: Names,
): string {
  const figures = figuresOf(measurement.samples)
  const of = (server: string, operation: Operation) => figures.get(`${server} ${operation}`)
  return [
    machine(effort),
    '',
    `### ${names.ours}`,
    '',
    oursTable(effort.operations, of, names),
    '',
    '### The others, in the same rounds',
    '',
    othersTable(effort.operations, of, names),
    '',
    '### Start and memory',
    '',
    memoryTable(measurement, starts),
  ].join('\n')
}

type FiguresOf = (server: string, operation: Operation) => Figures | undefined

function oursTable(operations: readonly Operation[], of: FiguresOf, { ours, floor, peers }: Names): string {
  const rows = operations.map((operation) => {
    const own = of(ours, operation)
    return [
      operationNames[operation],
      own ? spread(own.cpuMicroseconds) : '',
      ratio(own, of(floor, operation), 'cpuMicroseconds'),
      ...peers.map((peer) => ratio(own, of(peer, operation), 'cpuMicroseconds')),
      own ? whole(median(own.perSecond)) : '',
      ...peers.map((peer) => ratio(own, of(peer, operation), 'perSecond')),
      own ? `${decimal(median(own.p50))} / ${decimal(median(own.p99))}` : '',
    ]
  })
  return table(
    [
      'operation',
      'CPU µs, median (least to most)',
      '× floor',
      ...peers.map((peer) => `× ${peer}`),
      'requests/s',
      ...peers.map((peer) => `requests/s × ${peer}`),
      'p50 / p99 ms',
    ],
    rows,
  )
}

function othersTable(operations: readonly Operation[], of: FiguresOf, { floor, peers }: Names): string {
  const servers = [floor, ...peers]
  const rows = operations.map((operation) => [
    operationNames[operation],
    ...servers.map((server) => {
      const figures = of(server, operation)
      if (!figures) return 'has none'
      return `${spread(figures.cpuMicroseconds)}; ${whole(median(figures.perSecond))}/s; ${decimal(median(figures.p50))} / ${decimal(median(figures.p99))}`
    }),
  ])
  return table(['operation', ...servers.map((server) => `${server}: CPU µs; requests/s; p50 / p99 ms`)], rows)
}

function memoryTable({ peaks }: Measurement, starts: readonly Start[]): string {
  const servers = [...new Set(peaks.map(({ server }) => server))]
  const rows = servers.map((server) => {
    const begun = starts.filter((start) => start.server === server)
    const most = peaks.filter((peak) => peak.server === server).map(({ peakRssBytes }) => peakRssBytes / 1e6)
    const figure = (values: number[]) => (values.length === 0 ? '' : spread(values))
    return [
      server,
      figure(begun.map(({ freshMilliseconds }) => freshMilliseconds)),
      figure(begun.map(({ againMilliseconds }) => againMilliseconds)),
      figure(begun.map(({ idleRssBytes }) => idleRssBytes / 1e6)),
      figure(most),
    ]
  })
  return table(
    [
      'server',
      'first start, new database, ms',
      'start over the same, ms',
      'memory at rest, MB',
      'most memory under load, MB',
    ],
    rows,
  )
}

function figuresOf(samples: readonly Sample[]): Map<string, Figures> {
  const groups = Map.groupBy(samples, ({ server, operation }) => `${server} ${operation}`)
  const figures = (group: readonly Sample[]): Figures => ({
    cpuMicroseconds: group.map((sample) => sample.cpuMicroseconds),
    perSecond: group.map(({ operations, seconds }) => operations / seconds),
    p50: group.map((sample) => sample.p50),
    p99: group.map((sample) => sample.p99),
  })
  return new Map([...groups].map(([key, group]) => [key, figures(group)]))
}

/** The median of the rounds' ratios: both of a ratio were measured within a minute. */
function ratio(ours: Figures | undefined, theirs: Figures | undefined, figure: keyof Figures): string {
  if (!ours || !theirs) return ''
  const ratios = ours[figure].map((value, round) => value / (theirs[figure][round] ?? Number.NaN))
  return decimal(median(ratios))
}

/** On what, and how, all of it was measured. */
export function machine({
  rounds,
  seconds,
  connections,
}: Pick<Effort, 'rounds' | 'seconds' | 'connections'>): string {
  const [cpu] = cpus()
  const { dependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
  const version = (name: string) =>
    `${name} ${String({ ...dependencies, ...devDependencies }[name]).slice(1)}`
  const pinned = canPin
    ? 'The server ran on core 0, the load on core 1.'
    : '**Neither server nor load was kept to one core: this machine has no `taskset`.**'
  return [
    `Coatcheck at commit ${commit()}, Node ${process.versions.node}, ${version('better-sqlite3')}, ${version('oidc-provider')};`,
    `${cpu?.model.trim() ?? 'an unknown processor'}, ${cpus().length} cores, ${whole(totalmem() / 1e9)} GB, ${process.platform} ${release()}.`,
    `${pinned} SQLite in WAL mode with \`synchronous=FULL\` everywhere. ${rounds} rounds, ${seconds} s an operation, ${connections} connections.`,
  ].join('\n')
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}
