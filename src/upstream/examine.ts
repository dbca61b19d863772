import { z } from 'zod'
import type { Clock } from '../lib/clock.ts'
import { FetchError } from '../lib/fetch-error.ts'
import type { GuardedFetch } from '../lib/guarded-fetch.ts'
import type { Provider } from './provider.ts'
import { createFindServer, type Server, type UpstreamParts } from './server.ts'
import type { UpstreamFailure } from './tokens.ts'
import { failureOfException, UpstreamError } from './upstream-error.ts'

/** What a provider's servers say of themselves just now. */
export type Examination = {
  /** Absent where its metadata cannot be read. */
  authorizationEndpoint?: string
  /** What did not answer as it should. */
  failures: readonly Unanswered[]
  /** Seconds its clock seems ahead of this one; negative: behind. Absent: none of its answers told its time. */
  skew?: number
  /** `scopes_supported` (RFC 8414 section 2), which need not name all; absent: it does not say. */
  scopesOffered?: readonly string[]
}

export type Unanswered = {
  part: 'issuer' | 'jwks_uri' | 'token_endpoint'
  address: string
  failure: UpstreamFailure
}

export type ExamineProvider = (provider: Provider) => Promise<Examination>

/**
 * Reads a provider's metadata and keys anew, and sees whether its token endpoint answers at all. Nothing is sent but
 * the bare requests: no client id, no secret.
 */
export function createExamination(parts: UpstreamParts): ExamineProvider {
  return async (provider) => {
    const watch = watchClock(parts)
    const found = await createFindServer({ ...parts, fetch: watch.fetch })(provider)
    if (found.outcome === 'failed') {
      const address = provider.descriptor.server.issuer
      return { failures: [{ part: 'issuer', address, failure: found.failure }], ...watch.skew() }
    }
    const { metadata } = found.server
    const { origin, pathname } = new URL(metadata.authorization_endpoint)
    return {
      authorizationEndpoint: origin + pathname,
      failures: await failuresOf(provider, found.server, parts),
      ...watch.skew(),
      ...(metadata.scopes_supported?.length && { scopesOffered: metadata.scopes_supported }),
    }
  }
}

async function failuresOf(
  { descriptor }: Provider,
  { metadata, fetch }: Server,
  { discoveryDeadline: deadline }: UpstreamParts,
): Promise<Unanswered[]> {
  const { jwks_uri: jwksUri, token_endpoint: tokenEndpoint } = metadata
  const readKeys = async (url: string) => {
    const answer = await fetch(url, { deadline })
    const keys = keySetSchema.safeParse(await answer.json().catch(() => undefined))
    if (!answer.ok || !keys.success) throw new UpstreamError({ kind: 'config', code: 'keys_invalid' })
  }
  // A token endpoint answers POST alone; whatever it says to this, it answers, and no cache does in its place.
  const touch = async (url: string) => void (await fetch(url, { method: 'HEAD', deadline }))
  const isKeyed = descriptor.kind === 'oidc' && jwksUri !== undefined
  const looks = [
    ...(isKeyed ? [look('jwks_uri', jwksUri, readKeys)] : []),
    look('token_endpoint', tokenEndpoint, touch),
  ]
  return (await Promise.all(looks)).filter((each) => each !== undefined)
}

/** RFC 7517 section 5. */
const keySetSchema = z.object({ keys: z.array(z.object({ kty: z.string() })).min(1) })

async function look(
  part: Unanswered['part'],
  address: string,
  attempt: (url: string) => Promise<void>,
): Promise<Unanswered | undefined> {
  try {
    await attempt(address)
    return undefined
  } catch (error) {
    // An answer nobody could take is still one: for a token endpoint that is all there is to see.
    const isAnswer = error instanceof FetchError && (error.code === 'too_large' || error.code === 'encoded')
    if (part === 'token_endpoint' && isAnswer) return undefined
    return { part, address, failure: failureOfException(error, { kind: 'config', code: 'malformed' }) }
  }
}

/** Compares the time of every answer with this clock (RFC 9110 section 6.6.1, the age of RFC 9111 section 5.1 added). */
function watchClock({ fetch, clock }: { fetch: GuardedFetch; clock: Clock }) {
  const seen: number[] = []
  return {
    async fetch(...request: Parameters<GuardedFetch>) {
      const before = clock()
      const answer = await fetch(...request)
      const date = Date.parse(answer.headers.get('date') ?? '') / 1000
      const age = Math.max(0, Number(answer.headers.get('age')) || 0)
      if (!Number.isNaN(date)) seen.push(skewOf(date + age, { before, after: clock() }))
      return answer
    },
    /** A cache that does not tell an answer's age only makes a clock seem worse than it is. */
    skew(): { skew?: number } {
      const [least] = seen.toSorted((a, b) => Math.abs(a) - Math.abs(b))
      return least === undefined ? {} : { skew: least }
    },
  }
}

/** However long an answer took, its time lies between its request and its arrival where both clocks are right. */
function skewOf(theirs: number, { before, after }: { before: number; after: number }): number {
  return theirs > after ? theirs - after : Math.min(0, theirs - before)
}
