import type { FastifyInstance } from 'fastify'
import { assertionAlgorithms } from '../clients/key-set.ts'
import { clientGrantTypes } from '../clients/metadata.ts'
import { type Gateway, jwksMaxAge } from '../gateway.ts'
import { allowAnyOrigin } from '../http/cors.ts'
import { answerOAuthError } from '../http/oauth-errors.ts'
import { createPublisher } from '../http/published.ts'
import { offlineAccess } from '../tokens/scope.ts'

/**
 * Authorization server metadata (RFC 8414) in every form clients look for, and the JWKS. With a path in the
 * issuer the well-known segment stands before that path or after it, depending on who asks (RFC 8414 section
 * 3.1, OpenID Connect Discovery section 4).
 */
export async function metadataEndpoints(scope: FastifyInstance, gateway: Gateway): Promise<void> {
  const { issuer } = gateway.config
  const path = new URL(issuer).pathname.replace(/\/$/, '')
  const forms = new Set([
    `/.well-known/oauth-authorization-server${path}`,
    `/.well-known/openid-configuration${path}`,
    `${path}/.well-known/oauth-authorization-server`,
    `${path}/.well-known/openid-configuration`,
  ])
  const jwksPath = `${path}/.well-known/jwks.json`
  allowAnyOrigin(scope, [...forms, jwksPath])
  scope.setErrorHandler(answerOAuthError)

  const sendMetadata = createPublisher(gateway, {
    type: 'application/json; charset=utf-8',
    maxAge: jwksMaxAge,
    make: () => metadata(gateway),
  })
  for (const form of forms) scope.get(form, headToo, sendMetadata)
  const sendKeys = createPublisher(gateway, {
    type: 'application/jwk-set+json; charset=utf-8',
    maxAge: jwksMaxAge,
    make: gateway.signingKeys.jwks,
  })
  scope.get(jwksPath, headToo, sendKeys)
}

/** What can be read without any effect can be asked about, too (RFC 9110 section 9.1). */
const headToo = { exposeHeadRoute: true }

/** Says only what is true here; no member is null or an empty array, which clients refuse (RFC 8414 section 2). */
async function metadata({ config, store }: Gateway) {
  const { issuer, registration } = config
  const { policy, metadata_document_hosts: documentHosts, metadata_documents: pinned } = registration
  const resources = await store.resources.list()
  const scopes = resources
    .filter(({ enabled }) => enabled)
    .flatMap(({ document }) => Object.keys(document.scopes))
  const authMethods = ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt']
  const algorithms = [...assertionAlgorithms]
  return {
    issuer,
    authorization_endpoint: `${issuer}/oauth/authorize`,
    token_endpoint: `${issuer}/oauth/token`,
    ...(policy !== 'closed' && { registration_endpoint: `${issuer}/oauth/register` }),
    revocation_endpoint: `${issuer}/oauth/revoke`,
    introspection_endpoint: `${issuer}/oauth/introspect`,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    scopes_supported: [...new Set([...scopes, offlineAccess])],
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: [...clientGrantTypes, 'urn:ietf:params:oauth:grant-type:token-exchange'],
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: authMethods,
    token_endpoint_auth_signing_alg_values_supported: algorithms,
    revocation_endpoint_auth_methods_supported: authMethods,
    revocation_endpoint_auth_signing_alg_values_supported: algorithms,
    introspection_endpoint_auth_methods_supported: ['client_secret_basic', 'private_key_jwt'],
    introspection_endpoint_auth_signing_alg_values_supported: algorithms,
    client_id_metadata_document_supported: documentHosts?.length !== 0 || pinned.size > 0,
    authorization_response_iss_parameter_supported: true,
    // Clients that found this by OpenID Connect Discovery refuse it without these two.
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256'],
  }
}
