import {
  type Answer,
  issuer,
  key,
  page,
  places,
  preflighted,
  refusal,
  registered,
  type Said,
  sendBack,
  soundMetadata,
  soundServer,
  type World,
} from '../support/tested-world.ts'

/** What it is that is wrong, what is laid over a server that does everything right, and all that is found. */
export type Broken = readonly [what: string, over: World, faults: readonly string[]]

const authorize = `GET ${issuer}/authorize`
const token = `POST ${issuer}/token`
const register = `POST ${issuer}/register`
const { inserted, openIdInserted, openIdAppended, oauthAppended } = places

const html: Answer = { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' }
const moved = (location: string): Said => ({ status: 302, headers: { location } })
const document = (body: unknown, headers: Record<string, string> = {}): Said => ({
  headers: { 'access-control-allow-origin': '*', 'cache-control': 'max-age=60', ...headers },
  body,
})
const asMetadata = (change: object) => soundServer({ ...soundMetadata, ...change })
const everywhere = (said: Said): World =>
  Object.fromEntries([inserted, openIdInserted, openIdAppended].map((url) => [`GET ${url}`, said]))
const keys = (...given: object[]): World => ({ [`GET ${issuer}/jwks`]: document({ keys: given }) })
const unshared = { 'access-control-allow-origin': 'https://other.example' }

export const brokenServers: readonly Broken[] = [
  ['no document at all', everywhere({ status: 404, body: {} }), ['error fetch_server_config_error']],
  [
    'a document where no client looks',
    { ...everywhere({ status: 404, body: {} }), [`GET ${oauthAppended}`]: document(soundMetadata) },
    ['error fetch_server_config_error'],
  ],
  [
    'a document by OpenID Connect alone',
    { [`GET ${inserted}`]: { status: 404, body: {} } },
    ['warning metadata_form'],
  ],
  [
    'OpenID Connect alone, without its members',
    {
      ...asMetadata({ subject_types_supported: undefined }),
      [`GET ${inserted}`]: { status: 404, body: {} },
    },
    ['warning metadata_form', 'error openid_members'],
  ],
  [
    'OpenID Connect beside, without its members',
    asMetadata({ id_token_signing_alg_values_supported: undefined }),
    ['warning openid_members'],
  ],
  [
    'two documents for one issuer',
    { [`GET ${oauthAppended}`]: document({ ...soundMetadata, token_endpoint: `${issuer}/v1/token` }) },
    ['error metadata_agree'],
  ],
  [
    'a document of another type',
    { [`GET ${inserted}`]: document(soundMetadata, { 'content-type': 'text/plain' }) },
    ['error metadata_type'],
  ],
  ['a form that is redirected', { [`GET ${openIdInserted}`]: moved(openIdAppended) }, ['error no_redirects']],
  ['a page for a form that is not served', { [`GET ${openIdInserted}`]: html }, ['error missing_forms']],
  ['a failure in a form', { [`GET ${openIdAppended}`]: { status: 503, body: {} } }, ['error missing_forms']],
  [
    'a document for ever',
    { [`GET ${inserted}`]: document(soundMetadata, { 'cache-control': 'max-age=31536000' }) },
    ['warning metadata_caching'],
  ],
  [
    'a document for its own origin',
    { [`GET ${inserted}`]: document(soundMetadata, unshared) },
    ['warning metadata_cors'],
  ],
  ['a page for every path there is not', { 'GET https://auth.example/*': html }, ['error unknown_path']],
  [
    'a page that says there is nothing',
    { 'GET https://auth.example/*': { ...html, status: 404 } },
    ['warning unknown_path'],
  ],
  ['no preflight', { [`OPTIONS ${inserted}`]: { status: 405 } }, ['warning metadata_preflight']],
  ['another issuer', asMetadata({ issuer: 'https://evil.example' }), ['error issuer']],
  [
    'an issuer of http with a query',
    asMetadata({ issuer: 'http://auth.example/tenant?x' }),
    ['error issuer', 'error issuer_form'],
  ],
  ['an issuer that is no URL', asMetadata({ issuer: 'tenant' }), ['error issuer', 'error issuer_form']],
  [
    'an endpoint of http',
    asMetadata({ revocation_endpoint: 'http://auth.example' }),
    ['error endpoint_urls'],
  ],
  ['a relative endpoint', asMetadata({ introspection_endpoint: '/introspect' }), ['error endpoint_urls']],
  ['a null that nobody knows', asMetadata({ dpop_signing_alg_values_supported: null }), ['error no_nulls']],
  ['an empty list', asMetadata({ scopes_supported: [] }), ['warning no_nulls']],
  ['PKCE plain', asMetadata({ code_challenge_methods_supported: ['S256', 'plain'] }), ['warning pkce_plain']],
  [
    'the implicit grant',
    asMetadata({ grant_types_supported: ['authorization_code', 'refresh_token', 'implicit'] }),
    ['warning removed_grants'],
  ],
  ['no refresh', asMetadata({ grant_types_supported: ['authorization_code'] }), ['warning refresh_tokens']],
  [
    'secrets only',
    asMetadata({ token_endpoint_auth_methods_supported: ['client_secret_basic'] }),
    ['warning public_clients'],
  ],
  [
    'no iss',
    asMetadata({ authorization_response_iss_parameter_supported: undefined }),
    ['warning iss_parameter'],
  ],
  ['no CIMD', asMetadata({ client_id_metadata_document_supported: 'true' }), ['warning client_documents']],
  ['no JWKS', { [`GET ${issuer}/jwks`]: 'nothing' }, ['error jwks']],
  ['an empty JWKS', keys(), ['error jwks']],
  ['a private key', keys({ ...key, d: 'd' }), ['error jwks_public']],
  ['a symmetric key', keys({ ...key, kty: 'oct' }), ['error jwks_public']],
  ['keys without names', keys({ ...key, kid: undefined, use: undefined }), ['warning jwks_members']],
  ['two keys of one name', keys(key, key), ['warning jwks_members']],
  [
    'keys for its own origin that nobody may keep',
    { [`GET ${issuer}/jwks`]: { body: { keys: [key] } } },
    ['warning jwks_caching', 'warning jwks_cors'],
  ],
  [
    'an open redirector',
    { [authorize]: ({ url }) => moved(`${url.searchParams.get('redirect_uri')}?error=unauthorized_client`) },
    ['error unknown_client_page'],
  ],
  ['no authorization endpoint where it should be', { [authorize]: 'nothing' }, ['error unknown_client_page']],
  [
    'an authorization endpoint that takes POST alone',
    { [authorize]: { ...page, status: 405 } },
    ['error unknown_client_page'],
  ],
  ['no token endpoint where it should be', { [token]: 'nothing' }, ['error unknown_client']],
  ['a sign-in for anybody', { [authorize]: moved('/sign-in') }, ['warning unknown_client_page']],
  [
    'a failing authorization endpoint',
    { [authorize]: { ...page, status: 500 } },
    ['error unknown_client_page'],
  ],
  [
    'an authorization endpoint for scripts, in frames',
    { [authorize]: { ...html, headers: { 'access-control-allow-origin': '*' } } },
    ['error authorization_cors', 'warning authorization_framing'],
  ],
  [
    'a token endpoint that fails',
    { [token]: { ...html, status: 500 } },
    ['error unknown_client', 'warning token_caching'],
  ],
  [
    'a page from the token endpoint',
    { [token]: { ...html, status: 400, headers: { 'cache-control': 'no-store' } } },
    ['error unknown_client'],
  ],
  ['another error', { [token]: refusal(400, 'invalid_grant') }, ['warning unknown_client']],
  ['another status', { [token]: refusal(403, 'invalid_client') }, ['warning unknown_client']],
  [
    'a null in an error',
    {
      [token]: {
        status: 400,
        headers: { 'cache-control': 'no-store' },
        body: { error: 'x', error_uri: null },
      },
    },
    ['error unknown_client'],
  ],
  [
    'a token endpoint for its own origin',
    { [`OPTIONS ${issuer}/token`]: { ...preflighted, headers: unshared } },
    ['warning token_cors'],
  ],
  ['registration for the invited', { [register]: { status: 401, body: {} } }, ['warning registration_open']],
  [
    'a registration endpoint that takes all',
    { [register]: { status: 201, body: {} } },
    ['error registration_open'],
  ],
  [
    'registration from its own origin',
    { [`OPTIONS ${issuer}/register`]: { status: 404 } },
    ['warning registration_cors'],
  ],
]

const answering = (change: (wanted: Record<string, unknown>) => Said): World => ({
  [register]({ body }) {
    const wanted = JSON.parse(body)
    return Array.isArray(wanted) ? refusal(400, 'invalid_client_metadata') : change(wanted)
  },
})
const registering = (change: object): World =>
  answering((wanted) => ({
    status: 201,
    headers: { 'cache-control': 'no-store' },
    body: { ...registered(wanted), ...change },
  }))
const isKnown = (client: string | null) => client === 'client_1'
const knowing = (said: (parameters: URLSearchParams) => Said): World => ({
  [authorize]: ({ url: { searchParams } }) =>
    isKnown(searchParams.get('client_id')) ? said(searchParams) : page,
})
const sound = registering({})
const back = (parameters: URLSearchParams, answer: Record<string, string>) =>
  parameters.get('redirect_uri')?.startsWith('http://127')
    ? sendBack(String(parameters.get('redirect_uri')), answer)
    : page
const stateOf = (parameters: URLSearchParams) => String(parameters.get('state'))
const errorOf = (parameters: URLSearchParams) =>
  parameters.has('resource') ? 'invalid_target' : 'invalid_request'

/** The same, to a client that registers itself. */
export const brokenToClients: readonly Broken[] = [
  [
    'refuses to register anybody',
    answering(() => refusal(400, 'invalid_redirect_uri')),
    ['error registration'],
  ],
  [
    'answers 200',
    answering((wanted) => ({ headers: { 'cache-control': 'no-store' }, body: registered(wanted) })),
    ['error registration'],
  ],
  ['answers with a null', registering({ client_uri: null }), ['error registration']],
  ['forgets the redirect URI', registering({ redirect_uris: [] }), ['error registration']],
  [
    'gives a secret',
    registering({ token_endpoint_auth_method: 'client_secret_basic' }),
    ['warning registration'],
  ],
  [
    'lets it be kept',
    answering((wanted) => ({ status: 201, body: registered(wanted) })),
    ['warning registration_caching'],
  ],
  [
    'calls a bad code invalid_request',
    {
      ...sound,
      [token]: ({ body }) =>
        isKnown(new URLSearchParams(body).get('client_id'))
          ? refusal(400, 'invalid_request')
          : refusal(401, 'invalid_client'),
    },
    ['error bad_code'],
  ],
  [
    'redirects anywhere',
    {
      ...sound,
      ...knowing((parameters) =>
        sendBack(String(parameters.get('redirect_uri')), {
          error: errorOf(parameters),
          state: stateOf(parameters),
          iss: issuer,
        }),
      ),
    },
    ['error unknown_redirect_uri'],
  ],
  [
    'gives codes without PKCE',
    {
      ...sound,
      ...knowing((parameters) =>
        back(parameters, {
          ...(parameters.has('code_challenge') ? { error: 'invalid_target' } : { code: 'one' }),
          state: stateOf(parameters),
          iss: issuer,
        }),
      ),
    },
    ['error pkce_required'],
  ],
  [
    'loses the state',
    { ...sound, ...knowing((parameters) => back(parameters, { error: errorOf(parameters), iss: issuer })) },
    ['error error_response'],
  ],
  [
    'breaks its promise of iss',
    {
      ...sound,
      ...knowing((parameters) =>
        back(parameters, { error: errorOf(parameters), state: stateOf(parameters) }),
      ),
    },
    ['error error_response'],
  ],
  [
    'knows no resource indicators',
    {
      ...sound,
      ...knowing((parameters) =>
        parameters.has('resource')
          ? moved('/sign-in')
          : back(parameters, { error: 'invalid_request', state: stateOf(parameters), iss: issuer }),
      ),
    },
    ['warning resource_indicators'],
  ],
  ['keeps the client', registering({ registration_client_uri: undefined }), ['warning registration_deleted']],
  [
    'wants the token of the registration elsewhere',
    {
      ...registering({ registration_client_uri: 'https://evil.example/register/1' }),
      'DELETE https://evil.example/register/1': { status: 204 },
    },
    ['warning registration_deleted'],
  ],
]
