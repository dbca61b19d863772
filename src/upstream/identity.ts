import type { Clock } from '../lib/clock.ts'
import { displayText } from '../lib/display-text.ts'
import { type Claims, claimAt, textAt } from './claims.ts'
import type { Descriptor } from './descriptor.ts'
import { type EmailAddress, emailIn, emailInList } from './email.ts'
import type { Provider } from './provider.ts'
import type { Server } from './server.ts'
import type { UpstreamFailed, UpstreamFailure, UpstreamTokens } from './tokens.ts'
import { failureOfException, UpstreamError } from './upstream-error.ts'
import { type AskApi, createAskApi, failureOfApi, readClaims, readJson } from './userinfo.ts'

/** Whose account it is, by the provider's word. The key is (provider, issuer, subject); all else is display data. */
export type UpstreamIdentity = {
  issuer: string
  subject: string
  /** What the person knows the account by. */
  label: string
  email?: string
  emailVerified: boolean
  hostedDomain?: string
  tenant?: string
  /** Sorted, each once. */
  groups: string[]
}

export type IdentityOutcome = { outcome: 'identity'; identity: UpstreamIdentity } | UpstreamFailed

/** Learns whose account fresh tokens belong to, from the sources the descriptor names. */
export async function identify(
  { descriptor }: Provider,
  server: Server,
  clock: Clock,
  tokens: UpstreamTokens,
): Promise<IdentityOutcome> {
  const ask = createAskApi(descriptor, server, tokens.accessToken)
  try {
    const claims = await gatherClaims(descriptor, server, clock, tokens, ask)
    const email = await findEmail(descriptor, clock, claims, ask)
    return { outcome: 'identity', identity: toIdentity(descriptor, server, claims, email) }
  } catch (error) {
    return { outcome: 'failed', failure: failureOfException(error, unreadable) }
  }
}

/** As many as identity providers put into a token. */
const mostGroups = 200

const isGroupName = (name: string) => /^[^\p{Cc}]{1,255}$/u.test(name)

const unreadable: UpstreamFailure = { kind: 'config', code: 'identity_unreadable' }

/** What each source says, in their order; a source is not asked for what is known already. */
async function gatherClaims(
  descriptor: Descriptor,
  server: Server,
  clock: Clock,
  tokens: UpstreamTokens,
  ask: AskApi,
): Promise<Claims[]> {
  const gathered: Claims[] = []
  for (const source of descriptor.identity.sources) {
    const { userinfo_endpoint: endpoint } = server.metadata
    if (source === 'id_token') {
      if (tokens.idTokenClaims) gathered.push(tokens.idTokenClaims)
    } else if (endpoint !== undefined && !isComplete(descriptor, gathered)) {
      const response = await ask(endpoint)
      if (response.status !== 200) throw new UpstreamError(failureOfApi(descriptor, response, clock))
      gathered.push(await readClaims(response))
    }
  }
  return gathered
}

function isComplete({ identity }: Descriptor, sources: readonly Claims[]): boolean {
  const { subject, label, email, groups } = identity
  const hasGroups = groups === undefined || sources.some((claims) => Array.isArray(claimAt(claims, groups)))
  const hasEmail = !email || 'list' in email || emailIn(sources, email) !== undefined
  return (
    hasEmail &&
    hasGroups &&
    firstText(sources, [subject]) !== undefined &&
    firstText(sources, label) !== undefined
  )
}

async function findEmail(
  descriptor: Descriptor,
  clock: Clock,
  claims: readonly Claims[],
  ask: AskApi,
): Promise<EmailAddress | undefined> {
  const rule = descriptor.identity.email
  if (!rule) return undefined
  if (!('list' in rule)) return emailIn(claims, rule)
  const response = await ask(rule.list)
  if (response.status === 200) return emailInList(await readJson(response), rule)
  const failure = failureOfApi(descriptor, response, clock)
  // A token that may not read the addresses still says who it belongs to.
  if (failure.kind === 'config') return undefined
  throw new UpstreamError(failure)
}

function toIdentity(
  { identity }: Descriptor,
  { metadata }: Server,
  claims: readonly Claims[],
  email: EmailAddress | undefined,
): UpstreamIdentity {
  const subject = oneSubject(claims, identity.subject)
  const hostedDomain = identity.hosted_domain && firstText(claims, [identity.hosted_domain])
  const tenant = identity.tenant && firstText(claims, [identity.tenant])
  return {
    issuer: metadata.issuer,
    subject,
    label: displayText(firstText(claims, identity.label) ?? subject, 120) || subject,
    emailVerified: false,
    groups: identity.groups === undefined ? [] : groupsIn(claims, identity.groups),
    ...email,
    ...(hostedDomain && { hostedDomain }),
    ...(tenant && { tenant }),
  }
}

/** The one subject all sources agree on (OpenID Connect Core section 5.3.2). */
function oneSubject(sources: readonly Claims[], claim: string): string {
  const [subject, ...others] = new Set(sources.map((claims) => textAt(claims, claim)))
  if (subject === undefined || others.length > 0 || !/^[\x21-\x7E]{1,255}$/.test(subject)) {
    throw new UpstreamError({
      kind: 'config',
      code: others.length > 0 ? 'subject_mismatch' : 'subject_missing',
    })
  }
  return subject
}

/** Bounded, since they are stored; a group whose name is no text is not anybody's. */
function groupsIn(sources: readonly Claims[], path: string): string[] {
  const told = sources.map((claims) => claimAt(claims, path)).find(Array.isArray) ?? []
  const names = told.filter((name): name is string => typeof name === 'string' && isGroupName(name))
  return [...new Set(names)].sort().slice(0, mostGroups)
}

function firstText(sources: readonly Claims[], paths: readonly string[]): string | undefined {
  for (const path of paths) {
    for (const claims of sources) {
      const text = textAt(claims, path)
      if (text !== undefined) return text
    }
  }
  return undefined
}
