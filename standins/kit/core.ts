import type { Browser } from './browser.ts'
import type { Callbacks } from './callbacks.ts'
import type { VirtualClock } from './clock.ts'
import type { Faults } from './faults.ts'
import type { Ids } from './ids.ts'
import type { IssuedRecord } from './issued.ts'
import type { RequestLog } from './log.ts'

/** What every stand-in is made of. */
export type Core = {
  clock: VirtualClock
  ids: Ids
  log: RequestLog
  faults: Faults
  issued: IssuedRecord
  browser: Browser
  callbacks: Callbacks
}
