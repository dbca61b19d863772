import type { Core } from './core.ts'
import { type Call, field } from './exchange.ts'
import { type Challenge, verifierMatches } from './pkce.ts'

export type CodeRecord<Details> = {
  user: string
  clientId: string
  /** As it stood in the authorization request; undefined when the request had none. */
  redirectUri: string | undefined
  challenge: Challenge | undefined
  details: Details
}

export type Redemption<Details> =
  | { outcome: 'redeemed'; user: string; details: Details }
  | { outcome: 'unknown' | 'used' | 'expired' | 'other-client' | 'verifier' | 'redirect-uri' }

export type CodeStore<Details> = {
  save(code: string, record: CodeRecord<Details>): void
  /** Redeems the code of a token request for a client that has authenticated. */
  redeem(call: Call, clientId: string): Redemption<Details>
}

/** Codes that work once. A failed try by the right client burns the code as well. */
export function createCodeStore<Details>(core: Core, lifetime: number): CodeStore<Details> {
  const codes = new Map<string, CodeRecord<Details> & { issuedAt: number; used: boolean }>()
  return {
    save(code, record) {
      codes.set(code, { ...record, issuedAt: core.clock.now(), used: false })
      core.issued.add('code', code, record)
    },
    redeem({ body }, clientId) {
      const found = codes.get(field(body, 'code') ?? '')
      if (!found) return { outcome: 'unknown' }
      if (found.clientId !== clientId) return { outcome: 'other-client' }
      if (found.used) return { outcome: 'used' }
      found.used = true
      if (core.clock.now() >= found.issuedAt + lifetime) return { outcome: 'expired' }
      if (!verifierMatches(found.challenge, field(body, 'code_verifier'))) return { outcome: 'verifier' }
      if (found.redirectUri !== field(body, 'redirect_uri')) return { outcome: 'redirect-uri' }
      return { outcome: 'redeemed', user: found.user, details: found.details }
    },
  }
}
