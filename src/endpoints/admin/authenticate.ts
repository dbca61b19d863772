import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Author } from '../../audit/event.ts'
import { Problem } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { holderOf, secondsToWait } from '../../http/rates.ts'
import { parseBasic } from '../../lib/basic-credentials.ts'
import { parseBearer } from '../../lib/bearer-token.ts'
import type { Passwords } from '../../lib/passwords.ts'
import { registeredIdPattern } from '../../lib/registered-id.ts'
import { equalSecrets, sha256 } from '../../lib/secret.ts'
import type { AdministratorRole } from '../../storage/documents.ts'

/** Who a request comes from. */
export type Caller = { actor: string; role: AdministratorRole }

/** Whoever holds the administrator's token, as the audit log names them. */
const tokenHolder: Caller = { actor: 'admin:token', role: 'write' }

const callers = new WeakMap<FastifyRequest, Caller>()

function callerOf(request: FastifyRequest): Caller {
  const caller = callers.get(request)
  if (!caller) throw new Error('a request got past the authentication')
  return caller
}

export function authorOf(gateway: Pick<Gateway, 'clock'>, request: FastifyRequest): Author {
  return { origin: 'admin', actor: callerOf(request).actor, now: gateway.clock() }
}

/** Seconds in which an administrator's being here is written once. */
const presence = 60

type Parts = Pick<Gateway, 'adminTokenHash' | 'clock' | 'store' | 'rates'> & { passwords: Passwords }

/**
 * The hook in front of every admin route: the administrator's token as a bearer (RFC 6750) or a named
 * administrator's password (RFC 7617), and no other authority. Who goes on with wrong ones is told 429, and so is
 * whoever goes on with one name, from however many addresses; no success of anybody takes that back. The right token is
 * served even from there, since several people may share an address, and guessing 256 bits is hopeless at any rate. A
 * password that was not yet found right is not even looked at then.
 */
export function createAuthentication(parts: Parts) {
  const { adminTokenHash, clock, rates } = parts
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    reply.header('cache-control', 'no-store')
    const { authorization } = request.headers
    const token = parseBearer(authorization)
    const isToken = adminTokenHash !== undefined && equalSecrets(sha256(token ?? ''), adminTokenHash)
    const counted = guessOf(request, authorization)
    const isTired = counted.some(([rate, key]) => rates[rate].wait(key, clock()) > 0)
    const caller = isToken ? tokenHolder : await namedCaller(parts, authorization, isTired ? 'known' : 'any')
    if (caller === 'busy') {
      reply.header('retry-after', 1)
      throw new Problem(503, 'busy', 'Too many passwords are being verified')
    }
    if (caller) {
      callers.set(request, caller)
      return
    }
    const wait = secondsToWait(parts, counted)
    if (wait > 0) {
      reply.header('retry-after', wait)
      throw new Problem(429, 'too_many_failures', 'Too many requests without a right credential')
    }
    // RFC 6750 section 3.1: a request that tried nothing is told no error. Basic is not offered, or browsers would
    // ask for it, and then send it with every request that any page makes here.
    reply.header('www-authenticate', token === undefined ? 'Bearer' : 'Bearer error="invalid_token"')
    throw new Problem(401, 'unauthenticated', 'An administrator token is needed, or a name and password')
  }
}

/** The hook of a route: who may write may read too. */
export function requireRole(needed: AdministratorRole) {
  return async (request: FastifyRequest): Promise<void> => {
    const { role } = callerOf(request)
    if (role !== 'write' && role !== needed) {
      throw new Problem(403, 'forbidden', 'This administrator may only read')
    }
  }
}

/** What a failure counts for: where it comes from, and whose name it says, whether there is such a one or not. */
function guessOf(request: FastifyRequest, authorization: string | undefined) {
  const from = ['failed_admin_logins_per_address', holderOf(request)] as const
  const [given] = parseBasic(authorization) ?? []
  const isName = given !== undefined && registeredIdPattern.test(given.id)
  return isName ? [from, ['failed_admin_logins_per_name', given.id] as const] : [from]
}

/** A name nobody has, a wrong password and a disabled administrator are one answer, and the same work. */
async function namedCaller(
  { store, clock, passwords }: Parts,
  authorization: string | undefined,
  accepted: 'any' | 'known',
): Promise<Caller | 'busy' | undefined> {
  const [given] = parseBasic(authorization) ?? []
  // No administrator ever has such a name, as everybody may know.
  if (!given || !registeredIdPattern.test(given.id)) return undefined
  const found = await store.administrators.find(given.id)
  const passwordHash = found?.passwordHash
  if (accepted === 'known' && !passwords.isRemembered(given.secret, passwordHash)) return undefined
  const verdict = await passwords.verify(given.secret, passwordHash)
  if (verdict === 'busy') return 'busy'
  if (verdict === 'wrong' || !found?.enabled) return undefined
  const now = clock()
  if ((found.lastSeenAt ?? 0) <= now - presence) {
    await store.administrators.touch(found.name, { now, since: now - presence + 1 })
  }
  return { actor: `admin:${found.name}`, role: found.role }
}
