import { setTimeout } from 'node:timers/promises'
import { breakReplicas } from '../postgres/replicas.ts'
import type { Server } from '../postgres/server.ts'
import { pick, type Scenario } from '../scenario.ts'

/** Ways for a server to end, none of which is to lose a commit. */
const ends: ((server: Server) => Promise<void>)[] = [
  (server) => server.kill('everything'),
  (server) => server.kill('postmaster'),
  (server) => server.stop('immediate'),
  (server) => server.stop('fast'),
]

export const databaseKilled: Scenario = {
  name: 'database-killed',
  about:
    'PostgreSQL killed -9 or stopped under load and started again: nothing acknowledged is lost, 503 meanwhile',
  rounds: 24,
  run: (setting) =>
    breakReplicas(setting, {
      async breaking({ database }) {
        const server = database.primary()
        await pick(ends, setting.random)(server)
        await setTimeout(setting.random() * 1_000)
        await server.start()
        return performance.now()
      },
    }),
}
