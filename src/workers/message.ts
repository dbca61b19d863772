import type { Config } from '../config/config.ts'
import type { Collected } from '../metrics/exposition.ts'

/** What the primary process says to a worker. */
export type ToWorker =
  /** All a worker is told of how it is to run: it reads no variable and no file, so every one of them runs alike. */
  { kind: 'start'; config: Config } | { kind: 'stop' } | { kind: 'collect' }

/** What a worker says to the primary process. */
export type FromWorker =
  | { kind: 'ready' }
  /** Every few seconds from then on, so that one that stands still is told from one with nothing to do. */
  | { kind: 'alive' }
  /** It could not start, in the words of the command line. */
  | { kind: 'failed'; message: string }
  /** It found a fault of its own, and takes no more requests: its place may be filled. */
  | { kind: 'failing' }
  /** Unasked, just before it ends: for the last time. */
  | { kind: 'collected'; metrics: Collected }
