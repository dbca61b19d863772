import { isDocumentId } from '../../clients/document-id.ts'
import { matchesRedirectUri, redirectKind } from '../../clients/redirect-uri.ts'
import { AuthorizationError, type ErrorRedirect, type OAuthErrorCode } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { refuseFaults } from '../../http/form-body.ts'
import { PageRefusal } from '../../http/page-refusal.ts'
import { canonicalUri } from '../../lib/canonical-uri.ts'
import type { Parameters } from '../../lib/parameters.ts'
import type { BrowserSession } from '../../storage/browser-sessions.ts'
import type { Client } from '../../storage/clients.ts'
import type { AuthorizationRequest } from '../../storage/documents.ts'
import type { Resource } from '../../storage/resources.ts'
import { isCodeChallenge } from '../../tokens/pkce.ts'
import { grantScopes, offlineAccess, parseScope } from '../../tokens/scope.ts'
import { askedStepUp, askedStrengths } from './step-up.ts'
import { unknownClient } from './unknown-client.ts'

export type CheckedRequest = { client: Client; resource: Resource | undefined; request: AuthorizationRequest }

type Refuse = (code: OAuthErrorCode, description: string) => AuthorizationError

const known = [
  'client_id',
  'redirect_uri',
  'response_type',
  'response_mode',
  'state',
  'scope',
  'code_challenge',
  'code_challenge_method',
  'prompt',
  'max_age',
  'acr_values',
  'login_hint',
  'request',
  'request_uri',
]

/**
 * Checks an authorization request in two phases (OAuth 2.1 section 4.1.2.1). Until client and redirect URI are
 * certain, every error is rendered; from then on errors go to the client. `session` is who is signed in here.
 */
export async function checkRequest(
  gateway: Gateway,
  parameters: Parameters,
  session: BrowserSession | undefined,
): Promise<CheckedRequest> {
  // Which of two values was meant cannot be known, so this is not sent anywhere either (RFC 6749 section 3.1).
  refuseFaults(parameters, known)
  const client = await knownClient(gateway, parameters)
  const redirectUri = registeredRedirect(client, parameters)
  const redirect: ErrorRedirect = {
    uri: redirectUri,
    follow: await howToFollow(gateway, client, redirectUri, session),
    ...optional('state', parameters.values.get('state')),
  }
  const refuse: Refuse = (code, description) => new AuthorizationError(code, description, { redirect })

  checkResponse(parameters, refuse)
  const codeChallenge = checkPkce(parameters, refuse)
  const resource = await checkResource(gateway, parameters, refuse)
  const scopes = checkScope(resource, parameters, refuse)
  const prompt = checkPrompt(parameters, refuse)
  const maxAge = checkMaxAge(parameters, refuse)
  const stepUp = await askedStepUp(gateway, parameters, { client, resource })
  return {
    client,
    resource,
    request: {
      kind: 'authorization',
      redirectUri,
      follow: redirect.follow,
      scopes,
      codeChallenge,
      prompt,
      ...optional('state', parameters.values.get('state')),
      ...optional('maxAge', maxAge),
      ...optional('acrValues', askedStrengths(parameters)),
      ...optional('loginHint', parameters.values.get('login_hint')?.slice(0, 255)),
      ...stepUp,
    },
  }
}

async function knownClient(gateway: Gateway, { values }: Parameters): Promise<Client> {
  const id = values.get('client_id')
  if (id === undefined) throw new AuthorizationError('invalid_request', 'The parameter client_id is missing')
  const client = isDocumentId(id)
    ? await publishedClient(gateway, id)
    : await gateway.store.clients.find(id, gateway.clock())
  if (!client?.enabled) throw unknownClient(gateway, id)
  return client
}

async function publishedClient(gateway: Gateway, id: string): Promise<Client | undefined> {
  const answer = await gateway.clientDocuments.find(id)
  switch (answer.outcome) {
    case 'found':
      return answer.client
    case 'unknown':
      return undefined
    case 'unreachable':
      throw new PageRefusal(400, { kind: 'client unreachable', host: answer.host })
  }
}

function registeredRedirect({ metadata }: Client, { values }: Parameters): string {
  const presented = values.get('redirect_uri')
  if (presented !== undefined) {
    if (matchesRedirectUri(metadata.redirect_uris, presented)) return presented
    const host = URL.parse(presented)?.host
    throw new PageRefusal(400, { kind: 'unregistered redirect', ...optional('host', host || undefined) })
  }
  const [only, ...more] = metadata.redirect_uris
  if (only === undefined || more.length > 0) {
    throw new AuthorizationError('invalid_request', 'The parameter redirect_uri is missing')
  }
  return only
}

