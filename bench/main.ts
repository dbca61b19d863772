import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { canPin } from './child.ts'
import { sqlite, startPostgresKind } from './databases.ts'
import { type GrowthEffort, measureGrowth } from './growth.ts'
import { growthReport } from './growth-report.ts'
import { type Effort, measure, measureStart, type Start } from './measure.ts'
import { type Operation, operations } from './operations.ts'
import { machine, type Names, report } from './report.ts'
import { floor } from './servers/floor.ts'
import { gateway } from './servers/gateway.ts'
import { oidcProvider } from './servers/oidc-provider.ts'

/** Measures the gateway beside others on this machine, and writes the figures into docs/performance.md. */

const usage = `npm run bench -- [options]
  --part NAME     comparison, or growth; both unless said
  --only NAMES    operations, comma separated: ${operations.join(', ')}
  --servers NAMES of coatcheck, floor, oidc-provider, plain; comma separated
  --rounds N      5 unless said
  --seconds N     that each operation is measured in each round; 1 unless said
  --sizes N,N     sessions stored, for the growth; 1000,100000,1000000 unless said
  --workers N,N   processes, for the growth; 1,2 unless said
  --profile DIR   measures Coatcheck alone and leaves a CPU profile of it there
  --check         one short round: only whether all of it works
Figures go into docs/performance.md when a part was measured in full.`

const figuresFile = 'docs/performance.md'

const { values } = parseArgs({
  options: {
    part: { type: 'string' },
    only: { type: 'string' },
    sizes: { type: 'string' },
    workers: { type: 'string' },
    servers: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '1' },
    profile: { type: 'string' },
    check: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const names: Names = {
  ours: 'coatcheck',
  floor: 'floor',
  peers: ['oidc-provider, joined commits', 'oidc-provider, plain'],
}
const cli = existsSync('dist/cli.js') && !values.check ? 'dist/cli.js' : 'src/cli.ts'
const all = {
  coatcheck: gateway(cli),
  floor,
  'oidc-provider': oidcProvider('oidc-provider, joined commits', 'joined'),
  plain: oidcProvider('oidc-provider, plain', 'separate'),
}
const tell = (what: string) => console.error(what)

async function main(): Promise<void> {
  if (values.help) return console.log(usage)
  if (!canPin) tell('There is no taskset here: server and load share the cores.')
  if (values.part !== 'growth') await compare()
  const isNarrow = (values.only ?? values.servers ?? values.profile) !== undefined
  if (values.part !== 'comparison' && !isNarrow) await grow()
}

/** Coatcheck beside the others, over an empty database. */
async function compare(): Promise<void> {
  const wanted =
    values.profile === undefined ? (values.servers?.split(',') ?? Object.keys(all)) : ['coatcheck']
  const servers = Object.entries(all).flatMap(([name, server]) => (wanted.includes(name) ? [server] : []))
  const effort: Effort = {
    operations: values.only === undefined ? operations : values.only.split(',').map(asOperation),
    rounds: values.check ? 1 : Number(values.rounds),
    seconds: values.check ? 0.1 : Number(values.seconds),
    connections: 16,
    node: values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`],
    tell,
  }
  const measurement = await measure(servers, effort)
  const starts: Start[] = []
  const isPartial = values.check || (values.only ?? values.servers ?? values.profile) !== undefined
  if (!isPartial) {
    tell('starts')
    for (let round = 0; round < effort.rounds; round++) {
      for (const server of servers) starts.push(await measureStart(server))
    }
  }
  const figures = report(measurement, starts, effort, names)
  console.log(figures)
  if (!isPartial) keep('comparison', figures)
}

/** Coatcheck by itself, over databases that hold more and more. */
async function grow(): Promise<void> {
  const postgres = await startPostgresKind()
  try {
    const numbers = (text: string) => text.split(',').map(Number)
    const effort: GrowthEffort = {
      cli,
      databases: [sqlite, postgres],
      sizes: numbers(values.sizes ?? (values.check ? '1000,2000' : '1000,100000,1000000')),
      workers: numbers(values.workers ?? '1,2'),
      rounds: values.check ? 1 : Math.min(Number(values.rounds), 3),
      seconds: values.check ? 0.1 : Number(values.seconds),
      connections: 16,
      tell,
    }
    const figures = [machine(effort), growthReport(await measureGrowth(effort))].join('\n\n')
    console.log(figures)
    if (!values.check && (values.sizes ?? values.workers) === undefined) keep('growth', figures)
  } finally {
    await postgres.stop()
  }
}

function asOperation(name: string): Operation {
  const found = operations.find((operation) => operation === name)
  if (!found) throw new Error(`there is no operation ${name}\n${usage}`)
  return found
}

/** Puts the figures of a part where those of its last run are. */
function keep(part: 'comparison' | 'growth', figures: string): void {
  const [begin, end] = [`<!-- ${part} by npm run bench -->`, `<!-- end of the ${part} -->`]
  const page = readFileSync(figuresFile, 'utf8')
  const [before, after] = [page.indexOf(begin), page.indexOf(end)]
  if (before === -1 || after === -1) throw new Error(`${figuresFile} has no place for the ${part}`)
  writeFileSync(figuresFile, `${page.slice(0, before)}${begin}\n\n${figures}\n\n${page.slice(after)}`)
}

await main()
