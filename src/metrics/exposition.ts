import { AggregatorRegistry, Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import {
  type GaugeKey,
  type LabelsOf,
  type LabelValues,
  type Meter,
  type Metric,
  type MetricKey,
  metrics,
} from './metric.ts'

export type Reading<Key extends GaugeKey> = { labels: LabelsOf<Key>; value: number }

/** What is read when somebody asks, of every gauge; nothing stands for what cannot be told just now. */
export type Readings = { [Key in GaugeKey]: readonly Reading<Key>[] }

export type Exposition = {
  meter: Meter
  contentType: string
  /** Everything in Prometheus' text format, with these readings of the gauges. */
  render(readings: Readings): Promise<string>
  /** The same as data, to be told together with that of other processes. */
  collect(readings: Readings): Promise<Collected>
}

/** The metrics of one process at one moment. */
export type Collected = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

/** Ids that are told apart, and names. Names end with the code; the bound is for what was not thought of. */
const most = { ids: 100, names: 300 }
const beyond = 'other'

/** The metrics of one gateway, in a registry of its own, with what prom-client tells of the process. */
export function createExposition(): Exposition {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const known = { ids: new Set<string>(), names: new Set<string>() }
  const entries = Object.entries(metrics) as [MetricKey, Metric][]
  const ofKind = <Value>(kind: Metric['kind'], make: (metric: Metric) => Value) =>
    new Map(entries.filter(([, metric]) => metric.kind === kind).map(([key, metric]) => [key, make(metric)]))
  const counters = ofKind('counter', (metric) => new Counter(settings(registry, metric)))
  const gauges = ofKind('gauge', (metric) => new Gauge(settings(registry, metric)))
  const histograms = ofKind(
    'histogram',
    (metric) => new Histogram({ ...settings(registry, metric), buckets: [...(metric.buckets ?? [])] }),
  )

  function bounded<Key extends MetricKey>(key: Key, labels: LabelsOf<Key>): Record<string, string> {
    const given: Readonly<Record<string, unknown>> = labels
    const told: Record<string, string> = {}
    for (const [label, values] of Object.entries<LabelValues>(metrics[key].labels)) {
      told[label] = boundedValue(values, String(given[label]))
    }
    return told
  }

  function boundedValue(values: LabelValues, value: string): string {
    if (typeof values !== 'string') return values.includes(value) ? value : beyond
    const seen = known[values]
    if (seen.has(value)) return value
    if (seen.size >= most[values]) return beyond
    seen.add(value)
    return value
  }

  function show(readings: Readings): void {
    for (const [key, gauge] of gauges) {
      gauge.reset()
      // One without labels would say 0.
      gauge.remove({})
      // What is beyond the bound has one series together.
      for (const { labels, value } of readings[key as GaugeKey]) gauge.inc(bounded(key, labels), value)
    }
  }

  return {
    meter: {
      count: (key, labels, by = 1) => counters.get(key)?.inc(bounded(key, labels), by),
      time: (key, labels, seconds) => histograms.get(key)?.observe(bounded(key, labels), seconds),
    },
    contentType: registry.contentType,
    async render(readings) {
      show(readings)
      return await registry.metrics()
    },
    async collect(readings) {
      show(readings)
      return await registry.getMetricsAsJSON()
    },
  }
}

/** The metrics of several processes as those of one, in Prometheus' text format. */
export async function renderTogether(collected: readonly Collected[]): Promise<string> {
  return await AggregatorRegistry.aggregate([...collected]).metrics()
}

export const contentTypeTogether: string = Registry.PROMETHEUS_CONTENT_TYPE

/**
 * What stays of processes that ended: all that only ever grows. Without it a sum would shrink as one is replaced, which
 * Prometheus takes for a start at 0.
 */
export async function grownTogether(collected: readonly Collected[]): Promise<Collected> {
  const together = await AggregatorRegistry.aggregate([...collected]).getMetricsAsJSON()
  return together.filter(({ type }) => growing.has(String(type)))
}

const growing: ReadonlySet<string> = new Set(['counter', 'histogram'])

const settings = (registry: Registry, { name, help, labels, together = 'sum' }: Metric) => ({
  name,
  help,
  aggregator: together,
  labelNames: Object.keys(labels),
  registers: [registry],
})
