import type { FastifyRequest } from 'fastify'
import { type AuthMethod, authenticateClient, type PresentedCredentials } from '../clients/authenticate.ts'
import { resourceCredentialPrefix } from '../clients/ids.ts'
import { OAuthError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import type { Parameters } from '../lib/parameters.ts'
import type { Client } from '../storage/clients.ts'
import type { Resource, ResourceCredential } from '../storage/resources.ts'

/** Who calls: a client, or a resource with its credential. Their ids begin differently, so neither passes for the other. */
export type Caller =
  | { kind: 'client'; client: Client }
  | { kind: 'resource'; resource: Resource; credential: ResourceCredential }

type Known = { authMethod: AuthMethod; secretHash: string | null; enabled: boolean; caller: Caller }

/**
 * Authenticates whoever calls (RFC 6749 section 2.3). Throws `invalid_client`, with the challenge the RFC asks
 * for where the caller tried HTTP Basic.
 */
export async function authenticateCaller(
  gateway: Gateway,
  request: FastifyRequest,
  form?: Parameters,
): Promise<Caller> {
  const presented: PresentedCredentials = {
    authorization: request.headers.authorization,
    clientId: form?.values.get('client_id'),
    clientSecret: form?.values.get('client_secret'),
  }
  const answer = await authenticateClient(presented, (id) => findCaller(gateway, id))
  if (answer.outcome === 'authenticated') return answer.client.caller
  throw new OAuthError('invalid_client', 'Client authentication failed', {
    status: 401,
    // RFC 6749 section 5.2 asks for the scheme that was tried; a challenge is needed with every 401 (RFC 9110).
    headers: { 'www-authenticate': 'Basic realm="coatcheck", charset="UTF-8"' },
  })
}

async function findCaller(gateway: Gateway, id: string): Promise<Known | undefined> {
  return id.startsWith(resourceCredentialPrefix)
    ? await findResourceCaller(gateway, id)
    : await findClientCaller(gateway, id)
}

async function findResourceCaller(gateway: Gateway, id: string): Promise<Known | undefined> {
  const found = await gateway.store.resources.findCredential(id)
  if (!found) return undefined
  return {
    authMethod: 'client_secret_basic',
    secretHash: found.credential.secretHash,
    enabled: found.resource.enabled,
    caller: { kind: 'resource', ...found },
  }
}

async function findClientCaller(gateway: Gateway, id: string): Promise<Known | undefined> {
  const client = await gateway.store.clients.find(id, gateway.clock())
  if (!client) return undefined
  return {
    authMethod: client.metadata.token_endpoint_auth_method,
    secretHash: client.secretHash,
    enabled: client.enabled,
    caller: { kind: 'client', client },
  }
}
