import type { BenchDatabase } from './databases.ts'

/** What belongs to a session, in the order of its references, and which of its columns name one row. */
const naming: Readonly<Record<string, readonly string[]>> = {
  subjects: ['id'],
  connections: ['id', 'subject_id', 'upstream_subject', 'account_id'],
  grants: ['id', 'tsid', 'subject_id'],
  grant_connections: ['grant_id', 'connection_id'],
  refresh_tokens: ['token_hash', 'grant_id', 'successor_hash'],
}

/**
 * Puts so many copies beside every session there is, each of a person of its own and next to its original in every
 * index, so that a session that is asked for later is one of many wherever it is looked up.
 */
export async function multiply(database: BenchDatabase, copies: number): Promise<void> {
  for (const [table, names] of Object.entries(naming)) {
    const columns = await database.columnsOf(table)
    const values = columns.map((column) =>
      names.includes(column) ? `t.${column} || '-' || n` : `t.${column}`,
    )
    await database.run(
      `WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${copies})
      INSERT INTO ${table} (${columns.join(', ')}) SELECT ${values.join(', ')} FROM numbers, ${table} t`,
    )
  }
}
