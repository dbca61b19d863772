import SqliteDatabase, { type Database } from 'better-sqlite3'
import { makeDurable } from './joined-commits.ts'

export type Connection = Database

export type ClientRow = { metadata: string }
export type CredentialRow = { secret_hash: Buffer; resource: string }
export type SessionRow = {
  id: string
  subject: string
  client: string
  scope: string
  sealed: Buffer
  expires_at: number
}
export type TokenRow = { grant_id: string; subject: string; client: string; scope: string }
export type CodeRow = TokenRow & { redirect_uri: string; challenge: string }

/** The tables and statements of a server that keeps nothing but what its answers need. */
export function openFloorStore(file: string) {
  const connection = new SqliteDatabase(file)
  makeDurable(connection)
  connection.exec(`
    CREATE TABLE IF NOT EXISTS clients (id TEXT PRIMARY KEY, metadata TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS credentials (id TEXT PRIMARY KEY, secret_hash BLOB NOT NULL, resource TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS grants (id TEXT PRIMARY KEY, tsid TEXT NOT NULL UNIQUE, subject TEXT NOT NULL, client TEXT NOT NULL,
      resource TEXT NOT NULL, scope TEXT NOT NULL, expires_at INTEGER NOT NULL, revoked_at INTEGER, sealed BLOB);
    CREATE TABLE IF NOT EXISTS codes (hash TEXT PRIMARY KEY, grant_id TEXT NOT NULL, redirect_uri TEXT NOT NULL,
      challenge TEXT NOT NULL, expires_at INTEGER NOT NULL, used_at INTEGER);
    CREATE TABLE IF NOT EXISTS refresh_tokens (hash TEXT PRIMARY KEY, grant_id TEXT NOT NULL, expires_at INTEGER NOT NULL,
      used_at INTEGER);
    CREATE TABLE IF NOT EXISTS interactions (id TEXT PRIMARY KEY, browser_hash TEXT NOT NULL, client TEXT NOT NULL,
      request TEXT NOT NULL, expires_at INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS audit_events (id TEXT PRIMARY KEY, at INTEGER NOT NULL, event TEXT NOT NULL, actor TEXT NOT NULL,
      subject TEXT, client TEXT, resource TEXT, detail TEXT NOT NULL);
  `)
  const prepare = <Row>(sql: string) => connection.prepare<unknown[], Row>(sql)
  const ofGrant = 'g.id AS grant_id, g.subject, g.client, g.scope'
  return {
    connection,
    client: prepare<ClientRow>('SELECT metadata FROM clients WHERE id = ?'),
    credential: prepare<CredentialRow>('SELECT secret_hash, resource FROM credentials WHERE id = ?'),
    session: prepare<SessionRow>(
      'SELECT * FROM grants WHERE tsid = ? AND resource = ? AND revoked_at IS NULL AND expires_at > ?',
    ),
    refreshToken: prepare<TokenRow>(
      `SELECT ${ofGrant} FROM refresh_tokens t JOIN grants g ON g.id = t.grant_id
       WHERE t.hash = ? AND t.used_at IS NULL AND t.expires_at > ? AND g.revoked_at IS NULL`,
    ),
    code: prepare<CodeRow>(
      `SELECT ${ofGrant}, c.redirect_uri, c.challenge FROM codes c JOIN grants g ON g.id = c.grant_id
       WHERE c.hash = ? AND c.used_at IS NULL AND c.expires_at > ? AND g.revoked_at IS NULL`,
    ),
    spendRefreshToken: prepare(
      'UPDATE refresh_tokens SET used_at = ? WHERE hash = ? AND used_at IS NULL RETURNING 1',
    ),
    spendCode: prepare('UPDATE codes SET used_at = ? WHERE hash = ? AND used_at IS NULL RETURNING 1'),
    saveRefreshToken: prepare('INSERT INTO refresh_tokens VALUES (?, ?, ?, NULL)'),
    saveClient: prepare('INSERT INTO clients VALUES (?, ?)'),
    saveInteraction: prepare('INSERT INTO interactions VALUES (?, ?, ?, ?, ?)'),
    saveAudit: prepare('INSERT INTO audit_events VALUES (?, ?, ?, ?, ?, ?, ?, ?)'),
    saveCredential: prepare('INSERT INTO credentials VALUES (?, ?, ?)'),
    saveGrant: prepare('INSERT INTO grants VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?)'),
    saveCode: prepare('INSERT INTO codes VALUES (?, ?, ?, ?, ?, NULL)'),
  }
}

export type FloorStore = ReturnType<typeof openFloorStore>
