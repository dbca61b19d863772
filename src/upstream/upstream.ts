import { type AuthorizationTrip, authorizationUrl } from './authorization-url.ts'
import { exchangeCode } from './code-exchange.ts'
import { createExamination, type ExamineProvider } from './examine.ts'
import { type IdentityOutcome, identify } from './identity.ts'
import type { Provider } from './provider.ts'
import { revokeTokens } from './revocation.ts'
import { createFindServer, isFrom, type UpstreamParts } from './server.ts'
import { type FindSites, findSites } from './sites.ts'
import { refreshTokens } from './token-refresh.ts'
import type {
  ExchangeCode,
  Probe,
  RefreshTokens,
  RevokeTokens,
  UpstreamFailed,
  UpstreamTokens,
} from './tokens.ts'
import { probe } from './userinfo.ts'

/** Being a client of providers: everything that speaks to one. Failures are values; nothing a provider wrote leaves. */
export type Upstream = {
  /** Where to send the browser. Speaks to the provider only to learn its endpoints. */
  authorizationUrl(provider: Provider, trip: AuthorizationTrip): Promise<UrlOutcome>
  exchangeCode: ExchangeCode
  refreshTokens: RefreshTokens
  identify(provider: Provider, tokens: UpstreamTokens): Promise<IdentityOutcome>
  findSites: FindSites
  probe: Probe
  revokeTokens: RevokeTokens
  examine: ExamineProvider
}

export type UrlOutcome = { outcome: 'url'; url: URL } | UpstreamFailed

export function createUpstream(parts: UpstreamParts): Upstream {
  const { clock } = parts
  const findServer = createFindServer(parts)
  return {
    examine: createExamination(parts),
    async authorizationUrl(provider, trip) {
      const found = await findServer(provider)
      if (found.outcome === 'failed') return found
      return { outcome: 'url', url: authorizationUrl(provider, found.server, trip) }
    },
    async exchangeCode(provider, exchange) {
      const found = await findServer(provider)
      return found.outcome === 'failed' ? found : exchangeCode(provider, found.server, clock, exchange)
    },
    async refreshTokens(provider, refresh) {
      const found = await findServer(provider)
      return found.outcome === 'failed' ? found : refreshTokens(provider, found.server, clock, refresh)
    },
    async identify(provider, tokens) {
      const found = await findServer(provider)
      return found.outcome === 'failed' ? found : identify(provider, found.server, clock, tokens)
    },
    async findSites(provider, tokens, scopes, limits) {
      const found = await findServer(provider)
      if (found.outcome === 'failed' || !isFrom(found.server, tokens.tokenEndpoint)) return undefined
      return findSites(provider, found.server, tokens, scopes, limits)
    },
    async revokeTokens(provider, doomed) {
      if (!provider.descriptor.revocation) return { outcome: 'impossible', reason: 'unsupported' }
      const found = await findServer(provider)
      return found.outcome === 'failed' ? found : revokeTokens(provider, found.server, clock, doomed)
    },
    async probe(provider, accessToken, tokenEndpoint) {
      const found = await findServer(provider)
      if (found.outcome === 'failed') return 'unknown'
      const { server } = found
      if (tokenEndpoint !== undefined && !isFrom(server, tokenEndpoint)) return 'unknown'
      return probe(provider, server, accessToken)
    },
  }
}
