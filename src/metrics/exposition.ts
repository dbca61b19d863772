import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
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
}

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

  return {
    meter: {
      count: (key, labels, by = 1) => counters.get(key)?.inc(bounded(key, labels), by),
      time: (key, labels, seconds) => histograms.get(key)?.observe(bounded(key, labels), seconds),
    },
    contentType: registry.contentType,
    async render(readings) {
      for (const [key, gauge] of gauges) {
        gauge.reset()
        // One without labels would say 0.
        gauge.remove({})
        // What is beyond the bound has one series together.
        for (const { labels, value } of readings[key as GaugeKey]) gauge.inc(bounded(key, labels), value)
      }
      return await registry.metrics()
    },
  }
}

const settings = (registry: Registry, { name, help, labels }: Metric) => ({
  name,
  help,
  labelNames: Object.keys(labels),
  registers: [registry],
})
