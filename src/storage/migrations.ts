import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export type Migration = {
  tag: string
  /** SHA-256 of the file, so that a migration edited after it was applied is noticed. */
  hash: string
  source: string
}

/** What the database remembers of a migration. */
export type Applied = { tag: string; hash: string }

/** The database has another history than this version of the gateway; only a person can decide what to do. */
export class SchemaMismatchError extends Error {
  override name = 'SchemaMismatchError'
}

/** In both databases; not one of the schema's tables, since it must be there before the first of them. */
export const createMigrationsTable =
  'CREATE TABLE IF NOT EXISTS applied_migrations (tag text PRIMARY KEY NOT NULL, hash text NOT NULL)'
export const selectMigrations = 'SELECT tag, hash FROM applied_migrations ORDER BY tag'

/**
 * Among what an empty database has had while rows are brought into it from elsewhere: whoever else opens it finds out that
 * it is not complete.
 */
export const incompleteMark: Migration = { tag: 'incomplete', hash: '', source: '' }

/** Among what a database has had once all of it was moved elsewhere: nobody is to go on with what stayed. */
export const movedMark: Migration = { tag: 'moved', hash: '', source: '' }

const marks: readonly (readonly [Migration, string])[] = [
  [
    incompleteMark,
    'a restore or move into this database did not come to its end; run it again, which begins anew',
  ],
  [movedMark, 'everything in this database was moved to another; use that one'],
]

/** A true write that changes nothing, and a read: what readiness asks of a database. */
export const rewriteMigrations = 'UPDATE applied_migrations SET hash = hash RETURNING tag'

/** The migrations drizzle-kit generated, oldest first. `src/` and `dist/` lie equally deep in the package. */
export function readMigrations(dialect: 'sqlite' | 'postgres'): Migration[] {
  const folder = fileURLToPath(new URL(`../../drizzle/${dialect}/`, import.meta.url))
  const journal: { entries: { tag: string }[] } = JSON.parse(
    readFileSync(`${folder}meta/_journal.json`, 'utf8'),
  )
  return journal.entries.map(({ tag }) => {
    // A checkout may have changed the ends of lines.
    const source = readFileSync(`${folder}${tag}.sql`, 'utf8').replaceAll('\r\n', '\n')
    return { tag, hash: createHash('sha256').update(source).digest('hex'), source }
  })
}

/** The migrations still to run. Throws `SchemaMismatchError` where the database knows another history. */
export function pendingMigrations(known: readonly Migration[], applied: readonly Applied[]): Migration[] {
  for (const [mark, says] of marks) {
    const isMarked = applied.some(({ tag }) => tag === mark.tag)
    if (isMarked && !known.includes(mark)) throw new SchemaMismatchError(says)
  }
  for (const { tag, hash } of applied) {
    const migration = known.find((candidate) => candidate.tag === tag)
    if (!migration) {
      throw new SchemaMismatchError(
        `the database was written by a newer version of Coatcheck (it has had migration ${tag}); run that version, or restore a backup made by this one`,
      )
    }
    if (migration.hash !== hash) {
      throw new SchemaMismatchError(
        `migration ${tag} differs from the one this database has had; run the version that created the database`,
      )
    }
  }
  return known.filter(({ tag }) => !applied.some((candidate) => candidate.tag === tag))
}
