import { z } from 'zod'
import { OAuthError } from '../errors.ts'
import { displayText } from '../lib/display-text.ts'
import type { ClientMetadata } from '../storage/documents.ts'
import { assertionAlgorithms, readKeySet } from './key-set.ts'
import { redirectKind } from './redirect-uri.ts'
import { knownAppSchemes, redirectUriFault, webUriFault } from './registrable-uri.ts'

/** The grants a client may register for; everything else it asks for is left out (RFC 7591 section 2). */
export const clientGrantTypes = ['authorization_code', 'refresh_token'] as const

const authMethods = ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'] as const
const maxRedirectUris = 10
const uriMembers = ['client_uri', 'logo_uri', 'tos_uri', 'policy_uri', 'jwks_uri']

// Some clients send null or an empty string for what they don't know.
const blank = (value: unknown) => (value === null || value === '' ? undefined : value)
const optionalText = (maxLength: number) => z.preprocess(blank, z.string().max(maxLength).optional())
// Kept as it came, and PostgreSQL cannot keep a NUL.
const keptText = z
  .string()
  .max(256)
  .regex(/^[^\0]*$/)
const pageUri = optionalText(2_048)
const words = z.preprocess(blank, z.array(z.string().max(256)).max(32).optional())

const documentSchema = z.object({
  token_endpoint_auth_method: z.preprocess(blank, z.enum(authMethods).default('client_secret_basic')),
  grant_types: words,
  response_types: words,
  client_name: optionalText(256),
  client_uri: pageUri,
  logo_uri: pageUri,
  tos_uri: pageUri,
  policy_uri: pageUri,
  contacts: z.preprocess(blank, z.array(keptText).max(10).optional()),
  // RFC 6749 section 3.3.
  scope: z.preprocess(
    blank,
    z
      .string()
      .max(4_096)
      .regex(/^[\x20\x21\x23-\x5B\x5D-\x7E]*$/)
      .optional(),
  ),
  software_id: z.preprocess(blank, keptText.optional()),
  software_version: z.preprocess(blank, keptText.optional()),
  application_type: z.preprocess(blank, z.enum(['web', 'native']).optional().catch(undefined)),
})

/**
 * The members of a client's metadata that mean something here, as they may be sent; any other is left out, or refused
 * to an administrator. `readClientMetadata` says the rest of what they must be.
 */
export const clientMetadataShape = {
  redirect_uris: z.array(z.string()).min(1).max(maxRedirectUris),
  jwks: z.unknown().optional(),
  jwks_uri: pageUri,
  token_endpoint_auth_signing_alg: z.preprocess(blank, z.enum(assertionAlgorithms).optional()),
  ...documentSchema.shape,
}

/** Whether a client authenticates with a secret, which it then must be given. */
export function keepsSecret({ token_endpoint_auth_method: method }: ClientMetadata): boolean {
  return method === 'client_secret_basic' || method === 'client_secret_post'
}

export type MetadataRules = {
  /** The private-use schemes without a dot that redirect URIs may have. */
  readonly appSchemes: readonly string[]
  /** The web hosts that redirect URIs may have; absent: any. */
  readonly redirectHosts?: readonly string[] | undefined
  /**
   * What becomes of a redirect URI that these rules alone forbid, where others remain. Clients list every address they
   * have, for all their editions, and most use another one.
   */
  readonly forbidden?: 'left out' | 'refused'
}

/**
 * What a client says of itself (RFC 7591 section 2), checked, with the values it will really have: defaults in,
 * what we don't serve out. Only members we know are kept, so nobody registers their own `trusted`. Throws
 * `OAuthError` (section 3.2.2). Descriptions name members and positions, never what was sent.
 */
export function readClientMetadata(
  document: unknown,
  rules: MetadataRules = { appSchemes: knownAppSchemes },
): ClientMetadata {
  if (!isObject(document)) throw refused('the metadata must be a JSON object')
  const redirectUris = readRedirectUris(document.redirect_uris, rules)
  checkUriMembers(document)
  if (document.jwks != null && document.jwks_uri != null)
    throw refused('jwks and jwks_uri exclude each other')
  const parsed = documentSchema.safeParse(document)
  if (!parsed.success) throw refused(describe(parsed.error))
  const { client_name: name, ...rest } = parsed.data
  const shownName = displayText(name ?? '', 256)
  return {
    redirect_uris: redirectUris,
    ...withoutUndefined(rest),
    token_endpoint_auth_method: rest.token_endpoint_auth_method,
    ...(rest.token_endpoint_auth_method === 'private_key_jwt' && readKeys(document)),
    grant_types: served(rest.grant_types, clientGrantTypes, 'authorization_code', 'grant_types'),
    response_types: served(rest.response_types, ['code'], 'code', 'response_types'),
    ...(shownName === '' ? {} : { client_name: shownName }),
  }
}

