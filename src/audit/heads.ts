import { z } from 'zod'
import { equalSecrets } from '../lib/secret.ts'
import { type Head, signatureOf } from '../storage/audit-chain.ts'
import type { Store } from '../storage/store.ts'
import { isSound } from './walk.ts'

export const headSchema = z.strictObject({
  chain: z.string().min(1).max(64),
  seq: z.int().min(0),
  mac: z.string().max(64),
})

/** Where every chain stood at a time, signed: kept elsewhere, it shows what was cut off later. */
export const signedHeadsSchema = z.strictObject({
  at: z.int(),
  heads: z.array(headSchema),
  signature: z.string(),
})

export type SignedHeads = z.infer<typeof signedHeadsSchema>

export async function signedHeads(
  { auditChains }: Pick<Store, 'auditChains'>,
  key: Uint8Array,
  at: number,
): Promise<SignedHeads> {
  const heads: Head[] = []
  for await (const chain of chainsOf(auditChains)) {
    const head = await auditChains.findHead(chain)
    if (head) heads.push({ chain, seq: head.seq, mac: head.mac })
  }
  return { at, heads, signature: signatureOf(key, at, heads) }
}

export function isSigned(key: Uint8Array, { at, heads, signature }: SignedHeads): boolean {
  return equalSecrets(signature, signatureOf(key, at, heads))
}

/** How many chains one row names at most, and how many rows that name chains are looked at for them. */
const mostNamed = 64
const mostLookedAt = 512

/**
 * Where those chains stand that lately began or named others. Only rows that this gateway wrote are gone by: whoever can
 * write to the database could otherwise put in so many that the true ones were crowded out, and take them away again.
 */
export async function recentHeads(
  { auditChains }: Pick<Store, 'auditChains'>,
  key: Uint8Array,
): Promise<Head[]> {
  const heads = new Map<string, Head | undefined>()
  let sound = 0
  let last: string | undefined
  for (;;) {
    const rows = await auditChains.listNaming(last, mostNamed)
    for (const row of rows) {
      if (!(await isSound({ auditChains }, key, row))) continue
      sound += 1
      if (!heads.has(row.chain)) heads.set(row.chain, await auditChains.findHead(row.chain))
      if (heads.size === mostNamed || sound === mostLookedAt) return named(heads)
    }
    last = rows.at(-1)?.id
    if (rows.length < mostNamed) return named(heads)
  }
}

const named = (heads: ReadonlyMap<string, Head | undefined>): Head[] =>
  [...heads.values()].flatMap((head) => head ?? []).map(({ chain, seq, mac }) => ({ chain, seq, mac }))

/** The id of every chain, in their order. */
export async function* chainsOf(auditChains: Store['auditChains']): AsyncGenerator<string> {
  for (
    let chain = await auditChains.next(undefined);
    chain !== undefined;
    chain = await auditChains.next(chain)
  ) {
    yield chain
  }
}
