import SqliteDatabase from 'better-sqlite3'
import { systemClock } from '../../src/lib/clock.ts'
import { joinedCommits, makeDurable, separateCommits } from './joined-commits.ts'

type Payload = Record<string, unknown>
type Row = { payload: string; consumed_at: number | null }

export type Commits = 'joined' | 'separate'

/** The library's storage in one SQLite table, every write durable before it answers. */
export function sqliteAdapter(file: string, commits: Commits) {
  const connection = new SqliteDatabase(file)
  makeDurable(connection)
  connection.exec(`
    CREATE TABLE IF NOT EXISTS models (model TEXT NOT NULL, id TEXT NOT NULL, payload TEXT NOT NULL, grant_id TEXT, uid TEXT,
      user_code TEXT, expires_at INTEGER, consumed_at INTEGER, PRIMARY KEY (model, id));
    CREATE INDEX IF NOT EXISTS models_grant ON models (grant_id) WHERE grant_id IS NOT NULL;
    CREATE INDEX IF NOT EXISTS models_uid ON models (model, uid) WHERE uid IS NOT NULL;
  `)
  const commit = commits === 'joined' ? joinedCommits(connection) : separateCommits
  const select = (condition: string) =>
    connection.prepare<[string, string], Row>(`SELECT payload, consumed_at FROM models WHERE ${condition}`)
  const byId = select('model = ? AND id = ?')
  const byUid = select('model = ? AND uid = ?')
  const byUserCode = select('model = ? AND user_code = ?')
  const save = connection.prepare('INSERT OR REPLACE INTO models VALUES (?, ?, ?, ?, ?, ?, ?, NULL)')
  const consume = connection.prepare('UPDATE models SET consumed_at = ? WHERE model = ? AND id = ?')
  const destroy = connection.prepare('DELETE FROM models WHERE model = ? AND id = ?')
  const revoke = connection.prepare('DELETE FROM models WHERE grant_id = ?')

  const read = (row: Row | undefined): Payload | undefined =>
    row && { ...JSON.parse(row.payload), ...(row.consumed_at === null ? {} : { consumed: row.consumed_at }) }

  return (model: string) => ({
    find: async (id: string) => read(byId.get(model, id)),
    findByUid: async (uid: string) => read(byUid.get(model, uid)),
    findByUserCode: async (userCode: string) => read(byUserCode.get(model, userCode)),
    async upsert(id: string, payload: Payload, expiresIn?: number) {
      const { grantId = null, uid = null, userCode = null } = payload
      const expiresAt = expiresIn === undefined ? null : systemClock() + expiresIn
      const text = JSON.stringify(payload)
      await commit(() => save.run(model, id, text, grantId, uid, userCode, expiresAt))
    },
    async consume(id: string) {
      await commit(() => consume.run(systemClock(), model, id))
    },
    async destroy(id: string) {
      await commit(() => destroy.run(model, id))
    },
    async revokeByGrantId(grantId: string) {
      await commit(() => revoke.run(grantId))
    },
  })
}
