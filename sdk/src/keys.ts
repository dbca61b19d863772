import { createLocalJWKSet, createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from 'jose'
import { boundedFetch, parseObject } from './bounded-fetch.ts'
import type { Outside } from './settings.ts'

/** That no key was found because the keys cannot be had; it says nothing about the token. */
export class KeysUnavailable extends Error {
  override name = 'KeysUnavailable'
}

const keySetBytes = 256 * 1024

/** In seconds. */
const lifetimes = {
  fresh: 600,
  /** How long keys are used at most that cannot be fetched again: about as long as the tokens they signed. */
  stale: 3600,
  /** After a look at the keys, an unknown one is not looked for; after a failed look, none is. */
  cooldown: 30,
  failureCooldown: 5,
}

/** The published keys of a server: fetched when needed, and again for an unknown one, but not for each. */
export function remoteKeys(uri: string, outside: Outside): JWTVerifyGetKey {
  let loadedAt = Number.NEGATIVE_INFINITY
  let failedAt = Number.NEGATIVE_INFINITY

  async function load(url: string, { headers }: { headers: Headers }): Promise<Response> {
    const { fetch, clock, deadline } = outside
    if (clock() < failedAt + lifetimes.failureCooldown) throw new KeysUnavailable()
    const fetched = await boundedFetch(fetch, url, { headers }, { deadline, bytes: keySetBytes })
    if (fetched.outcome === 'answer' && fetched.status === 200 && parseObject(fetched.text)) {
      loadedAt = clock()
      return new Response(fetched.text)
    }
    failedAt = clock()
    throw new KeysUnavailable()
  }

  const set = createRemoteJWKSet(new URL(uri), {
    cacheMaxAge: lifetimes.fresh * 1000,
    cooldownDuration: lifetimes.cooldown * 1000,
    [customFetch]: load,
  })

  /** Only a key that is found counts: the one that is not may be among those that cannot be fetched. */
  async function findStale(...sought: Parameters<JWTVerifyGetKey>) {
    const known = outside.clock() < loadedAt + lifetimes.stale ? set.jwks() : undefined
    return known && (await createLocalJWKSet(known)(...sought).catch(() => undefined))
  }

  return async (...sought) => {
    try {
      return await set(...sought)
    } catch (error) {
      if (isAboutTheToken(error)) throw error
      const key = await findStale(...sought)
      if (key) return key
      throw new KeysUnavailable(undefined, { cause: error })
    }
  }
}

const isAboutTheToken = (error: unknown): boolean =>
  error instanceof errors.JWKSNoMatchingKey ||
  error instanceof errors.JWKSMultipleMatchingKeys ||
  error instanceof errors.JOSENotSupported
