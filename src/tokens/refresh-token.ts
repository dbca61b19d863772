import { openUnder, type Place, sealUnder } from '../lib/seal.ts'
import { deriveKey, newSecret, sha256 } from '../lib/secret.ts'

const prefix = 'cc_rt_'
const shape = /^cc_rt_[A-Za-z0-9_-]{43}$/

export function newRefreshToken(): string {
  return newSecret(prefix)
}

/** Tells a refresh token from a code, an access token or a damaged copy before anything is looked up. */
export function isRefreshToken(text: string): boolean {
  return shape.test(text)
}

/**
 * Seals the token that takes the place of the presented one, so that only who presents the old one again can be
 * given the same successor: a database thief has neither.
 */
export function sealSuccessor(presented: string, successor: string): string {
  return sealUnder(successorKey(presented), successor, successorPlace(presented))
}

/** Throws `SealError` if it was not sealed for exactly this presented token. */
export function openSuccessor(presented: string, sealed: string): string {
  return openUnder(successorKey(presented), sealed, successorPlace(presented))
}

function successorKey(presented: string): Uint8Array {
  return deriveKey(presented, 'coatcheck refresh token successor')
}

function successorPlace(presented: string): Place {
  return { table: 'refresh_tokens', row: sha256(presented), column: 'sealed_successor' }
}
