import { exportJWK, type GenerateKeyPairResult, generateKeyPair, type JWK } from 'jose'
import type { Ids } from './ids.ts'

export type SigningKey = { kid: string; pair: GenerateKeyPairResult; publicJwk: JWK }

export type KeyRing = {
  current(): SigningKey
  jwks(): { keys: JWK[] }
  /** The next key signs from now on; `hard` also forgets everything published so far. */
  rotate(how: 'smooth' | 'hard'): Promise<void>
  /** Gives the keys back, once nobody trusts them any more. */
  release(): void
}

// Making an RSA key takes longer than a whole test, so the keys of stopped stand-ins are used again, under new ids;
// two stand-ins that run side by side never share one.
const idle: GenerateKeyPairResult[] = []

async function takeKey(ids: Ids): Promise<SigningKey> {
  const pair = idle.pop() ?? (await generateKeyPair('RS256', { extractable: true }))
  const kid = ids.hex(40)
  return { kid, pair, publicJwk: { ...(await exportJWK(pair.publicKey)), kid, use: 'sig', alg: 'RS256' } }
}

/** Two published RS256 keys, of which the first signs. */
export async function createKeyRing(ids: Ids): Promise<KeyRing> {
  const taken: SigningKey[] = []
  const take = async () => {
    const key = await takeKey(ids)
    taken.push(key)
    return key
  }
  let [current, next] = await Promise.all([take(), take()])
  return {
    current: () => current,
    jwks: () => ({ keys: [current.publicJwk, next.publicJwk] }),
    async rotate(how) {
      if (how === 'hard') [current, next] = await Promise.all([take(), take()])
      else [current, next] = [next, await take()]
    },
    release() {
      idle.push(...taken.splice(0).map(({ pair }) => pair))
    },
  }
}
