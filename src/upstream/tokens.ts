import type { FailureKind } from './descriptor.ts'
import type { Provider } from './provider.ts'
import type { RawAnswer } from './raw-answer.ts'

/** What a provider handed out, every member checked and bounded. */
export type UpstreamTokens = {
  accessToken: string
  /** `bearer` or `dpop`, lower case. */
  tokenType: string
  /** Absent where the answer held none; `refresh.when_absent` says what that means for one at hand. */
  refreshToken?: string
  /** Seconds; absent where the provider told none: the token then lives until it is refused. */
  expiresIn?: number
  refreshExpiresIn?: number
  /** What was granted, in the gateway's spelling, sorted. */
  scopes: string[]
  /** Those of them that nobody asked for; absent where there are none. */
  unasked?: string[]
  /** Where these came from: the only place their refresh token may be sent to. */
  tokenEndpoint: string
  /** The verified claims of the ID token that came with a sign-in. */
  idTokenClaims?: Record<string, unknown>
}

/**
 * Why a provider gave nothing, by what has to happen next:
 * - `reauth`: the grant is dead, by the provider's own word; the person must connect again.
 * - `config`: an administrator must mend the registration; nobody's tokens are at fault.
 * - `transient`: an outage or an answer nobody can read; try again later.
 * - `limited`: asked too often; try again after `retryAfter`.
 * - `denied`: the person, or the provider for this person, said no.
 * - `policy`: the person's organization forbids it.
 * - `restart`: this attempt is void; begin the trip again.
 */
export type UpstreamFailure = {
  kind: FailureKind
  /** A short word of a closed vocabulary, fit for logs and pages; nothing a provider wrote. */
  code: string
  /** Seconds the provider asked to be left alone, bounded. */
  retryAfter?: number
}

export type UpstreamFailed = { outcome: 'failed'; failure: UpstreamFailure }

export type TokenOutcome = { outcome: 'tokens'; tokens: UpstreamTokens } | UpstreamFailed

/** A refresh token out of an answer that is good for nothing else: the one that was sent may be spent. */
export type RotatedToken = { refreshToken: string; refreshExpiresIn?: number }

export type RefreshOutcome = TokenOutcome | (UpstreamFailed & { rotated?: RotatedToken })

export type CodeExchange = {
  /** The query of the callback, as it came, after `checkCallback` accepted it. */
  query: URLSearchParams
  /** Byte-equal to the one the authorization URL carried. */
  redirectUri: string
  state: string
  codeVerifier: string
  /** What the authorization URL carried. */
  nonce: string
  /** The scopes `authorizationUrl` was given. */
  scopes: readonly string[]
  maxAge?: number
}

export type TokenRefresh = {
  refreshToken: string
  /** What the connection holds; the answer's scopes where it names none. */
  scopes: readonly string[]
  /** Where the connection's tokens came from; they are never sent to another host. */
  tokenEndpoint: string
  /** The connection's upstream subject; an answer that is about somebody else is refused. */
  upstreamSubject: string
  /** Asked right before the refresh token is sent: `false`, and it is not, which fails. */
  mayAsk?: () => boolean
  /** Told of an answer that may hold new tokens, before anything is made of it. Must not throw. */
  onAnswer?: (answer: RawAnswer) => Promise<void>
  /** What the provider answered when it was asked before: it is read, and the provider left alone. */
  takeAnswer?: () => RawAnswer
  /** Seconds the provider may take; absent: as long as for anything else. */
  deadline?: number
  /** Ends the wait before that, with the reason it is aborted with. */
  signal?: AbortSignal
}

/** Tokens to be revoked where they came from. */
export type DoomedTokens = {
  accessToken: string
  refreshToken?: string
  tokenEndpoint: string
  upstreamClientId: string
  /** `grant`: everything the person gave us may go, where the provider can be told so. */
  extent: 'token' | 'grant'
  /** Seconds the provider may take; absent: as long as for anything else. */
  deadline?: number
}

export type RevocationOutcome =
  | { outcome: 'revoked' | 'already_gone' }
  /** The access token has ended, and the provider takes no other; what the refresh token brings may be alive. */
  | { outcome: 'access_ended' }
  /** `unsupported`: the provider has no way; `provider_changed`: they are another host's or another client's. */
  | { outcome: 'impossible'; reason: 'unsupported' | 'provider_changed' }
  | UpstreamFailed

export type RevokeTokens = (provider: Provider, doomed: DoomedTokens) => Promise<RevocationOutcome>

export type ExchangeCode = (provider: Provider, exchange: CodeExchange) => Promise<TokenOutcome>

export type RefreshTokens = (provider: Provider, refresh: TokenRefresh) => Promise<RefreshOutcome>

/**
 * What the provider's identity endpoint says of an access token; only its 401 is a rejection. A token that came
 * from the token endpoint of another host is not shown to this one.
 */
export type Probe = (provider: Provider, accessToken: string, tokenEndpoint?: string) => Promise<ProbeVerdict>

export type ProbeVerdict = 'accepted' | 'rejected' | 'unknown'
