import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { canPin } from './child.ts'
import { type Effort, measure, measureStart, type Start } from './measure.ts'
import { type Operation, operations } from './operations.ts'
import { type Names, report } from './report.ts'
import { floor } from './servers/floor.ts'
import { gateway } from './servers/gateway.ts'
import { oidcProvider } from './servers/oidc-provider.ts'

/** Measures the gateway beside others on this machine, and writes the figures into docs/performance.md. */

const usage = `npm run bench -- [options]
  --only NAMES    operations, comma separated: ${operations.join(', ')}
  --servers NAMES of coatcheck, floor, oidc-provider, plain; comma separated
  --rounds N      5 unless said
  --seconds N     that each operation is measured in each round; 1 unless said
  --profile DIR   measures Coatcheck alone and leaves a CPU profile of it there
  --check         one short round: only whether all of it works
Figures go into docs/performance.md when everything was measured in full.`

const figuresFile = 'docs/performance.md'
const [begin, end] = ['<!-- figures of npm run bench -->', '<!-- end of the figures -->']

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
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
const built = existsSync('dist/cli.js') && !values.check
const all = {
  coatcheck: gateway(built ? 'dist/cli.js' : 'src/cli.ts'),
  floor,
  'oidc-provider': oidcProvider('oidc-provider, joined commits', 'joined'),
  plain: oidcProvider('oidc-provider, plain', 'separate'),
}

async function main(): Promise<void> {
  if (values.help) return console.log(usage)
  const wanted =
    values.profile === undefined ? (values.servers?.split(',') ?? Object.keys(all)) : ['coatcheck']
  const servers = Object.entries(all).flatMap(([name, server]) => (wanted.includes(name) ? [server] : []))
  const effort: Effort = {
    operations: values.only === undefined ? operations : values.only.split(',').map(asOperation),
    rounds: values.check ? 1 : Number(values.rounds),
    seconds: values.check ? 0.1 : Number(values.seconds),
    connections: 16,
    node: values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`],
    tell: (what) => console.error(what),
  }
  if (!canPin) effort.tell('There is no taskset here: server and load share the cores.')
  const measurement = await measure(servers, effort)
  const starts: Start[] = []
  const isPartial = values.check || (values.only ?? values.servers ?? values.profile) !== undefined
  if (!isPartial) {
    effort.tell('starts')
    for (let round = 0; round < effort.rounds; round++) {
      for (const server of servers) starts.push(await measureStart(server))
    }
  }
  const figures = report(measurement, starts, effort, names)
  console.log(figures)
  if (!isPartial) keep(figures)
}

function asOperation(name: string): Operation {
  const found = operations.find((operation) => operation === name)
  if (!found) throw new Error(`there is no operation ${name}\n${usage}`)
  return found
}

/** Puts the figures where those of the last run are. */
function keep(figures: string): void {
  const page = readFileSync(figuresFile, 'utf8')
  const [before, after] = [page.indexOf(begin), page.indexOf(end)]
  if (before === -1 || after === -1) throw new Error(`${figuresFile} has no place for the figures`)
  writeFileSync(figuresFile, `${page.slice(0, before)}${begin}\n\n${figures}\n\n${page.slice(after)}`)
}

await main()
