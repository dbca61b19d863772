import { OAuthError } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { type ExchangeRefusal, exchangeErrors, exchangeRefusal } from '../../grants/exchange-error.ts'
import type { AskingResource } from '../../grants/open-session.ts'
import { recordExchangeRefusal } from '../../grants/recorded-refusal.ts'
import {
  findOrigin,
  type Origin,
  type PlannedExchange,
  planExchange,
} from '../../grants/resource-exchange.ts'
import { countRequest } from '../../http/rates.ts'
import { canonicalUri } from '../../lib/canonical-uri.ts'
import type { Parameters } from '../../lib/parameters.ts'
import { scopesStill, scopesWithin } from '../../policy/tool-policy.ts'
import type { Resource } from '../../storage/resources.ts'
import { parseScope } from '../../tokens/scope.ts'
import type { TokenAnswer } from './grant.ts'
import { tokenAnswer } from './issue.ts'

export const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'
const jwtType = 'urn:ietf:params:oauth:token-type:jwt'

/** What a token for another resource may be asked for as: ours are both. */
export const resourceTokenTypes: readonly string[] = [accessTokenType, jwtType]

/** Parameters that mean something only where an upstream token is asked for. */
const foreign = ['provider', 'min_ttl', 'account', 'rejected', 'actor_token', 'actor_token_type']

/**
 * RFC 8693 between resources: the person's token for the one that asks is exchanged for a token for another one, which
 * says who is acting. Everything is checked before anything is written.
 */
export async function exchangeForResource(
  gateway: Gateway,
  asking: AskingResource,
  form: Parameters,
): Promise<TokenAnswer> {
  const wish = readWish(form)
  if (!wish) throw exchangeRefused(exchangeRefusal('invalid_request'))
  const claims = await gateway.verifyAccessToken(wish.subjectToken, asking.resource.uri)
  const origin = claims && (await findOrigin(gateway, asking, claims))
  if (!origin) throw exchangeRefused(exchangeRefusal('invalid_user_token'))
  const root = origin.ancestors.at(-1) ?? origin.grant
  countRequest(gateway, ['exchanges_per_session', root.id])

  const now = gateway.clock()
  const { target: resource, grant, act, event } = await getPlan(gateway, asking, origin, wish, now)
  const { scopes, expiresAt: accessEndsAt } = grant
  // Made before the grant is written: from then on nothing may fail.
  const answer = await tokenAnswer(gateway, grant, { resource, scopes, accessEndsAt, act }, now)
  const ancestors = [origin.grant, ...origin.ancestors] as const
  const keep = gateway.config.limits.exchanged_sessions
  const created = await gateway.store.exchangedGrants.create(grant, ancestors, keep, now, event)
  if (!created) throw exchangeRefused(exchangeRefusal('invalid_user_token'))
  return { ...answer, issued_token_type: wish.tokenType }
}

/** What is about to be written. Throws where it may not be, and has that recorded. */
async function getPlan(
  gateway: Gateway,
  asking: AskingResource,
  origin: Origin,
  { targets, requested }: Wish,
  now: number,
): Promise<PlannedExchange> {
  const target = await findTarget(gateway, targets)
  const { subjectId } = origin.grant
  const within = target ? await scopesWithin(gateway.store, target, subjectId, now) : new Set<string>()
  // What a role gave the person at the caller may be gone since the token was issued.
  const held = await scopesStill(gateway, { resource: asking.resource, subjectId }, origin.claims.scopes)
  const planned = planExchange(gateway.config, asking, origin, { target, held, requested, within }, now)
  if (planned.outcome === 'planned') return planned
  await recordExchangeRefusal(gateway, asking, origin.grant, { target, requested }, planned)
  throw exchangeRefused(planned)
}

type Wish = {
  subjectToken: string
  tokenType: string
  /** As they were sent: URIs of resources, and where they may stand, ids. */
  targets: ReadonlySet<string>
  requested: readonly string[]
}

function readWish({ values, all, malformed }: Parameters): Wish | undefined {
  const subjectToken = values.get('subject_token')
  const tokenType = values.get('requested_token_type') ?? accessTokenType
  const requested = parseScope(values.get('scope') ?? '')
  const targets = new Set([
    ...(all.get('resource') ?? []).map((uri) => canonicalUri(uri) ?? notAUri),
    ...(all.get('audience') ?? []).map((name) => canonicalUri(name) ?? name),
  ])
  const isWhole = subjectToken !== undefined && requested !== undefined && targets.size > 0
  const isUnderstood =
    values.get('subject_token_type') === accessTokenType &&
    resourceTokenTypes.includes(tokenType) &&
    !malformed.has('resource') &&
    !malformed.has('audience') &&
    !foreign.some((name) => all.has(name))
  return isWhole && isUnderstood ? { subjectToken, tokenType, targets, requested } : undefined
}

/** Stands for a `resource` that names nothing; no id is like it. */
const notAUri = ''

/**
 * The one resource that is meant: by its URI, its id, or both. Who names several, and who names none there is, is told
 * the same, or it could be found out which there are.
 */
async function findTarget(
  { store }: Pick<Gateway, 'store'>,
  targets: ReadonlySet<string>,
): Promise<Resource | undefined> {
  if (targets.size > 2) return undefined
  const [found, ...others] = await Promise.all(
    [...targets].map(
      async (name) => (await store.resources.findByUri(name)) ?? (await store.resources.find(name)),
    ),
  )
  return others.every((other) => other?.id === found?.id) ? found : undefined
}

function exchangeRefused({ code, missingScopes }: ExchangeRefusal): OAuthError {
  const { oauth, who, says } = exchangeErrors[code]
  const missing = missingScopes.length === 0 ? {} : { missing_scopes: missingScopes }
  return new OAuthError(oauth, says, { members: { error_code: code, who_must_act: who, ...missing } })
}
