import { loadConfig } from '../config/config.ts'
import { presentSecrets } from '../config/generated-secrets.ts'
import { createSealer, type Sealer } from '../lib/seal.ts'
import { openDatabase } from '../storage/database.ts'
import { verifyMasterKeys } from '../storage/key-check.ts'
import { createStore, type Store } from '../storage/store.ts'
import { AdminApiError } from './admin-api.ts'
import type { Terminal } from './terminal.ts'

/** What stands in the database and opens with the keys at hand, without a gateway: where one may not be believed. */
export async function withVault<Value>(
  { env, readFile }: Terminal,
  look: (vault: { store: Store; sealer: Sealer }) => Promise<Value>,
): Promise<Value> {
  const config = loadConfig(env, readFile)
  const [first, ...rest] = presentSecrets(config).masterKeys ?? []
  if (!first) throw new AdminApiError('The master key is not here, and without it nothing can be verified')
  const sealer = createSealer([first, ...rest])
  const database = await openDatabase(config.databaseUrl, {
    access: 'read',
    beforeMigrations: async (checks) => void (await verifyMasterKeys(checks, sealer)),
  })
  try {
    const { pendingMigrations } = await database.condition()
    if (pendingMigrations > 0) {
      throw new AdminApiError('The database is of an older version: coatcheck migrate brings it up to date')
    }
    return await look({ store: createStore(database.db, database.tables, database.batch), sealer })
  } finally {
    await database.close()
  }
}
