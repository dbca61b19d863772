import type { Gateway } from '../../gateway.ts'
import type { ProviderRow } from '../../storage/providers.ts'
import type { Provider } from '../../upstream/provider.ts'
import type { UpstreamFailure } from '../../upstream/tokens.ts'

type Finding = { pointer?: string; code: string; message: string }

/** What a provider sends people back to; it must be registered there, byte for byte. */
export function redirectUriOf({ config }: Gateway, id: string): string {
  return `${config.issuer}/oauth/callback/${id}`
}

/**
 * Whether a provider can be used, as far as can be told without a person: it resolves, its metadata can be read,
 * nothing is missing. Only a sign-in shows whether the provider knows the client, its secret and the redirect URI.
 */
export async function checkProvider(gateway: Gateway, row: ProviderRow) {
  const provider = await gateway.providers.find(row.id)
  const { problems, authorizationEndpoint } = provider
    ? await reach(gateway, provider)
    : { problems: await faultsOf(gateway, row.id) }
  return {
    ok: problems.length === 0,
    redirect_uri: redirectUriOf(gateway, row.id),
    ...(authorizationEndpoint !== undefined && { authorization_endpoint: authorizationEndpoint }),
    problems,
    warnings: provider ? warningsFor(provider) : [],
  }
}

async function faultsOf(gateway: Gateway, id: string): Promise<Finding[]> {
  const { broken } = await gateway.providers.list()
  const faults = broken.find((each) => each.id === id)?.errors ?? []
  return faults.map((fault) => ({ code: 'broken', ...fault }))
}

async function reach(
  gateway: Gateway,
  provider: Provider,
): Promise<{ problems: Finding[]; authorizationEndpoint?: string }> {
  // What is known of a server hangs on its descriptor object: a copy is looked up anew, as a check should be.
  const anew = { ...provider, descriptor: { ...provider.descriptor } }
  const answer = await gateway.upstream.authorizationUrl(anew, {
    redirectUri: redirectUriOf(gateway, provider.id),
    state: 'check',
    codeChallenge: 'check',
    nonce: 'check',
    scopes: [],
    refreshToken: 'unwanted',
  })
  if (answer.outcome === 'failed') return { problems: [findingOf(provider, answer.failure)] }
  const { origin, pathname } = answer.url
  return { problems: [], authorizationEndpoint: origin + pathname }
}

function findingOf({ descriptor }: Provider, { code }: UpstreamFailure): Finding {
  const { issuer } = descriptor.server
  const message = inWords[code] ?? 'does not answer with a metadata document'
  return { pointer: '/descriptor/server/issuer', code, message: `${issuer} ${message}` }
}

const inWords: Readonly<Record<string, string>> = {
  refused_url: 'is no address this gateway talks to: https is needed',
  refused_address: 'leads to an address this gateway does not talk to',
  deadline: 'did not answer in time',
  unreachable: 'cannot be reached: the name, the connection or its certificate fails',
  too_large: 'answers with more than a metadata document may have',
  encoded: 'answers compressed, though that was not asked for',
  malformed: 'answers with something that is not HTTP',
  metadata_invalid:
    'has no metadata document there, or one of another issuer or without the endpoints needed',
}

function warningsFor({ descriptor, clientSecret, enabled, scopes = [] }: Provider): Finding[] {
  const warnings: Finding[] = []
  if (!enabled) {
    warnings.push({ pointer: '/enabled', code: 'disabled', message: 'Nobody can use it while disabled' })
  }
  if (clientSecret === undefined) {
    const message = 'Without a secret the gateway is a public client there, which many providers refuse'
    warnings.push({ pointer: '/client_secret', code: 'no_client_secret', message })
  }
  scopes.forEach((scope, index) => {
    if (Object.hasOwn(descriptor.scopes.catalog, scope)) return
    const message = 'The descriptor has no words for it: people will read the bare scope'
    warnings.push({ pointer: `/scopes/${index}`, code: 'scope_without_words', message })
  })
  return warnings
}
