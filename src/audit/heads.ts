import { z } from 'zod'
import { equalSecrets } from '../lib/secret.ts'
import { type Head, signatureOf } from '../storage/audit-chain.ts'
import type { Store } from '../storage/store.ts'

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
