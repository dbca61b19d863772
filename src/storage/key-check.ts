import { type Place, SealError, type Sealer } from '../lib/seal.ts'
import type { StoredCheck } from './key-checks.ts'
import type { IsSealedUnder } from './sealed-use.ts'
import type { Store } from './store.ts'

const known = 'coatcheck key check'
const place = (keyId: string): Place => ({ table: 'key_checks', row: keyId, column: 'sealed_check' })

/** The master keys do not fit this database. */
export class WrongMasterKey extends Error {
  override name = 'WrongMasterKey'
}

/**
 * Proves that the master keys at hand are the ones this database was sealed with, before anything is written.
 * Throws `WrongMasterKey` where a known key id opens nothing, and where none of the keys was ever used here.
 * The first start, or a key that is new beside a known one, leaves its own check.
 */
export async function checkMasterKeys(
  store: { keyChecks: Pick<Store['keyChecks'], 'list' | 'create'> },
  sealer: Sealer,
  now: number,
): Promise<void> {
  const used = await verifyMasterKeys(await store.keyChecks.list(), sealer)
  const [sealing = ''] = sealer.keyIds
  if (used.includes(sealing)) return
  const sealedCheck = await sealer.seal(known, place(sealing))
  await store.keyChecks.create({ masterKeyId: sealing, sealedCheck, createdAt: now })
  // Another process may have been first, with a key of its own under the same id.
  await verifyMasterKeys(await store.keyChecks.list(), sealer)
}

/**
 * Has the check of the sealing key wrapped as everything is from now on: whoever keeps that key may be about to forget
 * its older versions, and then no gateway would start.
 */
export async function renewCheck(
  { keyChecks }: { keyChecks: Pick<Store['keyChecks'], 'list' | 'replace'> },
  sealer: Sealer,
): Promise<void> {
  const [sealing = ''] = sealer.keyIds
  const check = (await keyChecks.list()).find(({ masterKeyId }) => masterKeyId === sealing)
  if (!check || check.sealedCheck.startsWith(await sealer.currentPrefix())) return
  await keyChecks.replace(check, await sealer.rewrap(check.sealedCheck, place(sealing)))
}

/**
 * The ids of the keys at hand that were used here before. Writes nothing. Throws `WrongMasterKey` where a known key
 * id opens nothing, and where there are checks and none of them is of a key at hand; told how to find out, also where
 * something is sealed under a key that is not at hand.
 */
export async function verifyMasterKeys(
  checks: readonly StoredCheck[],
  sealer: Pick<Sealer, 'keyIds' | 'open'>,
  isSealedUnder: IsSealedUnder = async () => false,
): Promise<string[]> {
  const used = checks.filter(({ masterKeyId }) => sealer.keyIds.includes(masterKeyId))
  for (const { masterKeyId, sealedCheck } of used) {
    const opened = await sealer.open(sealedCheck, place(masterKeyId)).catch((error: unknown) => {
      if (error instanceof SealError) return undefined
      throw error
    })
    if (opened !== known)
      throw new WrongMasterKey(`master key ${masterKeyId} is not the one this database knows`)
  }
  if (checks.length > 0 && used.length === 0) {
    const ids = checks.map(({ masterKeyId }) => masterKeyId).join(', ')
    throw new WrongMasterKey(`this database is sealed with other master keys: ${ids}`)
  }
  const missing: string[] = []
  for (const { masterKeyId } of checks) {
    if (!sealer.keyIds.includes(masterKeyId) && (await isSealedUnder(masterKeyId))) missing.push(masterKeyId)
  }
  if (missing.length > 0) {
    throw new WrongMasterKey(
      `values in this database are sealed under master keys that are not configured: ${missing.join(', ')}; put them behind the first one`,
    )
  }
  return used.map(({ masterKeyId }) => masterKeyId)
}
