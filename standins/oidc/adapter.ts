import type { Payload } from 'oidc-provider'
import { systemClock } from '../../src/lib/clock.ts'
import type { Core } from '../kit/core.ts'
import type { IssuedKind, Owner } from '../kit/issued.ts'
import type { OidcClient, OidcState } from './state.ts'

type Row = { model: string; id: string; payload: Payload; aheadAtSave: number }

type Adapter = Record<string, (id: string, payload: Payload) => Promise<Payload | undefined>>

export type Adapters = {
  forModel(model: string): Adapter
  /** Forgets everything a user has at a client; says how much that was. */
  revoke(owner: Owner): number
}

/** How far the stand-in's clock runs ahead of the system's, which is the only one the library knows. */
export const ahead = (core: Core): number => core.clock.now() - systemClock()

const issuedKinds: Record<string, IssuedKind> = {
  AuthorizationCode: 'code',
  AccessToken: 'access_token',
  RefreshToken: 'refresh_token',
}

const times = ['iat', 'exp', 'iiat', 'loginTs', 'consumed']

/** A row in the library's own time: older by as much as the clock was advanced since. */
function seenNow(core: Core, { payload, aheadAtSave }: Row): Payload {
  const shift = aheadAtSave - ahead(core)
  const shifted = times
    .filter((name) => typeof payload[name] === 'number')
    .map((name) => [name, Number(payload[name]) + shift])
  return { ...payload, ...Object.fromEntries(shifted) }
}

function metadataOf(client: OidcClient): Payload {
  return {
    client_id: client.clientId,
    client_secret: client.clientSecret,
    client_name: client.name,
    redirect_uris: client.redirectUris,
    response_types: ['code'],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: client.auth,
  }
}

/** The library's storage, in memory and on the stand-in's clock; its clients are those of the control API. */
export function createAdapters({ core, clients }: OidcState): Adapters {
  let rows: Row[] = []

  const registered: Adapter = {
    async find(id) {
      const client = clients.get(id)
      return client && metadataOf(client)
    },
  }

  const stored = (model: string): Adapter => {
    const find = (matches: (row: Row) => boolean) => rows.find((row) => row.model === model && matches(row))
    const seen = (row: Row | undefined) => row && seenNow(core, row)
    return {
      find: async (id) => seen(find((row) => row.id === id)),
      findByUid: async (uid) => seen(find((row) => row.payload.uid === uid)),
      async upsert(id, payload) {
        const earlier = find((row) => row.id === id)
        const kind = issuedKinds[model]
        if (kind && !earlier) {
          core.issued.add(kind, id, { user: String(payload.accountId), clientId: String(payload.clientId) })
        }
        rows = [...rows.filter((row) => row !== earlier), { model, id, payload, aheadAtSave: ahead(core) }]
        return undefined
      },
      async consume(id) {
        const row = find((one) => one.id === id)
        if (row) row.payload = { ...row.payload, consumed: systemClock() - row.aheadAtSave + ahead(core) }
        return undefined
      },
      async destroy(id) {
        rows = rows.filter((row) => row.model !== model || row.id !== id)
        return undefined
      },
      async revokeByGrantId(grantId) {
        rows = rows.filter((row) => row.model !== model || row.payload.grantId !== grantId)
        return undefined
      },
    }
  }

  return {
    forModel: (model) => (model === 'Client' ? registered : stored(model)),
    revoke({ clientId, user }) {
      const before = rows.length
      rows = rows.filter(({ payload }) => payload.clientId !== clientId || payload.accountId !== user)
      return before - rows.length
    },
  }
}
