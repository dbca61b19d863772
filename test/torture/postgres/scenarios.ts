import type { Scenario } from '../scenario.ts'
import { connectionsCut } from '../scenarios/connections-cut.ts'
import { databaseKilled } from '../scenarios/database-killed.ts'
import { databaseStuck } from '../scenarios/database-stuck.ts'
import { failover } from '../scenarios/failover.ts'
import { oneRefresh } from '../scenarios/one-refresh.ts'
import { replicasKilled } from '../scenarios/replicas-killed.ts'
import { rollingRestart } from '../scenarios/rolling-restart.ts'

/** Two replicas on a PostgreSQL of their own. */
export const onPostgres: readonly Scenario[] = [
  replicasKilled,
  databaseKilled,
  connectionsCut,
  databaseStuck,
  failover,
  oneRefresh,
  rollingRestart,
]
