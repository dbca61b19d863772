import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { migrate } from '../../src/storage/postgres/migrate.ts'
import { startPostgres } from './postgres.ts'
import { quickFolder } from './quick-folder.ts'

const settings = {
  max_connections: '300',
  deadlock_timeout: '10ms',
  // Databases that live for seconds: nothing to clean up behind, nobody to send a log to, no plan worth compiling.
  jit: 'off',
  full_page_writes: 'off',
  autovacuum: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '256MB',
}

/** One server for all tests of a run that want one. Where it does not start, no test runs, and the run has failed. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startPostgres(settings, quickFolder())
  const url = await server.createDatabase()
  const client = new pg.Client(url)
  await client.connect()
  await migrate(client)
  await client.end()
  project.provide('postgres', { url: server.url, migrated: url })
  return server.stop
}
