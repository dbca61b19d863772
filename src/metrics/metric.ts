/**
 * What a label may hold, so that nobody outside decides how many series there are:
 * - a list: one of these words;
 * - `ids`: ids that administrators give, of which the first hundred are told apart;
 * - `names`: words that stand in the code, such as routes and limits.
 */
export type LabelValues = readonly string[] | 'ids' | 'names'

export type Metric = {
  kind: 'counter' | 'gauge' | 'histogram'
  name: string
  help: string
  labels: Readonly<Record<string, LabelValues>>
  /** Of a histogram: upper bounds, in seconds. */
  buckets?: readonly number[]
  /** What the values of several processes are together. `max`: each of them tells of the database, or of the worst. */
  together?: 'sum' | 'max'
}

const ids = 'ids'
const names = 'names'

/** From half a millisecond to ten seconds. */
const waits = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** From a commit to a fast disk to one behind another process. */
const commits = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1]

const troubles = ['reauth', 'config', 'transient', 'limited', 'denied', 'policy', 'restart'] as const

/** Every metric there is, beside what prom-client tells of the process. No label says who somebody is. */
export const metrics = {
  tokenRetrievals: {
    kind: 'counter',
    name: 'coatcheck_token_retrievals_total',
    help: 'Requests of MCP servers for an upstream token: released, or the error_code of the refusal',
    labels: { face: ['rest', 'exchange'], outcome: names },
  },
  tokenRetrievalDuration: {
    kind: 'histogram',
    name: 'coatcheck_token_retrieval_duration_seconds',
    help: 'From the arrival of such a request to its answer, refused ones included',
    labels: { face: ['rest', 'exchange'] },
    buckets: waits,
  },
  upstreamRefreshes: {
    kind: 'counter',
    name: 'coatcheck_upstream_refreshes_total',
    help: 'Attempts to refresh the upstream token of a connection, by what came of them',
    labels: {
      provider: ids,
      outcome: ['refreshed', 'dead', 'overtaken', 'not_stored', ...troubles],
    },
  },
  upstreamRefreshDuration: {
    kind: 'histogram',
    name: 'coatcheck_upstream_refresh_duration_seconds',
    help: 'From having the lease of a connection to the end of the attempt; most of it is the provider',
    labels: { provider: ids },
    buckets: waits,
  },
  signIns: {
    kind: 'counter',
    name: 'coatcheck_sign_ins_total',
    help: 'People who came back from a provider they were sent to, to sign in',
    labels: { provider: ids, outcome: ['signed_in', 'wrong_account', ...troubles] },
  },
  tokensIssued: {
    kind: 'counter',
    name: 'coatcheck_tokens_issued_total',
    help: 'Successful answers of the token endpoint, by grant type',
    labels: { grant: names },
  },
  httpRequests: {
    kind: 'counter',
    name: 'coatcheck_http_requests_total',
    help: 'Answered requests by the template of their route, without the path of the issuer; none: no route has it',
    labels: { route: names, status: ['1xx', '2xx', '3xx', '4xx', '5xx'] },
  },
  rateLimitRefusals: {
    kind: 'counter',
    name: 'coatcheck_rate_limit_refusals_total',
    help: 'How often a limit had nothing left, by its name in the configuration',
    labels: { rate: names },
  },
  loadRefusals: {
    kind: 'counter',
    name: 'coatcheck_load_refusals_total',
    help: 'Requests that were refused because this process had too much to do, by how much they are missed',
    labels: { precedence: ['new', 'ordinary', 'needed'] },
  },
  commitDuration: {
    kind: 'histogram',
    name: 'coatcheck_commit_duration_seconds',
    help: 'Transactions that were committed; on SQLite each stands for all writes that waited for it',
    labels: {},
    buckets: commits,
  },
  committedWrites: {
    kind: 'counter',
    name: 'coatcheck_committed_writes_total',
    help: 'Writes in those transactions',
    labels: {},
  },
  databaseBusy: {
    kind: 'counter',
    name: 'coatcheck_database_busy_total',
    help: 'How often another process was found holding the SQLite database',
    labels: {},
  },
  sweeps: {
    kind: 'counter',
    name: 'coatcheck_sweeps_total',
    help: 'Sweeps of what ended long enough ago',
    labels: { outcome: ['done', 'failed'] },
  },
  sweptRows: {
    kind: 'counter',
    name: 'coatcheck_swept_rows_total',
    help: 'Rows the sweeps took, by what they were',
    labels: { kind: names },
  },
  connections: {
    kind: 'gauge',
    name: 'coatcheck_connections',
    help: 'Connections in the database, counted to 100000; needs_reauthorization: dead until their person comes back',
    labels: { provider: ids, status: ['live', 'needs_reauthorization'] },
    together: 'max',
  },
  refreshLeases: {
    kind: 'gauge',
    name: 'coatcheck_refresh_leases',
    help: 'Connections this process refreshes just now, waits for (another process, or its turn at the provider), or refreshes although the provider takes longer than anybody waits',
    labels: { state: ['held', 'waiting', 'late'] },
  },
  unstoredTokens: {
    kind: 'gauge',
    name: 'coatcheck_unstored_tokens',
    help: 'Rotated tokens that the store would not take yet and that this process alone has',
    labels: {},
  },
  upstreamRevocations: {
    kind: 'gauge',
    name: 'coatcheck_upstream_revocations',
    help: 'What providers have yet to be told of what ended here; troubled: at least one attempt failed',
    labels: { provider: ids, state: ['new', 'troubled'] },
    together: 'max',
  },
  choreDoneAt: {
    kind: 'gauge',
    name: 'coatcheck_chore_done_timestamp_seconds',
    help: 'When the work of a chore that one process of all does at a time last ended well, whichever did it',
    labels: { chore: names },
    together: 'max',
  },
  choresHeld: {
    kind: 'gauge',
    name: 'coatcheck_chores_held',
    help: 'Whether this process is at such a chore: 1 or 0; seldom more than a moment',
    labels: { chore: names },
  },
  providerState: {
    kind: 'gauge',
    name: 'coatcheck_provider_state',
    help: 'How this process asks a provider for refreshes: 0 freely, 1 fewer at once after trouble, 2 not for the moment',
    labels: { provider: ids },
    together: 'max',
  },
  requestsUnderWay: {
    kind: 'gauge',
    name: 'coatcheck_requests_under_way',
    help: 'Requests this process has read and not answered yet',
    labels: {},
  },
  writeQueueLength: {
    kind: 'gauge',
    name: 'coatcheck_write_queue_length',
    help: 'Writes that wait for a commit (SQLite), or requests that wait for a connection (PostgreSQL)',
    labels: {},
  },
  auditRows: {
    kind: 'gauge',
    name: 'coatcheck_audit_rows',
    help: 'Rows of the audit log; on PostgreSQL as estimated by the server',
    labels: {},
    together: 'max',
  },
  databaseBytes: {
    kind: 'gauge',
    name: 'coatcheck_database_bytes',
    help: 'Size of the database, without the log SQLite keeps beside it',
    labels: {},
    together: 'max',
  },
  buildInfo: {
    kind: 'gauge',
    name: 'coatcheck_build_info',
    help: 'Always 1; what is running is in the label',
    labels: { version: names },
    together: 'max',
  },
} as const satisfies Record<string, Metric>

type Metrics = typeof metrics
export type MetricKey = keyof Metrics
type Of<Kind extends Metric['kind']> = {
  [Key in MetricKey]: Metrics[Key]['kind'] extends Kind ? Key : never
}[MetricKey]

export type CounterKey = Of<'counter'>
export type GaugeKey = Of<'gauge'>
export type HistogramKey = Of<'histogram'>

export type LabelsOf<Key extends MetricKey> = {
  [Label in keyof Metrics[Key]['labels']]: Metrics[Key]['labels'][Label] extends readonly (infer Word)[]
    ? Word
    : string
}

/** What everything that happens is told to. */
export type Meter = {
  count<Key extends CounterKey>(key: Key, labels: LabelsOf<Key>, by?: number): void
  time<Key extends HistogramKey>(key: Key, labels: LabelsOf<Key>, seconds: number): void
}

/** Of a gateway that nobody watches. */
export const deafMeter: Meter = { count: () => {}, time: () => {} }
