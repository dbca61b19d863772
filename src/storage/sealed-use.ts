import { sealedPrefix } from '../lib/seal.ts'
import { WrongMasterKey } from './key-check.ts'

/** Whether any value is wrapped by this master key. Reads all of what is sealed, up to the first of them. */
export type IsSealedUnder = (masterKeyId: string) => Promise<boolean>

type Run = (statement: string) => Promise<Record<string, unknown>[]>

/** Wrapped by no master key, or by each of them on purpose. */
const others = ['refresh_tokens.sealed_successor', 'key_checks.sealed_check']

/**
 * Asks a database that may have another schema than this version's: which columns are sealed, their names say.
 * `list` answers them as `place`, `table.column`.
 */
export function sealedUse(run: Run, list: string): IsSealedUnder {
  return async (masterKeyId) => {
    // It stands in the database, and becomes part of a statement.
    if (!/^[\w-]{1,64}$/.test(masterKeyId)) throw new WrongMasterKey('the database names no master key')
    const prefix = sealedPrefix(masterKeyId)
    const places = (await run(list)).map(({ place }) => String(place))
    for (const place of places.filter((each) => !others.includes(each))) {
      const [table, column] = place.split('.')
      const isUnder = `substr("${column}", 1, ${prefix.length}) = '${prefix}'`
      const [found] = await run(`SELECT 1 AS found FROM "${table}" WHERE ${isUnder} LIMIT 1`)
      if (found) return true
    }
    return false
  }
}
