import type { Scenario } from '../scenario.ts'
import { choreHolderStopped } from '../scenarios/chore-holder-stopped.ts'
import { connectionsCut } from '../scenarios/connections-cut.ts'
import { databaseKilled } from '../scenarios/database-killed.ts'
import { databaseStuck } from '../scenarios/database-stuck.ts'
import { failover } from '../scenarios/failover.ts'
import { leaseHolderStopped } from '../scenarios/lease-holder-stopped.ts'
import { oneRefresh } from '../scenarios/one-refresh.ts'
import { providerOutage } from '../scenarios/provider-outage.ts'
import { replicasKilled } from '../scenarios/replicas-killed.ts'
import { rollingRestart } from '../scenarios/rolling-restart.ts'

/** Two replicas on a PostgreSQL of their own. */
export const onPostgres: readonly Scenario[] = [
  replicasKilled,
  databaseKilled,
  connectionsCut,
  databaseStuck,
  failover,
  leaseHolderStopped,
  choreHolderStopped,
  oneRefresh,
  rollingRestart,
  providerOutage,
]
