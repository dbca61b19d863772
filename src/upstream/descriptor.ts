import { z } from 'zod'

/**
 * The closed vocabulary a provider is described in. It is data: what it cannot express gets a new named field
 * here or is refused, and no code ever asks which provider it is talking to. The endpoints carry the names of
 * RFC 8414; every other field says where a provider deviates from what RFC 6749 and OpenID Connect ask.
 */

const text = z.string().min(1).max(500)
const scope = z
  .string()
  .regex(/^[\x21\x23-\x5B\x5D-\x7E]{1,256}$/, 'is not a scope token (RFC 6749 section 3.3)')
const url = z.string().min(1).max(2048).describe('An https URL, which may begin with a {variable}')
const claim = z
  .string()
  .regex(/^[\w:/-]+(\.[\w:/-]+)*$/, 'is not a member name, or several with dots between')
  .max(200)
  .describe('A member of the answer; dots lead into nested objects')

/** What this gateway says itself; a descriptor that could say it too could unbind the flow from the browser. */
const ours =
  /^(client_id|client_secret|response_type|response_mode|redirect_uri|state|nonce|scope|code_challenge|code_challenge_method|request|request_uri)$/
const parameters = z.record(
  z
    .string()
    .regex(/^[\w.-]{1,64}$/)
    .refine((name) => !ours.test(name), 'is set by the gateway'),
  z.string().max(500),
)

const variable = z.strictObject({
  label: text.describe('What an administrator is asked for'),
  default: url.optional().describe('Absent: an administrator must say it'),
})

const server = z.strictObject({
  issuer: url,
  discovery: z
    .enum(['none', 'oidc', 'oauth'])
    .default('none')
    .describe(
      'Whether the endpoints not given here are read from the issuer (OpenID Connect Discovery, RFC 8414)',
    ),
  authorization_endpoint: url.optional(),
  token_endpoint: url.optional(),
  userinfo_endpoint: url
    .optional()
    .describe('Tells whose access token it is given; need not be an OpenID one'),
  jwks_uri: url.optional(),
  revocation_endpoint: url.optional(),
})

const authorization = z.strictObject({
  parameters: parameters.default({}).describe('Sent every time'),
  offline: parameters.default({}).describe('Sent too when a refresh token is wanted'),
  prompts: z
    .strictObject({
      consent: parameters
        .optional()
        .describe('Shows the consent page again, which brings a new refresh token'),
      select_account: parameters.optional().describe('Lets the person choose another account'),
      login: parameters.optional().describe('Makes the person sign in again'),
    })
    .default({}),
  login_hint_parameter: z.string().max(64).optional(),
  max_age: z.boolean().default(false).describe('Whether max_age is honoured and answered with auth_time'),
  acr_values: z
    .boolean()
    .default(false)
    .describe('Whether acr_values are honoured, and the ID token says with acr how somebody signed in'),
})

const scopes = z.strictObject({
  identity: z.array(scope).default([]).describe('Needed to learn who the person is; always asked for'),
  offline: z
    .array(scope)
    .default([])
    .describe('Asked for when a refresh token is wanted; opens nothing itself'),
  forbidden: z.array(scope).default([]).describe('Never sent: the provider breaks on them'),
  separator: z.enum([' ', ',']).default(' ').describe('Between the scopes of a request'),
  granted: z
    .enum(['reported', 'unreported'])
    .default('reported')
    .describe('`unreported`: the answer says nothing about scopes, so what was asked for is taken as held'),
  granted_separators: z
    .array(z.enum([' ', ',']))
    .min(1)
    .default([' '])
    .describe('Between the scopes of an answer'),
  implies: z.record(scope, z.array(scope)).default({}).describe('What a scope includes without naming it'),
  aliases: z
    .record(scope, scope)
    .default({})
    .describe('Another spelling in an answer, and the scope it means'),
  catalog: z.record(scope, text).default({}).describe('What a scope allows, in words a person understands'),
})

const token = z.strictObject({
  request_format: z.enum(['form', 'json']).default('form'),
})

const lifetime = z
  .int()
  .min(600)
  .max(10 * 365 * 86_400)

const refresh = z.strictObject({
  when_absent: z
    .enum(['keep', 'drop'])
    .default('keep')
    .describe('What an answer without a refresh token means for the one at hand'),
  reuse_window: z
    .union([z.int().min(0).max(86_400), z.literal('unlimited')])
    .default(0)
    .describe(
      'Seconds in which a refresh token that was already used may be sent again; `unlimited` where they never change',
    ),
  idle_lifetime: lifetime.optional().describe('Seconds without use after which a refresh token ends'),
  absolute_lifetime: lifetime
    .optional()
    .describe('Seconds after which the person has to connect again, however often it was refreshed'),
})

/** What a failure asks for: see `UpstreamFailure`. */
const means = z.enum(['reauth', 'config', 'transient', 'limited', 'denied', 'policy', 'restart'])

const errorRule = z.strictObject({
  error: z.string().regex(/^[\w.-]{1,64}$/),
  status: z.int().min(200).max(599).optional(),
  subtype: z
    .string()
    .regex(/^[\w.-]{1,64}$/)
    .optional()
    .describe('The answer’s error_subtype'),
  description_contains: text.optional().describe('Compared without regard to case'),
  means,
})

const email = z.union([
  z.strictObject({
    claim,
    verified_claim: claim.optional().describe('Absent: the address counts as unverified'),
  }),
  z.strictObject({
    list: url.describe('Answers an array of addresses'),
    where: z.record(claim, z.union([z.string(), z.boolean()])).describe('What the entry must say, all of it'),
    claim: claim.describe('The address in that entry, which then counts as verified'),
  }),
])

