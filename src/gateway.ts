import type { Config } from './config/config.ts'
import type { Clock } from './lib/clock.ts'
import type { Sealer } from './lib/seal.ts'
import type { Store } from './storage/store.ts'
import type { SigningKeys } from './tokens/signing-keys.ts'
import type { FreshTokens } from './upstream/fresh-token.ts'
import type { ProviderRegistry } from './upstream/registry.ts'
import type { Upstream } from './upstream/upstream.ts'

/** What every endpoint is handed. What lies below takes the two or three members it uses. */
export type Gateway = {
  config: Config
  clock: Clock
  store: Store
  sealer: Sealer
  signingKeys: SigningKeys
  providers: ProviderRegistry
  upstream: Upstream
  freshToken: FreshTokens
  /** SHA-256 of the administrator's token; absent: the admin API refuses everybody. */
  adminTokenHash: string | undefined
  /** Resolves when the store takes writes and the master keys fit it. */
  ready(): Promise<void>
}
