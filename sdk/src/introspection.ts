import type { ConnectedServer } from './authorization-server.ts'
import { boundedFetch, type JsonObject, parseObject } from './bounded-fetch.ts'
import { credentialRequest } from './credential.ts'
import { digest } from './digest.ts'
import { keptAnswers } from './kept-answers.ts'
import type { Credential, Outside } from './settings.ts'
import { singleFlight } from './single-flight.ts'

export type Introspected =
  | { readonly outcome: 'active'; readonly claims: JsonObject; readonly issuer: string }
  | { readonly outcome: 'inactive' }
  | { readonly outcome: 'unavailable'; readonly reason: string }

export type Introspect = (server: ConnectedServer, token: string) => Promise<Introspected>

/** How many tokens are remembered; beyond that the one remembered longest is asked about again. */
const rememberedTokens = 1000
const answerBytes = 64 * 1024

/**
 * Asks an authorization server whether a token is active (RFC 7662). A yes is remembered for a few seconds and never
 * beyond the end of the token; a no is not remembered, so that made-up tokens push out nothing.
 */
export function introspection(credential: Credential, lifetime: number, outside: Outside): Introspect {
  const known = keptAnswers<Introspected>(rememberedTokens, outside.clock)
  const flight = singleFlight<Introspected>()
  return async (server, token) => {
    const key = await digest(`${server.issuer} ${token}`)
    const found = known.find(key)
    if (found) return found
    return await flight(key, async () => {
      const answer = await ask(server, token, credential, outside)
      if (answer.outcome === 'active') {
        const { exp } = answer.claims
        const left = typeof exp === 'number' ? exp - outside.clock() : lifetime
        known.keep(key, answer, Math.min(lifetime, left))
      }
      return answer
    })
  }
}

async function ask(
  server: ConnectedServer,
  token: string,
  credential: Credential,
  { fetch, clock, deadline }: Outside,
): Promise<Introspected> {
  const metadata = await server.metadata()
  if (metadata.outcome === 'unavailable') return metadata
  const endpoint = metadata.value.introspection_endpoint
  if (endpoint === undefined) return unavailable('introspection_not_supported')
  const { headers, form } = await credentialRequest(credential, server.issuer, clock())
  const init = {
    method: 'POST',
    headers: { ...headers, accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ token, token_type_hint: 'access_token', ...form }).toString(),
  }
  const fetched = await boundedFetch(fetch, endpoint, init, { deadline, bytes: answerBytes })
  if (fetched.outcome === 'failed') return unavailable(`introspection_${fetched.reason}`)
  if (fetched.status === 401) return unavailable('credential_refused')
  const answer = fetched.status === 200 ? parseObject(fetched.text) : undefined
  if (answer?.active === false) return { outcome: 'inactive' }
  if (answer?.active !== true) return unavailable('introspection_unreadable')
  // Told by the server that was asked, unless it says that somebody else issued the token.
  if (answer.iss !== undefined && answer.iss !== server.issuer) return { outcome: 'inactive' }
  return { outcome: 'active', claims: answer, issuer: server.issuer }
}

const unavailable = (reason: string) => ({ outcome: 'unavailable', reason }) as const
