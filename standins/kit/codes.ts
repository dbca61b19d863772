import type { Clock } from '../../src/lib/clock.ts'
import { type Challenge, verifierMatches } from './pkce.ts'

export type CodeRecord<Details> = {
  clientId: string
  /** As it stood in the authorization request; undefined when the request had none. */
  redirectUri: string | undefined
  challenge: Challenge | undefined
  details: Details
}

export type Presented = {
  code: string | undefined
  clientId: string
  redirectUri: string | undefined
  verifier: string | undefined
}

export type Redemption<Details> =
  | { outcome: 'redeemed'; details: Details }
  | { outcome: 'unknown' | 'used' | 'expired' | 'other-client' | 'verifier' | 'redirect-uri' }

export type CodeStore<Details> = {
  save(code: string, record: CodeRecord<Details>): void
  redeem(presented: Presented): Redemption<Details>
}

/** Codes that work once. A failed try by the right client burns the code as well. */
export function createCodeStore<Details>(clock: Clock, lifetime: number): CodeStore<Details> {
  const codes = new Map<string, CodeRecord<Details> & { issuedAt: number; used: boolean }>()
  return {
    save(code, record) {
      codes.set(code, { ...record, issuedAt: clock(), used: false })
    },
    redeem({ code, clientId, redirectUri, verifier }) {
      const found = codes.get(code ?? '')
      if (!found) return { outcome: 'unknown' }
      if (found.clientId !== clientId) return { outcome: 'other-client' }
      if (found.used) return { outcome: 'used' }
      found.used = true
      if (clock() >= found.issuedAt + lifetime) return { outcome: 'expired' }
      if (!verifierMatches(found.challenge, verifier)) return { outcome: 'verifier' }
      if (found.redirectUri !== redirectUri) return { outcome: 'redirect-uri' }
      return { outcome: 'redeemed', details: found.details }
    },
  }
}
