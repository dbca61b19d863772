import { error, type Rule, success, warning } from './check.ts'
import { cachingOf, isShared } from './discovery-rules.ts'
import { documentIn, isJson, type Json, listed, said } from './heard.ts'
import type { ServerFacts } from './server-facts.ts'
import { specs } from './specs.ts'

function keysIn({ jwks }: ServerFacts): Json[] {
  const keys = documentIn(jwks)?.keys
  return Array.isArray(keys) ? keys.filter(isJson) : []
}

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']

/** The keys that access tokens are verified with. */
export const keyRules: readonly Rule<ServerFacts>[] = [
  {
    code: 'jwks',
    asks: 'Are there keys at jwks_uri?',
    spec: specs.jwk('5'),
    judge(facts) {
      if (!facts.jwks) return undefined
      const { length } = keysIn(facts)
      if (length > 0) return success(length === 1 ? 'There is one key.' : `There are ${length} keys.`)
      return error(`There are no keys at jwks_uri: ${said(facts.jwks)}.`)
    },
  },
  {
    code: 'jwks_public',
    asks: 'Is there nothing private and nothing symmetric among the keys?',
    spec: specs.jwk('9.3'),
    judge(facts) {
      const keys = keysIn(facts)
      if (keys.length === 0) return undefined
      const isSecret = (key: Json) =>
        key.kty === 'oct' || privateMembers.some((name) => Object.hasOwn(key, name))
      return keys.some(isSecret)
        ? error(
            'A private or symmetric key is published: whoever reads it can sign any token. Replace it now.',
          )
        : success('All keys are public halves.')
    },
  },
  {
    code: 'jwks_members',
    asks: 'Has every key a kid of its own, an alg and a use?',
    spec: specs.jwk('4'),
    judge(facts) {
      const keys = keysIn(facts)
      if (keys.length === 0) return undefined
      const missing = ['kid', 'alg', 'use'].filter((name) =>
        keys.some((key) => typeof key[name] !== 'string'),
      )
      if (missing.length > 0) return warning(`Not every key has ${listed(missing)}: verifiers have to guess.`)
      const isTwice = new Set(keys.map(({ kid }) => kid)).size < keys.length
      return isTwice
        ? warning('Two keys have the same kid.')
        : success('Every key has a kid of its own, an alg and a use.')
    },
  },
  {
    code: 'jwks_caching',
    asks: 'Is it said how long the keys may be kept, and is that a day at most?',
    spec: specs.http('8.8.3'),
    judge: ({ jwks }) => (jwks && documentIn(jwks) ? cachingOf(jwks) : undefined),
  },
  {
    code: 'jwks_cors',
    asks: 'May clients in browsers read the keys?',
    spec: specs.bestPractice('2.6'),
    judge({ jwks }) {
      if (!jwks || !documentIn(jwks)) return undefined
      return isShared(jwks)
        ? success('Scripts of any origin may read the keys.')
        : warning('Access-Control-Allow-Origin is not * at jwks_uri.')
    },
  },
]