/** Only one's own yes counts: where anybody may sign in, whoever registered the client can approve it first. */
async function howToFollow(
  gateway: Gateway,
  client: Client,
  redirectUri: string,
  session: BrowserSession | undefined,
): Promise<ErrorRedirect['follow']> {
  if (!mayLeadAstray(client, redirectUri)) return 'at once'
  if (session === undefined) return 'ask'
  const { subjectId } = session
  const isApproved = await gateway.store.consents.exists({ subjectId, clientId: client.id, redirectUri })
  return isApproved ? 'at once' : 'ask'
}

/**
 * A self-registered client could otherwise use us to send anybody anywhere (OAuth 2.1 section 7.12.2); one with a
 * metadata document anywhere but to its own host.
 */
function mayLeadAstray({ origin, id }: Client, redirectUri: string): boolean {
  if (redirectKind(redirectUri).kind !== 'web') return false
  if (origin !== 'document') return origin === 'dynamic'
  const { hostname } = new URL(redirectUri)
  const own = new URL(id).hostname
  return hostname !== own && !hostname.endsWith(`.${own}`)
}

function checkResponse({ values }: Parameters, refuse: Refuse): void {
  if (values.has('request')) throw refuse('request_not_supported', 'Request objects are not supported')
  if (values.has('request_uri'))
    throw refuse('request_uri_not_supported', 'Request objects are not supported')
  const type = values.get('response_type')
  if (type === undefined) throw refuse('invalid_request', 'The parameter response_type is missing')
  if (type !== 'code') throw refuse('unsupported_response_type', 'The only response_type is code')
  if ((values.get('response_mode') ?? 'query') !== 'query') {
    throw refuse('invalid_request', 'The only response_mode is query')
  }
  if ((values.get('state')?.length ?? 0) > 4096) throw refuse('invalid_request', 'The state is too long')
}

/** S256 alone, for every client (OAuth 2.1 section 7.5.1, RFC 9700 section 2.1.1). */
function checkPkce({ values }: Parameters, refuse: Refuse): string {
  const challenge = values.get('code_challenge')
  if (challenge === undefined) throw refuse('invalid_request', 'PKCE is required: code_challenge is missing')
  if (values.get('code_challenge_method') !== 'S256') {
    throw refuse('invalid_request', 'The only code_challenge_method is S256')
  }
  if (!isCodeChallenge(challenge))
    throw refuse('invalid_request', 'The code_challenge has not the form of S256')
  return challenge
}

/** The one resource asked for (RFC 8707); without one the default, else the only one, else the gateway itself. */
async function checkResource(
  gateway: Gateway,
  { all, malformed }: Parameters,
  refuse: Refuse,
): Promise<Resource | undefined> {
  const asked = all.get('resource') ?? []
  if (asked.length === 0 && !malformed.has('resource')) return await defaultResource(gateway)
  const uris = new Set(asked.map((uri) => canonicalUri(uri)))
  const [uri] = uris
  const resource =
    uris.size === 1 && uri !== undefined ? await gateway.store.resources.findByUri(uri) : undefined
  if (!resource?.enabled) throw refuse('invalid_target', 'The resource is not an MCP server known here')
  return resource
}

async function defaultResource(gateway: Gateway): Promise<Resource | undefined> {
  const enabled = (await gateway.store.resources.list()).filter((resource) => resource.enabled)
  return enabled.find(({ document }) => document.default) ?? (enabled.length === 1 ? enabled[0] : undefined)
}

function checkScope(resource: Resource | undefined, { values }: Parameters, refuse: Refuse): string[] {
  const requested = parseScope(values.get('scope') ?? '')
  const answer =
    requested &&
    grantScopes({
      requested,
      offered: [...Object.keys(resource?.document.scopes ?? {}), offlineAccess],
      defaults: resource?.document.default_scopes ?? [],
    })
  if (answer?.outcome !== 'granted')
    throw refuse('invalid_scope', 'None of these scopes is known at this resource')
  return answer.scopes
}

function checkPrompt({ values }: Parameters, refuse: Refuse): string[] {
  const prompt = parseScope(values.get('prompt') ?? '') ?? []
  if (prompt.includes('none') && prompt.length > 1) {
    throw refuse('invalid_request', 'The prompt none cannot be combined with another')
  }
  return prompt.filter((value) => ['none', 'login', 'consent', 'select_account'].includes(value))
}

function checkMaxAge({ values }: Parameters, refuse: Refuse): number | undefined {
  const maxAge = values.get('max_age')
  if (maxAge === undefined) return undefined
  if (!/^\d{1,9}$/.test(maxAge)) throw refuse('invalid_request', 'max_age is not a number of seconds')
  return Number(maxAge)
}

function optional<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): { [Key in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { [Key in Name]: Value })
}
