import { boundedFetch } from './bounded-fetch.ts'
import { credentialHeader } from './credential.ts'
import type { Credential, Outside } from './settings.ts'

/** The Coatcheck gateway, and what this MCP server authenticates with there. */
export type GatewayAccess = {
  readonly issuer: string
  readonly credential: Credential
  readonly outside: Outside
}

export type GatewayAnswer =
  | { readonly outcome: 'answer'; readonly text: string }
  | { readonly outcome: 'unavailable'; readonly reason: string }

const answerBytes = 1024 * 1024

/** Asks the gateway something that it answers with 200; `reason` tells why it did not. */
export async function askGateway(
  { issuer, credential, outside }: GatewayAccess,
  path: string,
  asked: { readonly method: string; readonly userToken?: string; readonly body?: unknown },
): Promise<GatewayAnswer> {
  const { fetch, clock, deadline } = outside
  const { method, userToken, body } = asked
  const headers = {
    accept: 'application/json',
    authorization: await credentialHeader(credential, issuer, clock()),
    ...(userToken !== undefined && { 'coatcheck-user-token': userToken }),
    ...(body !== undefined && { 'content-type': 'application/json' }),
  }
  const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) }
  const fetched = await boundedFetch(fetch, issuer + path, init, { deadline, bytes: answerBytes })
  if (fetched.outcome === 'failed') return { outcome: 'unavailable', reason: `gateway_${fetched.reason}` }
  if (fetched.status === 200) return { outcome: 'answer', text: fetched.text }
  return { outcome: 'unavailable', reason: reasons[fetched.status] ?? 'gateway_failed' }
}

const reasons: Readonly<Record<number, string>> = {
  400: 'question_refused',
  401: 'credential_refused',
  403: 'credential_refused',
  404: 'gateway_not_found',
  413: 'question_refused',
  422: 'question_refused',
  429: 'gateway_rate_limited',
}
