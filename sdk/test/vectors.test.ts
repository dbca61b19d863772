import { globSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { canonicalJson } from '../../src/lib/canonical-json.ts'
import { sha256 } from '../../src/lib/secret.ts'
import { readDecision } from '../src/decision-answer.ts'
import { argumentsDigest, askedCall } from '../src/decision-request.ts'
import { eventStreamEditor, type Piece } from '../src/event-stream.ts'
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
import { isPlainJson, notJson, readRpcBytes } from '../src/rpc-body.ts'
import { listEdit } from '../src/tool-list.ts'
import type { ToolReach } from '../src/tool-policy.ts'
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

const decisions = read('decisions')

vectors(
  'decisions',
  async ({ answer, expect: expected }) => {
    const { id, tool, granted_scopes: grantedScopes } = decisions.call
    const decided = readDecision(answer, { tool, grantedScopes })
    if (!decided) return expect('unreadable').toBe(expected)
    if (decided.allowed) return expect({ allowed: true, cache_for: decided.cacheFor }).toEqual(expected)
    const { denial } = decided
    const site = camelCase(decisions.site)
    const { status, headers, ...response } = await readResponse(denialResponse(denial, site))
    expect({
      code: denial.code,
      delivery: denial.delivery,
      http: { status, headers, ...response },
      inband: denialMessage(denial, { id, method: 'tools/call' }, site),
    }).toEqual(expected)
  },
  decisions.cases,
)

async function readResponse(response: Response) {
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    body: await response.json(),
  }
}

vectors('rpc-bodies', ({ content_type, body, expect: expected }) => {
  const found = isPlainJson(content_type, undefined) ? readRpcBytes(new TextEncoder().encode(body)) : notJson
  if (found.outcome === 'refused') return expect({ status: found.status, code: found.code }).toEqual(expected)
  expect({ calls: found.calls, lists: found.listIds, ids: found.ids }).toEqual(expected)
})

const lists = read('tool-lists')

vectors(
  'tool-lists',
  async ({ form, list_ids, denied, before, after }) => {
    const reach: ToolReach = denied
      ? { outcome: 'denied', denial: deny(denied) }
      : { outcome: 'known', mayCall: (tool) => lists.callable.includes(tool) }
    const edit = listEdit(list_ids, async () => reach, camelCase(lists.site))
    if (form === 'json') return expect(await edit(before)).toBe(after)
    const bytes = new TextEncoder().encode(before)
    // However it is cut up.
    for (const size of [1, 7, bytes.length]) {
      const editor = eventStreamEditor(edit)
      const pieces: Piece[] = []
      for (let at = 0; at < bytes.length; at += size) pieces.push(...editor.push(bytes.slice(at, at + size)))
      pieces.push(...editor.end())
      expect(Buffer.concat(await Promise.all(pieces)).toString()).toBe(after)
    }
  },
  lists.cases,
)

vectors('arguments', async ({ arguments: values, arguments_digest, asked: expected }) => {
  expect(await argumentsDigest(values)).toBe(arguments_digest)
  expect(await askedCall({ tool: 'write_note', arguments: values }, 1)).toEqual({
    tool: 'write_note',
    ...expected,
  })
})

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

test('every code of a denial has its vector among decisions, and the argument digests are those of the gateway', () => {
  const codes = decisions.cases.flatMap(({ expect: { code } }: Vector) => code ?? [])
  expect(new Set(codes)).toEqual(new Set(Object.keys(denials)))
  for (const { arguments: values, arguments_digest } of read('arguments')) {
    expect(`sha256:${sha256(canonicalJson(values))}`).toBe(arguments_digest)
  }
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
