import type { TestGateway } from './gateway.ts'
import { basic, postToken, type ResourceCredential } from './world.ts'

export const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'
export const upstreamTokenType = 'urn:coatcheck:token-type:upstream-access-token'

/** One request for an upstream token, as either face of retrieval takes it. */
export type Ask = {
  credential: ResourceCredential
  tsid: string
  /** The person's own access token: the exchange lives by it, the REST face takes it as a header. */
  userToken: string
  /** Whether the REST face is shown it. */
  withHeader?: boolean
  provider: string
  wish?: Record<string, string>
}

export type Answer = { status: number; headers: Headers; body: Record<string, unknown> }

export async function askRest(gateway: TestGateway, ask: Ask): Promise<Answer> {
  const { credential, tsid, userToken, withHeader = false, provider, wish = {} } = ask
  const path = `/v1/token-sessions/${encodeURIComponent(tsid)}/tokens/${encodeURIComponent(provider)}`
  return await answerOf(
    await fetch(`${gateway.issuer}${path}?${new URLSearchParams(wish)}`, {
      headers: {
        authorization: basic(credential),
        ...(withHeader ? { 'coatcheck-user-token': userToken } : {}),
      },
    }),
  )
}

export async function askExchange(
  gateway: TestGateway,
  { credential, userToken, provider, wish = {} }: Ask,
  more: Record<string, string> = {},
): Promise<Answer> {
  const form = {
    grant_type: exchangeGrant,
    subject_token: userToken,
    subject_token_type: accessTokenType,
    requested_token_type: upstreamTokenType,
    provider,
    ...wish,
    ...more,
  }
  return await answerOf(await postToken({ gateway }, form, { authorization: basic(credential) }))
}

/** One resource asks for a token for another, of a person whose token it was called with. */
export async function askForResource(
  gateway: TestGateway,
  credential: ResourceCredential,
  subjectToken: string,
  /** As pairs: beside what is sent anyway; else in its place. */
  wish: Record<string, string> | readonly (readonly [string, string])[],
): Promise<Answer> {
  const form = new URLSearchParams({
    grant_type: exchangeGrant,
    subject_token: subjectToken,
    subject_token_type: accessTokenType,
  })
  for (const [name, value] of Array.isArray(wish) ? wish : Object.entries(wish)) {
    if (Array.isArray(wish)) form.append(name, value)
    else form.set(name, value)
  }
  const headers = { authorization: basic(credential) }
  return await answerOf(await fetch(`${gateway.url}/oauth/token`, { method: 'POST', headers, body: form }))
}

export async function answerOf(response: Response): Promise<Answer> {
  const { status, headers } = response
  return { status, headers, body: (await response.json()) as Record<string, unknown> }
}
