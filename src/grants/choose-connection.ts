import type { HeldConnection } from '../storage/connections.ts'
import { missingScopes, type Provider } from '../upstream/provider.ts'

type Choice =
  | { outcome: 'one'; connection: HeldConnection }
  | { outcome: 'several'; accounts: { id: string; label: string }[] }
  | { outcome: 'none' }

/** Of one account's connections, a live one that has what is asked comes first. */
export function chooseConnection(
  provider: Provider,
  held: readonly HeldConnection[],
  request: { account: string | undefined; scopes: readonly string[] },
): Choice {
  const candidates =
    request.account === undefined ? held : held.filter(({ accountId }) => accountId === request.account)
  const accounts = new Map(candidates.map(({ accountId, accountLabel }) => [accountId, accountLabel]))
  if (accounts.size > 1) {
    return { outcome: 'several', accounts: [...accounts].map(([id, label]) => ({ id, label })) }
  }
  const rank = (connection: HeldConnection) =>
    (connection.status === 'live' ? 0 : 2) +
    (missingScopes(provider, connection.scopes, request.scopes).length === 0 ? 0 : 1)
  const [connection] = candidates.toSorted((a, b) => rank(a) - rank(b) || b.refreshedAt - a.refreshedAt)
  return connection ? { outcome: 'one', connection } : { outcome: 'none' }
}
