import type { QueryConfig } from 'pg'
import { sha256 } from '../../lib/secret.ts'

/** Gives statements that are run again and again a name, so that each connection parses and plans them once. */
export type StatementNames = ReturnType<typeof createStatementNames>

/**
 * `lasting`: whether what a session is told stays there. Behind a pooler it may be another session the next time; should
 * one pass for none, a name still means the same statement to all who share the session.
 */
export function createStatementNames(sessions: 'lasting' | 'shared') {
  const names = new Map<string, string>()
  let isNaming = sessions === 'lasting'
  return {
    /** drizzle gives what is prepared the empty name it was told, and everything else none. */
    named<Statement extends QueryConfig>(statement: Statement): Statement {
      if (statement.name !== '' || !isNaming) return statement
      const name = names.get(statement.text) ?? `coatcheck_${sha256(statement.text)}`
      names.set(statement.text, name)
      return { ...statement, name }
    },
    /** A session did not have what it had been told. */
    giveUp(): void {
      isNaming = false
    },
  }
}
