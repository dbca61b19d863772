import { createHash } from 'node:crypto'
import type { Caller } from './access-token.ts'
import type { Settings } from './settings.ts'

export type Provider = keyof Settings['apis']

/** Why there is no answer; with a link where the person can change that. */
export type UpstreamRefusal = { outcome: 'refused'; reason: string; connectUrl?: string }

export type UpstreamAnswer = { outcome: 'answered'; body: unknown } | UpstreamRefusal

/** Calls a provider's API as the person who called the tool. */
export async function callUpstream(
  settings: Settings,
  caller: Caller,
  provider: Provider,
  path: string,
): Promise<UpstreamAnswer> {
  const url = settings.apis[provider] + path
  let retrieved = await retrieveToken(settings, caller, provider)
  if (retrieved.outcome === 'refused') return retrieved
  let response = await getJson(url, retrieved.token)
  if (response.status === 401) {
    // The provider refuses what looked good: Coatcheck refreshes it, or finds out that the person took it back.
    retrieved = await retrieveToken(settings, caller, provider, retrieved.token)
    if (retrieved.outcome === 'refused') return retrieved
    response = await getJson(url, retrieved.token)
  }
  if (!response.ok) return { outcome: 'refused', reason: `${provider} answered ${response.status}` }
  return { outcome: 'answered', body: await response.json() }
}

const getJson = (url: string, token: string) =>
  fetch(url, {
    headers: {
      accept: 'application/json',
      authorization: `Bearer ${token}`,
      // GitHub answers nobody who does not say who they are.
      'user-agent': 'coatcheck-example',
    },
  })

type Retrieved = { outcome: 'retrieved'; token: string } | UpstreamRefusal

/** Hands in our own credential and the person's ticket, and gets the coat. */
async function retrieveToken(
  { issuer, clientId, clientSecret }: Settings,
  { token, tsid }: Caller,
  provider: Provider,
  rejected?: string,
): Promise<Retrieved> {
  const url = new URL(`${issuer}/v1/token-sessions/${tsid}/tokens/${provider}`)
  if (rejected !== undefined) {
    url.searchParams.set('rejected', createHash('sha256').update(rejected).digest('base64url'))
  }
  const response = await fetch(url, {
    headers: {
      authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}`,
      'coatcheck-user-token': token,
    },
  })
  const answer = (await response.json()) as RetrievalAnswer
  if (response.ok) return { outcome: 'retrieved', token: answer.access_token ?? '' }
  const reason = answer.error_description ?? `Coatcheck answered ${response.status}`
  return answer.who_must_act === 'user' && answer.connect_url !== undefined
    ? { outcome: 'refused', reason, connectUrl: answer.connect_url }
    : { outcome: 'refused', reason }
}

type RetrievalAnswer = {
  access_token?: string
  error_description?: string
  who_must_act?: 'user' | 'admin' | 'caller' | 'nobody'
  connect_url?: string
}
