import { families } from './families/scenario.ts'
import { onPostgres } from './postgres/scenarios.ts'
import type { Scenario } from './scenario.ts'
import { clock } from './scenarios/clock.ts'
import { diskFull } from './scenarios/disk-full.ts'
import { fileLost } from './scenarios/file-lost.ts'
import { floods } from './scenarios/floods.ts'
import { foreignLock } from './scenarios/foreign-lock.ts'
import { ioErrors } from './scenarios/io-errors.ts'
import { kill } from './scenarios/kill.ts'
import { powerCut } from './scenarios/power-cut.ts'
import { slowClients } from './scenarios/slow-clients.ts'
import { workers } from './scenarios/workers.ts'

/** In the order they are run. */
export const scenarios: readonly Scenario[] = [
  families,
  kill,
  workers,
  powerCut,
  diskFull,
  foreignLock,
  fileLost,
  ioErrors,
  clock,
  slowClients,
  floods,
  ...onPostgres,
]
