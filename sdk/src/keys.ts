import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from 'jose'
import { boundedFetch } from './bounded-fetch.ts'
import type { Outside } from './settings.ts'

/** That no key was found because the keys cannot be had; it says nothing about the token. */
export class KeysUnavailable extends Error {
  override name = 'KeysUnavailable'
}

const keySetBytes = 256 * 1024
/** How long after a look at the keys an unknown one is not looked for, and after a failed look nothing is. */
const cooldown = 30
const failureCooldown = 5

/** The published keys of a server: fetched when needed, and again for an unknown one, but not for each. */
export function remoteKeys(uri: string, { fetch, clock, deadline }: Outside): JWTVerifyGetKey {
  let failedAt = Number.NEGATIVE_INFINITY
  const bounded = async (url: string, options: { headers: Headers }): Promise<Response> => {
    if (clock() < failedAt + failureCooldown) throw new KeysUnavailable()
    const limits = { deadline, bytes: keySetBytes }
    const fetched = await boundedFetch(fetch, url, { headers: options.headers }, limits)
    if (fetched.outcome === 'answer' && fetched.status === 200) return new Response(fetched.text)
    failedAt = clock()
    throw new KeysUnavailable()
  }
  const set = createRemoteJWKSet(new URL(uri), {
    cooldownDuration: cooldown * 1000,
    [customFetch]: bounded,
  })
  return async (header, input) => {
    try {
      return await set(header, input)
    } catch (error) {
      if (isAboutTheToken(error)) throw error
      throw new KeysUnavailable(undefined, { cause: error })
    }
  }
}

const isAboutTheToken = (error: unknown): boolean =>
  error instanceof errors.JWKSNoMatchingKey ||
  error instanceof errors.JWKSMultipleMatchingKeys ||
  error instanceof errors.JOSENotSupported
