import { globSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  canonicalResource,
  challenge,
  type DenialCode,
  denialBody,
  denialMessage,
  denialResponse,
  denials,
  deny,
  discoveryUrls,
  metadataPaths,
  metadataUrl,
  missingScopes,
  namesAudience,
  parseAuthorization,
  parseChallenge,
  scopesOf,
  verifier,
} from '../src/index.ts'
import { publicJwk, signToken } from './support/issuer.ts'

// biome-ignore lint/suspicious/noExplicitAny: the vectors are data, and what is in them is what is tested
type Vector = any

const read = (name: string): Vector => JSON.parse(readFileSync(`sdk/vectors/${name}.json`, 'utf8'))
const covered = new Set<string>()

/** One test per vector of a file. */
function vectors(name: string, run: (vector: Vector) => void | Promise<void>, cases = read(name)) {
  covered.add(name)
  describe(name, () => {
    for (const vector of cases) test(vector.name ?? vector.code, () => run(vector))
  })
}

/** The vectors are named as on the wire; the members of objects below keep their names. */
function camelCase(members: Record<string, unknown> = {}): Record<string, unknown> {
  const renamed = (name: string) => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())
  return Object.fromEntries(Object.entries(members).map(([name, value]) => [renamed(name), value]))
}

vectors('authorization-header', ({ header, expect: expected }) => {
  expect(parseAuthorization(header)).toEqual(expected)
})

vectors('challenge', ({ parameters, header }) => {
  expect(challenge(camelCase(parameters))).toBe(header)
  expect(parseChallenge(header).outcome).toBe('parsed')
})

vectors('challenge-parsing', ({ header, challenges, malformed }) => {
  const parsed = parseChallenge(header)
  if (malformed) return expect(parsed).toMatchObject({ outcome: 'malformed' })
  if (parsed.outcome !== 'parsed') throw new Error(`malformed at ${parsed.at}`)
  const plain = parsed.challenges.map((each) => ({
    ...each,
    parameters: Object.fromEntries(each.parameters),
  }))
  expect(plain).toEqual(challenges)
})

vectors('resource', ({ resource, canonical, metadata_url, paths }) => {
  expect(canonicalResource(resource)).toBe(canonical)
  expect(metadataUrl(resource)).toBe(metadata_url)
  expect(metadataPaths(resource)).toEqual(paths)
})

vectors('audience', ({ aud, audiences, accepted }) => {
  expect(namesAudience(aud, audiences)).toBe(accepted)
})

vectors('scopes', ({ claims, implied, required, granted, missing }) => {
  expect(scopesOf(claims)).toEqual(granted)
  expect(missingScopes(scopesOf(claims), required, implied)).toEqual(missing)
})

vectors('discovery', ({ issuer, urls }) => {
  expect(discoveryUrls(issuer)).toEqual(urls)
})

const answers = read('denials')

vectors(
  'denials',
  async ({ code, details, delivery, status, headers, body }) => {
    const denial = deny(code, camelCase(details))
    const response = denialResponse(denial, camelCase(answers.site))
    expect(denial.delivery).toBe(delivery)
    expect(response.status).toBe(status)
    expect(Object.fromEntries(response.headers)).toEqual(headers)
    expect(await response.json()).toEqual(body)
  },
  answers.cases,
)

const messages = read('in-band')

vectors(
  'in-band',
  ({ code, details, call, message }) => {
    const denial = deny(code, camelCase(details))
    expect(denialMessage(denial, call, camelCase(messages.site)) ?? null).toEqual(message)
  },
  messages.cases,
)

const tokens = read('tokens')

vectors(
  'tokens',
  async ({ header, claims, needs, expect: expected }) => {
    const { verify } = verifier({
      resource: tokens.resource,
      authorizationServers: [
        { issuer: tokens.issuer, metadata: { issuer: tokens.issuer, jwks_uri: keysUri } },
      ],
      clock: () => tokens.now,
      fetch: async () => Response.json({ keys: [publicJwk] }),
    })
    const token = await signToken({ ...tokens.claims, ...claims }, { ...tokens.header, ...header })
    const verdict = await verify(token, camelCase(needs))
    if (expected.code !== undefined) {
      return expect(verdict.outcome === 'denied' && denialBody(verdict.denial)).toMatchObject(expected)
    }
    if (verdict.outcome !== 'allowed') throw new Error(JSON.stringify(verdict.denial))
    const { clientId, scopes, expiresAt, extra } = verdict.authInfo
    const { subject, tsid = null } = extra
    expect({ client_id: clientId, scopes, expires_at: expiresAt, subject, tsid }).toMatchObject(expected)
  },
  tokens.cases,
)

const keysUri = `${tokens.issuer}/keys`

test('every file of vectors is run', () => {
  const files = globSync('sdk/vectors/*.json').map((file) => file.replace(/^.*\/|\.json$/g, ''))
  expect(files.toSorted()).toEqual([...covered].toSorted())
})

test('every code of a denial has its vector, and every denial with a challenge a well-formed one', () => {
  const codes: DenialCode[] = answers.cases.map((each: Vector) => each.code)
  expect(codes.toSorted()).toEqual(Object.keys(denials).toSorted())
  for (const { headers, code } of answers.cases) {
    const header = headers['www-authenticate']
    expect(header === undefined).toBe(denials[code as DenialCode].challenge === 'none')
    if (header !== undefined) expect(parseChallenge(header).outcome).toBe('parsed')
  }
})
