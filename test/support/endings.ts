import type { Store } from '../../src/storage/store.ts'
import {
  enter,
  fetchToken,
  type House,
  type ProviderName,
  type Room,
  type Stay,
  type Visit,
} from './house.ts'

/** A row of an admin list. */
export type Item = Record<string, unknown> & { id: string }

/** What a deletion is answered with. */
export type Receipt = Record<
  'revoked_upstream' | 'queued_upstream' | 'remaining_upstream',
  Record<string, unknown>[]
> & {
  connections_deleted: number
  token_sessions_ended: number
}

export const routes = {
  token: 'DELETE /applications/:client/token',
  grant: 'DELETE /applications/:client/grant',
  google: 'POST /revoke',
  atlassian: 'POST /oauth/revoke',
  githubTokens: 'POST /login/oauth/access_token',
}

/** Somebody with a session at a room, and what the admin API calls it all. */
export type Guest = {
  person: ReturnType<House['newPerson']>
  stay: Stay
  at: Room
  provider: ProviderName
  subjectId: string
  sessionId: string
  connectionId: string
  token: string
}

/** What tests of endings do all day. */
export function endingsIn(house: House) {
  const list = async (path: string) => (await house.gateway.admin<{ items: Item[] }>('GET', path)).items
  const store = (): Store => house.gateway.running().gateway.store
  const waiting = async () => (await store().upstreamRevocations.list({}, { limit: 1000 })).rows
  const tokenOf = async ({ tsid }: Stay, at: Room, provider: ProviderName) =>
    String((await fetchToken(house, at, tsid, provider)).body.access_token)
  const asks = async (url: string, token: string) => {
    const headers = { authorization: `Bearer ${token}`, 'user-agent': 'test' }
    return (await fetch(url, { headers })).ok
  }
  return {
    list,
    waiting,
    tokenOf,
    end: (path: string) => house.gateway.admin<Receipt>('DELETE', path),
    due: () => house.gateway.running().gateway.revocations.carryOutDue(),
    outcomes: async () =>
      (await list('/audit-events?event=upstream_grant.revoked')).map(({ outcome }) => outcome),
    queued: async () => (await waiting()).length,
    /** Somebody new. */
    async come(at: Room, provider: ProviderName = 'github', visit: Visit = {}): Promise<Guest> {
      const person = house.newPerson()
      const stay = await enter(house, at, { presses: [provider, 'allow'], ...visit })
      const [session] = await list('/token-sessions?limit=1')
      const subjectId = String(session?.subject_id)
      const connections = await list(`/connections?subject_id=${subjectId}`)
      return {
        person,
        stay,
        at,
        provider,
        subjectId,
        sessionId: session?.id ?? '',
        connectionId: connections[0]?.id ?? '',
        token: await tokenOf(stay, at, provider),
      }
    },
    worksAtGithub: (token: string) => asks(`${house.github.api}/user`, token),
    worksAtGoogle: (token: string) => asks(`${house.google.issuer}/v1/userinfo`, token),
    worksAtAtlassian: (token: string) => asks(`${house.atlassian.api}/me`, token),
  }
}
