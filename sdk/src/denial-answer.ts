import { challenge } from './challenge.ts'
import type { Denial } from './denials.ts'
import { scopesToAsk } from './scope.ts'

/** What an answer says of the server that gives it. */
export type DenialSite = {
  readonly resourceMetadata?: string | undefined
  /** What a client that has to begin anew is told to ask for. */
  readonly initialScopes?: readonly string[] | undefined
  readonly realm?: string | undefined
  /** The page on which every code is explained, under its name as the anchor. */
  readonly documentation?: string | undefined
}

export const denialsPage = 'https://www.npmjs.com/package/@coatcheck/mcp'

export type DenialBody = Readonly<Record<string, unknown>>

/** What a program reads, in an HTTP body as well as in a JSON-RPC message. */
export function denialBody(denial: Denial, site: DenialSite = {}): DenialBody {
  const { code, message, nextAction, details } = denial
  return {
    ...details.members,
    error: denial.challenge === 'bare' || denial.challenge === 'none' ? code : denial.challenge,
    error_description: message,
    error_uri: `${site.documentation ?? denialsPage}#${code}`,
    code,
    next_action: nextAction,
    ...present({
      reason: details.reason,
      decision_id: details.decisionId,
      required_scopes: details.requiredScopes,
      granted_scopes: details.grantedScopes,
      acr_values: details.acrValues,
      max_age: details.maxAge,
      retry_after: wholeSeconds(details.retryAfter),
      resource: details.resource,
      tool: details.tool,
      failed_conditions: details.failedConditions,
    }),
  }
}

export function denialHeaders(denial: Denial, site: DenialSite = {}): Record<string, string> {
  const retryAfter = wholeSeconds(denial.details.retryAfter)
  const authenticate = denialChallenge(denial, site)
  return {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    ...(authenticate === undefined ? {} : { 'www-authenticate': authenticate }),
    ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
  }
}

export function denialResponse(denial: Denial, site: DenialSite = {}): Response {
  return new Response(JSON.stringify(denialBody(denial, site)), {
    status: denial.status,
    headers: denialHeaders(denial, site),
  })
}

function denialChallenge(denial: Denial, site: DenialSite): string | undefined {
  if (denial.challenge === 'none') return undefined
  const { requiredScopes = site.initialScopes ?? [], grantedScopes, acrValues, maxAge } = denial.details
  return challenge({
    // RFC 6750 section 3.1: who sent no token made no error.
    ...(denial.challenge === 'bare' ? {} : { error: denial.challenge, description: denial.message }),
    scopes: scopesToAsk(requiredScopes, grantedScopes),
    resourceMetadata: site.resourceMetadata,
    acrValues,
    maxAge,
    realm: site.realm,
  })
}

/** Rounded up: who comes back at the time told is not sent away again. */
const wholeSeconds = (seconds: number | undefined): number | undefined =>
  seconds === undefined ? undefined : Math.max(0, Math.ceil(seconds))

function present(members: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
}
