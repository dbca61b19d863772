import type { FastifyRequest } from 'fastify'
import { type AssertionKeys, assertionType, claimedSubject } from '../clients/assertion.ts'
import {
  type AuthenticatedBy,
  authenticateClient,
  type PresentedCredentials,
} from '../clients/authenticate.ts'
import { resourceCredentialPrefix } from '../clients/ids.ts'
import { OAuthError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import { parseBasic } from '../lib/basic-credentials.ts'
import { parseBearer } from '../lib/bearer-token.ts'
import type { Parameters } from '../lib/parameters.ts'
import { sha256 } from '../lib/secret.ts'
import type { Client } from '../storage/clients.ts'
import type { Resource, ResourceCredential } from '../storage/resources.ts'
import { type Counted, countRequest, holderOf } from './rates.ts'

/** Who calls: a client, or a resource with its credential. Their ids begin differently, so neither passes for the other. */
export type Caller =
  | { kind: 'client'; client: Client }
  | { kind: 'resource'; resource: Resource; credential: ResourceCredential }

type Known = AuthenticatedBy & { caller: Caller }

/** The parameters of a form that say who calls, none of which may be sent twice. */
export const callerParameters = ['client_id', 'client_secret', 'client_assertion', 'client_assertion_type']

/**
 * Authenticates whoever calls (RFC 6749 section 2.3). Throws `invalid_client`, with the challenge the RFC asks
 * for where the caller tried HTTP Basic.
 */
export async function authenticateCaller(
  gateway: Gateway,
  request: FastifyRequest,
  form?: Parameters,
): Promise<Caller> {
  const presented = form ? presentedIn(form, request) : presentedAlone(request)
  const find = (id: string) => findCaller(gateway, id)
  const answer = await authenticateClient(presented, find, gateway.verifyAssertion)
  if (answer.outcome === 'authenticated') return answer.client.caller
  // Who is right is served whatever others guess: only what fails counts, and only what fails is told to stop.
  const guessed = guessedAt(presented)
  countRequest(gateway, ['failed_authentications_per_address', holderOf(request)], ...countedFor(guessed))
  await noteFailure(gateway, guessed)
  throw new OAuthError('invalid_client', 'Client authentication failed', {
    status: 401,
    // RFC 6749 section 5.2 asks for the scheme that was tried; a challenge is needed with every 401 (RFC 9110).
    headers: { 'www-authenticate': 'Basic realm="coatcheck", charset="UTF-8"' },
  })
}

/** The caller somebody pretended to be, where it was said in a way that can be read. */
function guessedAt({ authorization, clientId, assertion }: PresentedCredentials): string | undefined {
  const [named] = parseBasic(authorization ?? '') ?? []
  return named?.id ?? clientId ?? (assertion === undefined ? undefined : claimedSubject(assertion))
}

const countedFor = (id: string | undefined): Counted[] =>
  id === undefined ? [] : [['failed_authentications_per_caller', sha256(id)]]

/** What is nobody's id may be a secret in the wrong place. */
async function noteFailure({ store, clock, failures }: Gateway, id: string | undefined): Promise<void> {
  const isResource = id?.startsWith(resourceCredentialPrefix) === true
  const known =
    id !== undefined &&
    (isResource ? await store.resources.findCredential(id) : await store.clients.find(id, clock()))
  const outcome = isResource ? 'wrong_resource_credential' : 'wrong_client_credential'
  await failures.note({ event: 'caller.refused', outcome }, known ? id : undefined)
}

function presentedIn({ values }: Parameters, { headers }: FastifyRequest): PresentedCredentials {
  return {
    authorization: headers.authorization,
    clientId: values.get('client_id'),
    clientSecret: values.get('client_secret'),
    assertion: values.get('client_assertion'),
    assertionType: values.get('client_assertion_type'),
  }
}

/** Where there is no form, an assertion comes as a bearer token. */
function presentedAlone({ headers: { authorization } }: FastifyRequest): PresentedCredentials {
  const assertion = parseBearer(authorization)
  return assertion === undefined ? { authorization } : { assertion, assertionType }
}

async function findCaller(gateway: Gateway, id: string): Promise<Known | undefined> {
  return id.startsWith(resourceCredentialPrefix)
    ? await findResourceCaller(gateway, id)
    : await findClientCaller(gateway, id)
}

async function findResourceCaller(gateway: Gateway, id: string): Promise<Known | undefined> {
  const found = await gateway.store.resources.findCredential(id)
  if (!found) return undefined
  const { secretHash, keySet, keySetUri } = found.credential
  return {
    authMethod: secretHash === null ? 'private_key_jwt' : 'client_secret_basic',
    secretHash,
    enabled: found.resource.enabled,
    assertionKeys: {
      keys: keySet?.keys,
      source: keySetUri === null ? undefined : { uri: keySetUri, namedBy: 'administrator' },
    },
    caller: { kind: 'resource', ...found },
  }
}

async function findClientCaller(gateway: Gateway, id: string): Promise<Known | undefined> {
  const client = await currentClient(gateway, id)
  if (!client) return undefined
  return {
    authMethod: client.metadata.token_endpoint_auth_method,
    secretHash: client.secretHash,
    enabled: client.enabled,
    assertionKeys: keysOf(client),
    caller: { kind: 'client', client },
  }
}

/** Keys that a client took out of its document are none any more; for a public one nothing there matters here. */
async function currentClient({ store, clock, clientDocuments }: Gateway, id: string) {
  const client = await store.clients.find(id, clock())
  const isKeyed = client?.metadata.token_endpoint_auth_method === 'private_key_jwt'
  if (client?.origin !== 'document' || !isKeyed) return client
  const answer = await clientDocuments.find(id)
  return answer.outcome === 'found' ? answer.client : undefined
}

function keysOf({ origin, metadata }: Client): AssertionKeys {
  const { jwks, jwks_uri: uri, token_endpoint_auth_signing_alg: algorithm } = metadata
  const namedBy = origin === 'admin' || origin === 'config' ? 'administrator' : 'client'
  return { keys: jwks?.keys, source: uri === undefined ? undefined : { uri, namedBy }, algorithm }
}
