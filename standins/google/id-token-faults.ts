/** One defect each; a relying party has to refuse every one of them but `missing-name`. */
export const idTokenFaults = [
  'none',
  'legacy-iss',
  'wrong-iss',
  'wrong-aud',
  'missing-aud',
  'aud-array',
  'wrong-azp',
  'missing-nonce',
  'wrong-nonce',
  'missing-exp',
  'missing-iat',
  'missing-sub',
  'expired',
  'future-iat',
  'missing-name',
  'bad-signature',
  'unknown-kid',
  'alg-none',
  'hs256',
] as const

export type IdTokenFault = (typeof idTokenFaults)[number]

const somebodyElse = 'somebody-else.apps.googleusercontent.com'

/** What a fault changes in the claims; null leaves one out. */
export function claimChanges(fault: IdTokenFault, clientId: string, now: number): Record<string, unknown> {
  switch (fault) {
    case 'legacy-iss':
      return { iss: 'accounts.google.com' }
    case 'wrong-iss':
      return { iss: 'https://issuer.invalid' }
    case 'wrong-aud':
      return { aud: somebodyElse }
    case 'missing-aud':
      return { aud: null }
    case 'aud-array':
      return { aud: [clientId, somebodyElse], azp: null }
    case 'wrong-azp':
      return { azp: somebodyElse }
    case 'missing-nonce':
      return { nonce: null }
    case 'wrong-nonce':
      return { nonce: 'not-the-nonce-of-this-request' }
    case 'missing-exp':
      return { exp: null }
    case 'missing-iat':
      return { iat: null }
    case 'missing-sub':
      return { sub: null }
    case 'expired':
      return { iat: now - 3900, exp: now - 300 }
    case 'future-iat':
      return { iat: now + 3600, exp: now + 7200 }
    case 'missing-name':
      return { name: null }
    case 'none':
    case 'bad-signature':
    case 'unknown-kid':
    case 'alg-none':
    case 'hs256':
      return {}
  }
}
