import { randomBytes } from 'node:crypto'
import { hash, parseOptions, verify } from '@node-rs/argon2'
import { putBounded } from './bounded-map.ts'
import { keyedDigest } from './secret.ts'

/** OWASP's least for argon2id, which is the library's own algorithm. */
const cost = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }

/** Of no password anybody knows, at the same cost: what is verified where there is nobody. */
const nobody =
  '$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'

/** Right passwords remembered at once. */
const capacity = 1_000

export type Verdict = 'right' | 'wrong' | 'busy'

export type Passwords = {
  /** `undefined` where too many are being computed already. */
  hash(password: string): Promise<string | undefined>
  /** Whether it was found right before, which costs nothing to tell. */
  isRemembered(password: string, passwordHash: string | undefined): boolean
  /** The same work whether there is such a hash or not. */
  verify(password: string, passwordHash: string | undefined): Promise<Verdict>
}

/**
 * Passwords that people chose (argon2id). One that was right is remembered by a digest under a key of this process
 * and the stored hash, so that it is verified once, and forgotten as soon as the hash is another.
 */
export function createPasswords(bounds = { atOnce: 2, waiting: 8 }): Passwords {
  const key = randomBytes(32)
  const remembered = new Map<string, true>()
  const inTurn = createTurns(bounds)
  const digestOf = (password: string, passwordHash: string) =>
    keyedDigest(key, `${passwordHash}\n${password}`)
  const isRemembered: Passwords['isRemembered'] = (password, passwordHash) =>
    passwordHash !== undefined && remembered.has(digestOf(password, passwordHash))
  return {
    isRemembered,
    hash: async (password) => await inTurn(async () => await hash(password, cost)),
    async verify(password, passwordHash) {
      if (isRemembered(password, passwordHash)) return 'right'
      const isRight = await inTurn(async () => await verify(soundHash(passwordHash), password))
      if (isRight === undefined) return 'busy'
      if (!isRight || passwordHash === undefined) return 'wrong'
      putBounded(remembered, digestOf(password, passwordHash), true, capacity)
      return 'right'
    },
  }
}

/** A hash that asks for more than we ever spend is nobody's: it would take memory, or hours. */
function soundHash(passwordHash: string | undefined): string {
  if (passwordHash === undefined) return nobody
  try {
    const { memoryCost, timeCost, parallelism } = parseOptions(passwordHash)
    const isSound =
      memoryCost <= cost.memoryCost && timeCost <= cost.timeCost && parallelism <= cost.parallelism
    return isSound ? passwordHash : nobody
  } catch {
    return nobody
  }
}

/** So much at once, so many who wait; everybody beyond is turned away with `undefined`. */
function createTurns({ atOnce, waiting }: { atOnce: number; waiting: number }) {
  let taken = 0
  const queue: (() => void)[] = []
  return async <Result>(work: () => Promise<Result>): Promise<Result | undefined> => {
    if (taken < atOnce) taken += 1
    else if (queue.length >= waiting) return undefined
    // Whoever ends hands its turn on.
    else await new Promise<void>((go) => queue.push(go))
    try {
      return await work()
    } finally {
      const next = queue.shift()
      if (next) next()
      else taken -= 1
    }
  }
}