export type RegisteredClient = {
  readonly id: string
  readonly metadata: ClientMetadata
  readonly createdAt: number
}

/** The answer to a registration (RFC 7591 section 3.2.1). No member is null: clients' parsers refuse that. */
export function registrationAnswer(client: RegisteredClient, secret?: string): Record<string, unknown> {
  return {
    client_id: client.id,
    client_id_issued_at: client.createdAt,
    ...(secret === undefined ? {} : { client_secret: secret, client_secret_expires_at: 0 }),
    ...withoutUndefined(client.metadata),
  }
}

function readRedirectUris(value: unknown, rules: MetadataRules): string[] {
  const refuse = (description: string) => new OAuthError('invalid_redirect_uri', description)
  if (!Array.isArray(value) || value.length === 0)
    throw refuse('redirect_uris must be a list of redirect URIs')
  if (value.length > maxRedirectUris)
    throw refuse(`redirect_uris must have at most ${maxRedirectUris} members`)
  const firstFault = (faultOf: (uri: unknown) => string | undefined) => {
    const index = value.findIndex((uri) => faultOf(uri) !== undefined)
    return index < 0 ? undefined : refuse(`redirect_uris[${index}] ${faultOf(value[index])}`)
  }
  // One that could never be registered anywhere is no matter of taste: whoever sends it is told so.
  const malformed = firstFault(ownFault)
  if (malformed) throw malformed
  const uris = [...new Set<string>(value)]
  const allowed = uris.filter((uri) => redirectFault(uri, rules) === undefined)
  const forbidden = firstFault((uri) => redirectFault(String(uri), rules))
  if (forbidden && (rules.forbidden !== 'left out' || allowed.length === 0)) throw forbidden
  return allowed
}

/** What is wrong with a redirect URI whatever the rules are. */
function ownFault(uri: unknown): string | undefined {
  if (typeof uri !== 'string') return 'must be a string'
  const place = redirectKind(uri)
  return redirectUriFault(uri, place.kind === 'app' ? [place.scheme] : [])
}

function redirectFault(uri: string, { appSchemes, redirectHosts }: MetadataRules): string | undefined {
  const place = redirectKind(uri)
  const isElsewhere = redirectHosts && place.kind === 'web' && !redirectHosts.includes(place.host)
  return (
    redirectUriFault(uri, appSchemes) ?? (isElsewhere ? 'is at a host that may not register here' : undefined)
  )
}

/** The keys of a client that signs assertions, or where they are published. */
function readKeys(document: Readonly<Record<string, unknown>>): Partial<ClientMetadata> {
  const { jwks, jwks_uri: uri, token_endpoint_auth_signing_alg: algorithm } = document
  const isServed = assertionAlgorithms.some((served) => served === algorithm)
  if (algorithm != null && !isServed) throw refused('not acceptable: token_endpoint_auth_signing_alg')
  const said = typeof algorithm === 'string' ? { token_endpoint_auth_signing_alg: algorithm } : {}
  if (typeof uri === 'string' && uri !== '') return { ...said, jwks_uri: uri }
  const keys = readKeySet(jwks)
  if (!keys) throw refused('private_key_jwt needs jwks_uri, or jwks with a public key for it')
  return { ...said, jwks: keys }
}

/** Also in their translations (`tos_uri#fr`), which are not kept, as a client that tries is up to no good. */
function checkUriMembers(document: Readonly<Record<string, unknown>>): void {
  for (const [member, value] of Object.entries(document)) {
    const [name = ''] = member.split('#', 1)
    if (!uriMembers.includes(name) || blank(value) === undefined) continue
    const fault = typeof value === 'string' ? webUriFault(value) : 'must be a string'
    if (fault) throw refused(`${name} ${fault}`)
  }
}

/** What was asked for and is served; the default if nothing was said; refused if the one we need was left out. */
function served(
  asked: readonly string[] | undefined,
  offered: readonly string[],
  needed: string,
  member: string,
): string[] {
  if (asked === undefined || asked.length === 0) return [needed]
  if (!asked.includes(needed)) throw refused(`${member} must include ${needed}`)
  return offered.filter((value) => asked.includes(value))
}

function describe(error: z.ZodError): string {
  const members = new Set(error.issues.map((issue) => String(issue.path[0] ?? '')))
  return `not acceptable: ${[...members].join(', ')}`
}

function refused(description: string): OAuthError {
  return new OAuthError('invalid_client_metadata', description)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

type Defined<Value> = { [Member in keyof Value]: Exclude<Value[Member], undefined> }

function withoutUndefined<Value extends object>(value: Value): Partial<Defined<Value>> {
  const present = Object.entries(value).filter(([, member]) => member !== undefined)
  return Object.fromEntries(present) as Partial<Defined<Value>>
}
