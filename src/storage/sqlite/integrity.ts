import { statSync } from 'node:fs'
import SqliteDatabase from 'better-sqlite3'

/** Bytes of a file that is looked through from end to end: some seconds. */
const largest = 1024 ** 3

export type Integrity =
  | { outcome: 'sound' }
  | { outcome: 'too_large' }
  | { outcome: 'damaged'; faults: string[] }

/**
 * Looks through the whole file. It keeps the event loop busy meanwhile: for a process that answers nobody. Reads only,
 * beside whoever else has the file open.
 */
export function checkIntegrity(file: string): Integrity {
  if (statSync(file).size > largest) return { outcome: 'too_large' }
  const connection = new SqliteDatabase(file, { readonly: true, fileMustExist: true })
  try {
    const found = connection.prepare<[], string>('PRAGMA quick_check(3)').pluck().all()
    return found.length === 1 && found[0] === 'ok'
      ? { outcome: 'sound' }
      : { outcome: 'damaged', faults: found }
  } catch (error) {
    // A file damaged enough is not even read to its end.
    if (!(error instanceof SqliteDatabase.SqliteError) || !/CORRUPT|NOTADB/.test(error.code)) throw error
    return { outcome: 'damaged', faults: [error.message] }
  } finally {
    connection.close()
  }
}
