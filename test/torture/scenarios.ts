import { families } from './families/scenario.ts'
import type { Scenario } from './scenario.ts'
import { kill } from './scenarios/kill.ts'

/** In the order they are run. */
export const scenarios: readonly Scenario[] = [families, kill]