const identity = z.strictObject({
  sign_in: z
    .boolean()
    .default(true)
    .describe('Whether people may sign in to the gateway through this provider'),
  sources: z
    .array(z.enum(['id_token', 'userinfo']))
    .min(1)
    .describe('Where claims are read; a later source only adds what an earlier one lacks'),
  headers: z
    .record(z.string().regex(/^[\w-]{1,64}$/), z.string().regex(/^[\x20-\x7E]{1,200}$/))
    .default({})
    .describe('Sent to userinfo'),
  subject: claim.describe('The one durable key of an account'),
  label: z.array(claim).min(1).describe('What a person knows the account by: the first that is there'),
  email: email.optional(),
  hosted_domain: claim.optional().describe('The organization that owns the account, by its domain'),
  tenant: claim.optional().describe('The organization that owns the account, by its id'),
  groups: claim.optional().describe('An array of the groups the account is in; roles may be bound to them'),
})

const ends = z
  .enum(['token', 'grant', 'project'])
  .describe(
    'What a revocation ends: this token, everything this person gave this client, or every client of the project',
  )
const revocation = z.union([
  z.strictObject({ style: z.literal('rfc7009'), ends }),
  z.strictObject({
    style: z.literal('request'),
    method: z.enum(['POST', 'DELETE']),
    url: url.describe('{client_id} stands for the client id'),
    grant_url: url.optional().describe('Ends everything this person gave this client, where `url` ends less'),
    authentication: z.enum(['none', 'client_secret_basic']),
    format: z.enum(['form', 'json']),
    parameter: z.string().max(64).describe('Carries the token'),
    takes: z
      .array(z.enum(['access_token', 'refresh_token']))
      .min(1)
      .default(['access_token'])
      .describe(
        'Which tokens it knows; where an access token has ended and no other will do, one more is fetched',
      ),
    gone: z.array(z.int()).default([]).describe('Statuses that say it was gone already'),
    ends,
  }),
])

const sites = z.strictObject({
  url: url.describe('Answers the list of sites that an access token opens'),
  id: claim.describe('What a site is called in calls to the provider’s API, in each entry of the list'),
  name: claim.describe('What people call it'),
  address: claim.optional().describe('Where people find it'),
  not_for: z.array(scope).default([]).describe('Scopes that are of use without any site'),
})

const sections = {
  server,
  authorization,
  scopes,
  token,
  refresh,
  identity,
}

const fields = {
  $schema: z.string().optional(),
  name: z.string().min(1).max(80).describe('As people know the provider'),
  docs: z.url().optional().describe('Where the provider documents what stands here'),
  notes: z.array(z.string()).default([]).describe('What an administrator should know'),
  kind: z
    .enum(['oauth2', 'oidc'])
    .describe('`oidc`: answers an ID token, which is then required and verified'),
  variables: z.record(z.string().regex(/^[a-z][a-z0-9_]{0,31}$/), variable).default({}),
  client_authentication: z
    .enum(['client_secret_post', 'client_secret_basic', 'discovered'])
    .default('client_secret_post'),
  pkce: z.enum(['S256', 'off']).default('S256'),
  callback: z
    .strictObject({ iss: z.enum(['required', 'if_present', 'ignore']).default('if_present') })
    .prefault({})
    .describe('RFC 9207: a wrong issuer is refused under `required` and `if_present` alike'),
  errors: z
    .array(errorRule)
    .default([])
    .describe('The first that matches decides, before the general rules do'),
  rate_limit: z
    .strictObject({ remaining_header: text, reset_header: text.describe('Epoch seconds') })
    .optional()
    .describe('Headers that tell a rate limit from a refusal where the status does not'),
  revocation: revocation.optional(),
  sites: sites
    .optional()
    .describe('Where what an account opens lies in sites: nobody is connected whose account opens none'),
}

export const descriptorSchema = z
  .strictObject({
    ...fields,
    server,
    authorization: authorization.prefault({}),
    scopes: scopes.prefault({}),
    token: token.prefault({}),
    refresh: refresh.prefault({}),
    identity,
  })
  .superRefine(({ kind, server, identity, client_authentication: authentication }, context) => {
    const fault = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message })
    if (kind === 'oauth2' && identity.sources.includes('id_token')) {
      fault(['identity', 'sources'], 'cannot be id_token for an oauth2 provider')
    }
    if (server.discovery !== 'none') return
    const needed = {
      authorization_endpoint: true,
      token_endpoint: true,
      userinfo_endpoint: identity.sources.includes('userinfo'),
      jwks_uri: kind === 'oidc',
    }
    for (const [name, isNeeded] of Object.entries(needed)) {
      if (isNeeded && !Object.hasOwn(server, name)) fault(['server', name], 'is required without discovery')
    }
    if (authentication === 'discovered') fault(['client_authentication'], 'must be said without discovery')
  })

/** Says only what differs from the descriptor it extends, section by section. */
export const overlaySchema = z.strictObject({
  ...z.object(fields).partial().shape,
  extends: z.string().describe('The id of a built-in descriptor'),
  ...Object.fromEntries(
    Object.entries(sections).map(([name, section]) => [name, section.partial().optional()]),
  ),
})

/** What a file in `providers/` or an inline descriptor may hold. */
export const descriptorDocumentSchema = z.union([descriptorSchema, overlaySchema])

/** A checked descriptor, every variable replaced and every URL allowed: what `resolveDescriptor` returns. */
export type Descriptor = z.output<typeof descriptorSchema>

export type FailureKind = z.output<typeof means>
