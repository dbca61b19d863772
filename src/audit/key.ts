import { randomBytes } from 'node:crypto'
import type { Place, Sealer } from '../lib/seal.ts'
import type { Store } from '../storage/store.ts'

const id = 'audit'
const place: Place = { table: 'audit_keys', row: id, column: 'sealed_key' }

type Parts = { store: Pick<Store, 'auditKeys'>; sealer: Sealer }

/**
 * The key every row of the record is linked with: 256 random bits that only a master key opens. Whoever can write to the
 * database alone can therefore change the record, and not make it fit again.
 */
export async function findAuditKey({ store, sealer }: Parts): Promise<Uint8Array | undefined> {
  const stored = await store.auditKeys.find()
  return stored && Buffer.from(await sealer.open(stored.sealedKey, place), 'base64url')
}

export async function getAuditKey(parts: Parts): Promise<Uint8Array> {
  const found = await findAuditKey(parts)
  if (!found) throw new Error('the audit key is gone')
  return found
}

/** The same; made where there is none yet. */
export async function openAuditKey(parts: Parts, now: number): Promise<Uint8Array> {
  const found = await findAuditKey(parts)
  if (found) return found
  const sealedKey = await parts.sealer.seal(randomBytes(32).toString('base64url'), place)
  await parts.store.auditKeys.create({ id, sealedKey, createdAt: now })
  return await getAuditKey(parts)
}
