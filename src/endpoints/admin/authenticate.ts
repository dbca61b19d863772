import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Author } from '../../audit/event.ts'
import { Problem } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { parseBearer } from '../../lib/bearer-token.ts'
import type { Clock } from '../../lib/clock.ts'
import { equalSecrets, sha256 } from '../../lib/secret.ts'

/** Whoever holds the administrator's token, as the audit log names them. */
const actor = 'admin:token'

export function authorOf(gateway: Pick<Gateway, 'clock'>): Author {
  return { origin: 'admin', actor, now: gateway.clock() }
}

/** Failures an address may have in a window of seconds before it is told to stop. */
const tolerated = 30
const window = 60
/** Addresses remembered at once. */
const capacity = 10_000

/**
 * The hook in front of every admin route: the administrator's token as a bearer (RFC 6750), and no other authority.
 * Who goes on with wrong ones is told 429; the right token is served even from there, since several people may
 * share an address, and guessing 256 bits is hopeless at any rate.
 */
export function createAuthentication({ adminTokenHash, clock }: Pick<Gateway, 'adminTokenHash' | 'clock'>) {
  const countFailure = createFailureCount(clock)
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    reply.header('cache-control', 'no-store')
    const token = parseBearer(request.headers.authorization)
    if (adminTokenHash !== undefined && equalSecrets(sha256(token ?? ''), adminTokenHash)) return
    if (countFailure(request.ip) > tolerated) {
      reply.header('retry-after', window)
      throw new Problem(429, 'too_many_failures', 'Too many requests without a right administrator token')
    }
    // RFC 6750 section 3.1: a request that tried nothing is told no error.
    reply.header('www-authenticate', token === undefined ? 'Bearer' : 'Bearer error="invalid_token"')
    throw new Problem(401, 'unauthenticated', 'An administrator token is needed')
  }
}

function createFailureCount(clock: Clock): (address: string) => number {
  const failures = new Map<string, { count: number; until: number }>()
  return (address) => {
    const now = clock()
    const before = failures.get(address)
    const entry = before && before.until > now ? before : { count: 0, until: now + window }
    entry.count += 1
    failures.set(address, entry)
    const [oldest] = failures.keys()
    if (failures.size > capacity && oldest !== undefined) failures.delete(oldest)
    return entry.count
  }
}
