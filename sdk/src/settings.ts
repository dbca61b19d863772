import type { JWK } from 'jose'
import type { Fetch, JsonObject } from './bounded-fetch.ts'
import { type Clock, systemClock } from './clock.ts'
import { canonicalResource } from './resource.ts'
import type { ImpliedScopes } from './scope.ts'
import { isSecureUrl } from './secure-url.ts'

/** An authorization server whose tokens are accepted. */
export type AuthorizationServer = {
  /** Byte for byte as in its metadata and in the `iss` of its tokens. */
  readonly issuer: string
  /** Where its metadata lies, if at none of the places of RFC 8414 and OpenID Connect Discovery. */
  readonly metadataUrl?: string
  /** Its metadata, where it publishes none. */
  readonly metadata?: JsonObject
  /** Puts right what it publishes, before anything of it is checked. */
  readonly transpileMetadata?: (document: JsonObject) => JsonObject
  /**
   * The `typ` of its access tokens; `at+jwt` (RFC 9068) unless said. A server that writes `JWT` into every token
   * needs `['at+jwt', 'JWT']`; what looks like an ID token is refused then, too.
   */
  readonly tokenTypes?: readonly string[]
}

/** What this server authenticates with at the authorization server: a secret, or a private key. */
export type Credential =
  | { readonly id: string; readonly secret: string }
  | { readonly id: string; readonly key: JWK }

/**
 * `jwt`: by signature alone; a revoked token is accepted until it ends. `introspection`: by asking the authorization
 * server, for tokens of any form. `jwt+introspection`: by both, so that a revocation is seen within seconds.
 */
export type Validation = 'jwt' | 'introspection' | 'jwt+introspection'

export type VerifierOptions = {
  /** The URL of this MCP server as clients know it; what comes in `Host` makes no difference. */
  readonly resource: string
  /** One authorization server, or several: in this order they are told to clients. */
  readonly issuer?: string
  readonly authorizationServers?: readonly (string | AuthorizationServer)[]
  /** What `aud` may hold instead of the resource, where an authorization server does not know RFC 8707. */
  readonly audience?: string | readonly string[]
  readonly algorithms?: readonly string[]
  /** In seconds. */
  readonly clockTolerance?: number
  /** `jwt+introspection` where there is a credential, else `jwt`. */
  readonly validation?: Validation
  readonly credential?: Credential
  /** For how many seconds an introspected token is taken to be still active; 0 asks every time. */
  readonly introspectionLifetime?: number
  /** Scopes that open others with them. */
  readonly impliedScopes?: ImpliedScopes
  /** Of each outgoing request, in seconds. */
  readonly deadline?: number
  readonly fetch?: Fetch
  readonly clock?: Clock
}

/** How the outside world is reached. */
export type Outside = { readonly fetch: Fetch; readonly clock: Clock; readonly deadline: number }

export type Settings = {
  readonly resource: string
  readonly audiences: readonly string[]
  readonly servers: readonly [AuthorizationServer, ...AuthorizationServer[]]
  readonly algorithms: readonly string[]
  readonly clockTolerance: number
  readonly validation: Validation
  /** Present wherever the validation asks. */
  readonly credential: Credential | undefined
  readonly introspectionLifetime: number
  readonly impliedScopes: ImpliedScopes
  readonly outside: Outside
}

/** Every mistake of a configuration at once. */
export class ConfigurationError extends Error {
  override name = 'ConfigurationError'
  readonly mistakes: readonly string[]

  constructor(mistakes: readonly string[]) {
    super(`@coatcheck/mcp: ${mistakes.join('; ')}`)
    this.mistakes = mistakes
  }
}

/** RFC 9068 section 4 wants RS256; the others are what servers sign with. Nothing symmetric: anybody knows the keys. */
const asymmetric = /^(?:(?:ES|RS|PS)(?:256|384|512)|EdDSA|Ed25519)$/
const usualAlgorithms = ['ES256', 'RS256', 'PS256', 'EdDSA', 'Ed25519', 'ES384', 'ES512', 'RS384', 'RS512']

export function readSettings(options: VerifierOptions): Settings {
  const { resource, credential, algorithms = usualAlgorithms } = options
  const validation = options.validation ?? (credential ? 'jwt+introspection' : 'jwt')
  const named = options.authorizationServers ?? (options.issuer === undefined ? [] : [options.issuer])
  const servers = named.map((each) => (typeof each === 'string' ? { issuer: each } : each))
  const [server, ...more] = servers
  const mistakes = [
    ...mistakesOfUrl('resource', resource),
    ...servers.flatMap(mistakesOfServer),
    ...algorithms
      .filter((name) => !asymmetric.test(name))
      .map((name) => `algorithms: ${name} is not asymmetric`),
  ]
  if (!server) mistakes.push('issuer: name at least one authorization server')
  if (options.issuer !== undefined && options.authorizationServers) {
    mistakes.push('issuer: give it or authorizationServers, not both')
  }
  if (credential) mistakes.push(...mistakesOfCredential(credential))
  if (validation !== 'jwt' && !credential) mistakes.push(`credential: validation by ${validation} needs one`)
  if (!server || mistakes.length > 0) throw new ConfigurationError(mistakes)
  const own = canonicalResource(resource)
  return {
    resource: own,
    audiences: options.audience === undefined ? [own] : [options.audience].flat(),
    servers: [server, ...more],
    algorithms,
    clockTolerance: options.clockTolerance ?? 10,
    validation,
    credential,
    introspectionLifetime: options.introspectionLifetime ?? 5,
    impliedScopes: options.impliedScopes ?? {},
    outside: {
      // Called anew each time and as nobody's method: some runtimes replace it, some insist on that.
      fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
      clock: options.clock ?? systemClock,
      deadline: options.deadline ?? 5,
    },
  }
}

function mistakesOfUrl(name: string, value: string): string[] {
  if (!URL.canParse(value)) return [`${name}: ${value} is not an absolute URL`]
  const { username, password, hash } = new URL(value)
  return [
    ...(isSecureUrl(value) ? [] : [`${name}: ${value} is neither https nor on this machine`]),
    ...(username || password || hash ? [`${name}: ${value} must have no user, password or fragment`] : []),
  ]
}

/** Mostly a setting that was not made. */
export function mistakesOfCredential(credential: Credential): string[] {
  const isMissing = credential.id === '' || ('secret' in credential && credential.secret === '')
  return isMissing ? ['credential: its id or its secret is empty'] : []
}

function mistakesOfServer({ issuer, metadataUrl }: AuthorizationServer): string[] {
  const located = metadataUrl === undefined ? [] : mistakesOfUrl('metadataUrl', metadataUrl)
  return [...mistakesOfUrl('issuer', issuer), ...located]
}
