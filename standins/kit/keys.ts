import { exportJWK, type GenerateKeyPairResult, generateKeyPair, type JWK } from 'jose'
import type { Ids } from './ids.ts'

type PrivateKey = GenerateKeyPairResult['privateKey']

export type SigningKey = { kid: string; privateKey: PrivateKey; publicJwk: JWK }

export type KeyRing = {
  current(): SigningKey
  jwks(): { keys: JWK[] }
  /** The next key signs from now on; `hard` also forgets everything published so far. */
  rotate(how: 'smooth' | 'hard'): Promise<void>
}

export async function newSigningKey(ids: Ids): Promise<SigningKey> {
  const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true })
  const kid = ids.hex(40)
  return { kid, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, use: 'sig', alg: 'RS256' } }
}

/** Two published RS256 keys, of which the first signs. */
export async function createKeyRing(ids: Ids): Promise<KeyRing> {
  let [current, next] = await Promise.all([newSigningKey(ids), newSigningKey(ids)])
  return {
    current: () => current,
    jwks: () => ({ keys: [current.publicJwk, next.publicJwk] }),
    async rotate(how) {
      if (how === 'hard') [current, next] = await Promise.all([newSigningKey(ids), newSigningKey(ids)])
      else [current, next] = [next, await newSigningKey(ids)]
    },
  }
}
