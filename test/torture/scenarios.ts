import { families } from './families/scenario.ts'
import { onPostgres } from './postgres/scenarios.ts'
import type { Scenario } from './scenario.ts'
import { clock } from './scenarios/clock.ts'
import { diskFull } from './scenarios/disk-full.ts'
import { fileLost } from './scenarios/file-lost.ts'
import { foreignLock } from './scenarios/foreign-lock.ts'
import { kill } from './scenarios/kill.ts'
import { powerCut } from './scenarios/power-cut.ts'

/** In the order they are run. */
export const scenarios: readonly Scenario[] = [
  families,
  kill,
  powerCut,
  diskFull,
  foreignLock,
  fileLost,
  clock,
  ...onPostgres,
]
