import type { Payload } from 'oidc-provider'
import { systemClock } from '../../src/lib/clock.ts'
import type { Core } from '../kit/core.ts'
import type { IssuedKind } from '../kit/issued.ts'
import type { OidcClient, OidcState } from './state.ts'

type Row = { payload: Payload; aheadAtSave: number }

/** How far the stand-in's clock runs ahead of the system's, which is the only one the library knows. */
export const ahead = (core: Core): number => core.clock.now() - systemClock()

const issuedKinds: Record<string, IssuedKind> = {
  AuthorizationCode: 'code',
  AccessToken: 'access_token',
  RefreshToken: 'refresh_token',
}

const timeClaims = ['iat', 'exp', 'loginTs', 'iiat', 'consumed']

/** What was stored at another offset, told in the library's own time: older by as much as the clock was advanced. */
function seenNow(core: Core, { payload, aheadAtSave }: Row): Payload {
  const shift = aheadAtSave - ahead(core)
  const times = timeClaims
    .filter((name) => typeof payload[name] === 'number')
    .map((name) => [name, Number(payload[name]) + shift])
  return { ...payload, ...Object.fromEntries(times) }
}

function clientMetadata(client: OidcClient): Payload {
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

/** The library's storage, in memory and on the stand-in's clock; clients are those of the control API. */
export function createAdapters(state: OidcState) {
  const rows = new Map<string, Row>()
  const { core } = state

  return (model: string) => {
    const key = (id: string) => `${model}:${id}`
    const find = async (id: string) => {
      const row = rows.get(key(id))
      return row && seenNow(core, row)
    }
    if (model === 'Client') {
      return {
        async find(id: string) {
          const client = state.clients.get(id)
          return client && clientMetadata(client)
        },
      }
    }
    return {
      find,
      async findByUid(uid: string) {
        const row = [...rows].find(([name, { payload }]) => name.startsWith(key('')) && payload.uid === uid)
        return row && seenNow(core, row[1])
      },
      async upsert(id: string, payload: Payload) {
        const kind = issuedKinds[model]
        if (kind && !rows.has(key(id))) {
          const owner = { user: String(payload.accountId), clientId: String(payload.clientId) }
          core.issued.add({ kind, value: id, ...owner, at: core.clock.now() })
        }
        rows.set(key(id), { payload, aheadAtSave: ahead(core) })
      },
      async consume(id: string) {
        const row = rows.get(key(id))
        if (row) row.payload = { ...row.payload, consumed: systemClock() }
      },
      async destroy(id: string) {
        rows.delete(key(id))
      },
      async revokeByGrantId(grantId: string) {
        for (const [name, { payload }] of rows) {
          if (name.startsWith(key('')) && payload.grantId === grantId) rows.delete(name)
        }
      },
    }
  }
}
