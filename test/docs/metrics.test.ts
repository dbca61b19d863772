import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { createExposition, type Readings } from '../../src/metrics/exposition.ts'
import { type Metric, metrics } from '../../src/metrics/metric.ts'

const page = readFileSync('docs/metrics.md', 'utf8')
const declared: Metric[] = Object.values(metrics)

/** A row of the page for each metric, as it is declared. */
function rowOf({ name, kind, help, labels }: Metric): string {
  const told = Object.entries(labels).map(([label, values]) => {
    const words = typeof values === 'string' ? [] : values.map((word) => `\`${word}\``)
    return `\`${label}\`: ${words.join(', ') || (values === 'ids' ? 'an id' : 'a name')}`
  })
  return `| \`${name}\` | ${kind} | ${told.join('; ') || 'none'} | ${help} |`
}

const nothing: Readings = {
  connections: [],
  upstreamRevocations: [],
  refreshLeases: [],
  unstoredTokens: [],
  choreDoneAt: [],
  choresHeld: [],
  providerState: [],
  requestsUnderWay: [],
  writeQueueLength: [],
  auditRows: [],
  databaseBytes: [],
  buildInfo: [],
}

/** Every name a scrape can have, those of prom-client included. */
async function scraped(): Promise<Set<string>> {
  const text = await createExposition().render(nothing)
  const types = [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)]
  return new Set(
    types.flatMap(([, name = '', type]) =>
      type === 'histogram' ? ['_bucket', '_sum', '_count'].map((end) => name + end) : [name],
    ),
  )
}

/** What stands in a query where the name of a metric can stand. */
const namesIn = (query: string) =>
  [...query.matchAll(/\b(?:coatcheck|process|nodejs)_\w+/g)].map(([name]) => name)

test('every metric has its row, as it is declared, and no row is left over', () => {
  const rows = page.split('\n').filter((line) => line.startsWith('| `coatcheck_'))
  expect(rows).toEqual(declared.map(rowOf))
})

test('names say what is counted, and in which unit', () => {
  for (const { name, kind } of declared) {
    expect(name).toMatch(/^coatcheck_[a-z_]+$/)
    expect(name.endsWith('_total')).toBe(kind === 'counter')
    if (kind === 'histogram') expect(name).toMatch(/_seconds$/)
  }
})

test('no label can hold what a stranger chooses', () => {
  const labels = new Set(declared.flatMap(({ labels }) => Object.keys(labels)))
  expect([...labels].toSorted()).toEqual(
    [
      'chore',
      'face',
      'grant',
      'kind',
      'outcome',
      'precedence',
      'provider',
      'rate',
      'route',
      'state',
      'status',
      'version',
    ].toSorted(),
  )
})

test('every alert asks for metrics that there are', async () => {
  const known = await scraped()
  const rules = [...page.matchAll(/expr: (.+)/g)].map(([, expr = '']) => expr)
  expect(rules.length).toBeGreaterThan(5)
  expect(rules.filter((rule) => namesIn(rule).length === 0)).toEqual([])
  expect(rules.flatMap(namesIn).filter((name) => !known.has(name))).toEqual([])
})

type Panel = { id: number; type: string; title: string; targets?: { expr: string }[] }
type Dashboard = { panels: Panel[]; templating: { list: { query: string | { query: string } }[] } }

const dashboard = JSON.parse(readFileSync('docs/grafana/coatcheck.json', 'utf8')) as Dashboard

test('every query of the dashboard asks for metrics that there are', async () => {
  const known = await scraped()
  const panels = dashboard.panels.filter(({ type }) => type !== 'row')
  const queries = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
  const variables = dashboard.templating.list.map(({ query }) =>
    typeof query === 'string' ? '' : query.query,
  )
  expect(panels.length).toBeGreaterThan(15)
  expect(queries.filter((query) => namesIn(query).length === 0)).toEqual([])
  expect([...queries, ...variables].flatMap(namesIn).filter((name) => !known.has(name))).toEqual([])
})

test('the dashboard shows every metric, and no panel twice', () => {
  const queries = JSON.stringify(dashboard)
  expect(declared.filter(({ name }) => !queries.includes(name)).map(({ name }) => name)).toEqual([])
  const ids = dashboard.panels.map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
})

test('its queries name labels the metric has', () => {
  const own = new Map(declared.map(({ name, labels }) => [name, Object.keys(labels)]))
  const wrong = dashboard.panels
    .flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
    .flatMap((expr) => [...expr.matchAll(/(coatcheck_\w+?)(?:_bucket|_sum|_count)?\{([^}]*)\}/g)])
    .flatMap(([, name = '', matchers = '']) =>
      [...matchers.matchAll(/(\w+)=/g)]
        .map(([, label = '']) => label)
        .filter((label) => !['job', 'instance', ...(own.get(name) ?? [])].includes(label))
        .map((label) => `${name}: ${label}`),
    )
  expect(wrong).toEqual([])
})
