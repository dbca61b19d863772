import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Author } from '../../audit/event.ts'
import { Problem } from '../../errors.ts'
import type { Gateway } from '../../gateway.ts'
import { type Counted, holderOf, secondsToWait } from '../../http/rates.ts'
import { parseBasic } from '../../lib/basic-credentials.ts'
import { parseBearer } from '../../lib/bearer-token.ts'
import { createMemory, type Memory } from '../../lib/memory.ts'
import type { Passwords } from '../../lib/passwords.ts'
import { registeredIdPattern } from '../../lib/registered-id.ts'
import { equalSecrets, sha256 } from '../../lib/secret.ts'
import type { Administrator } from '../../storage/administrators.ts'
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

/** Seconds for which an address is known as one from where an administrator came. */
const placeLifetime = 7 * 86_400

type Parts = Pick<Gateway, 'adminTokenHash' | 'clock' | 'store' | 'rates' | 'failures'> & {
  passwords: Passwords
}

/**
 * The hook in front of every admin route: the administrator's token as a bearer (RFC 6750) or a named
 * administrator's password (RFC 7617), and no other authority. Who goes on with wrong ones is told 429, and so is
 * whoever goes on with one name, from however many addresses; no success of anybody takes that back. The right token is
 * served even from there, since several people may share an address, and guessing 256 bits is hopeless at any rate.
 */
export function createAuthentication(parts: Parts) {
  const { adminTokenHash, clock } = parts
  const places = createMemory({ lifetime: placeLifetime }, clock)
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    reply.header('cache-control', 'no-store')
    const { authorization } = request.headers
    const token = parseBearer(authorization)
    const isToken = adminTokenHash !== undefined && equalSecrets(sha256(token ?? ''), adminTokenHash)
    const guess = guessOf(request, authorization)
    const caller = isToken ? tokenHolder : await namedCaller({ ...parts, places }, reply, guess)
    if (caller) {
      callers.set(request, caller)
      return
    }
    if (authorization !== undefined) await noteFailure(parts, guess.given?.id)
    // RFC 6750 section 3.1: a request that tried nothing is told no error. Basic is not offered, or browsers would
    // ask for it, and then send it with every request that any page makes here.
    reply.header('www-authenticate', token === undefined ? 'Bearer' : 'Bearer error="invalid_token"')
    throw new Problem(401, 'unauthenticated', 'An administrator token is needed, or a name and password')
  }
}

/** What is nobody's name may be a password in the wrong place. */
async function noteFailure({ store, failures }: Pick<Parts, 'store' | 'failures'>, name: string | undefined) {
  const known = name === undefined ? undefined : await store.administrators.find(name)
  await failures.note({ event: 'administrator.refused', outcome: 'wrong_credential' }, known?.name)
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

type Guess = {
  given: { id: string; secret: string } | undefined
  place: string
  counted: readonly Counted[]
  countedThere: readonly Counted[]
}

/**
 * What a failure counts for: where it comes from, and whose name it says, whether there is such a one or not. Where
 * that name was right before, wrong ones have a limit of their own.
 */
function guessOf(request: FastifyRequest, authorization: string | undefined): Guess {
  const holder = holderOf(request)
  const from = ['failed_admin_logins_per_address', holder] as const
  const [given] = parseBasic(authorization) ?? []
  // No administrator ever has another name, as everybody may know.
  if (!given || !registeredIdPattern.test(given.id)) {
    return { given: undefined, place: holder, counted: [from], countedThere: [from] }
  }
  const place = sha256(`${holder} ${given.id}`)
  return {
    given,
    place,
    counted: [from, ['failed_admin_logins_per_name', given.id]],
    countedThere: [['failed_admin_logins_per_address', place]],
  }
}

/**
 * A name nobody has, a wrong password and a disabled administrator are one answer, and the same work. Where a limit has
 * nothing left, a password is looked at only where this name was right before, and only whether it is the one that was:
 * looking anywhere would tell who guesses on when they are right.
 */
async function namedCaller(
  parts: Parts & { places: Memory },
  reply: FastifyReply,
  { given, place, counted, countedThere }: Guess,
): Promise<Caller | undefined> {
  const { store, passwords, places } = parts
  const found = given && (await store.administrators.find(given.id))
  // Until it has counted nothing is awaited, or of guesses that come at once each would be looked at.
  const isKnownPlace = isUsedUp(parts, counted) && places.knows(place)
  const mayBeRemembered = !isUsedUp(parts, isKnownPlace ? countedThere : counted)
  const isRemembered = mayBeRemembered && passwords.isRemembered(given?.secret ?? '', found?.passwordHash)
  if (!isRemembered || !found?.enabled) {
    if (isKnownPlace) secondsToWait(parts, countedThere)
    const wait = secondsToWait(parts, counted)
    if (wait > 0) {
      reply.header('retry-after', wait)
      throw new Problem(429, 'too_many_failures', 'Too many requests without a right credential')
    }
    const verdict = given ? await passwords.verify(given.secret, found?.passwordHash) : 'wrong'
    if (verdict === 'busy') {
      reply.header('retry-after', 1)
      throw new Problem(503, 'busy', 'Too many passwords are being verified')
    }
    if (verdict === 'wrong' || !found?.enabled) return undefined
  }
  places.note(place)
  await noteSeen(parts, found)
  return { actor: `admin:${found.name}`, role: found.role }
}

function isUsedUp({ rates, clock }: Pick<Gateway, 'rates' | 'clock'>, counted: readonly Counted[]): boolean {
  return counted.some(([rate, key = '']) => rates[rate].wait(key, clock()) > 0)
}

async function noteSeen({ store, clock }: Pick<Gateway, 'store' | 'clock'>, found: Administrator) {
  const now = clock()
  if ((found.lastSeenAt ?? 0) > now - presence) return
  await store.administrators.touch(found.name, { now, since: now - presence + 1 })
}
