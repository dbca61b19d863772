import { auditEvent } from '../audit/event.ts'
import type { Sealer } from '../lib/seal.ts'
import type { Connection } from '../storage/connections.ts'
import type { Site } from '../storage/documents.ts'
import type { Store } from '../storage/store.ts'
import { grantedTooMuch, newConnection } from '../upstream/connection-record.ts'
import type { UpstreamIdentity } from '../upstream/identity.ts'
import type { Provider } from '../upstream/provider.ts'
import type { UpstreamTokens } from '../upstream/tokens.ts'

/** Seals what a provider just handed out for this subject's account into the vault. */
export async function keepConnection(
  parts: { store: Pick<Store, 'connections'>; sealer: Sealer },
  provider: Provider,
  brought: {
    subjectId: string
    identity: UpstreamIdentity
    tokens: UpstreamTokens
    /** Those the tokens open; absent: the provider has none, or did not say. */
    sites?: Site[] | undefined
  },
  now: number,
): Promise<Connection> {
  const { unasked } = brought.tokens
  const connection = await newConnection(parts.sealer, { provider, ...brought }, now)
  return await parts.store.connections.save(
    connection,
    provider.descriptor.refresh.when_absent,
    auditEvent(now, {
      event: 'connection.saved',
      ...(unasked && { outcome: grantedTooMuch }),
      actor: `subject:${brought.subjectId}`,
      subjectId: brought.subjectId,
      provider: provider.id,
      detail: { connection: connection.id, scopes: connection.scopes, unasked },
    }),
    // Where more would end, that is what the new ones rest on, too.
    provider.descriptor.revocation?.ends === 'token' ? 'revoked' : 'left',
  )
}
