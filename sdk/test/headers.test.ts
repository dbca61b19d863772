import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type ChallengeParameters, challenge, parseAuthorization, parseChallenge } from '../src/index.ts'

const anyText = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }))
const maybe = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined })

const anyParameters: fc.Arbitrary<ChallengeParameters> = fc.record({
  error: maybe(fc.constantFrom('invalid_request', 'invalid_token', 'insufficient_scope')),
  description: maybe(anyText),
  scopes: maybe(fc.array(anyText)),
  resourceMetadata: maybe(anyText),
  acrValues: maybe(fc.array(anyText)),
  maxAge: maybe(fc.double({ noNaN: true, noDefaultInfinity: true, min: -10, max: 1e9 })),
  realm: maybe(anyText),
})

test('whatever a challenge is given, it is one well-formed challenge of printable ASCII', () => {
  fc.assert(
    fc.property(anyParameters, (parameters) => {
      const header = challenge(parameters)
      expect(header).toMatch(/^Bearer(?: [\x20-\x7E]+)?$/)
      expect(() => new Headers({ 'www-authenticate': header })).not.toThrow()
      const parsed = parseChallenge(header)
      if (parsed.outcome !== 'parsed') throw new Error(`malformed at ${parsed.at}: ${header}`)
      expect(parsed.challenges.map(({ scheme }) => scheme)).toEqual(['Bearer'])
      expect(parsed.challenges[0]?.parameters.get('error')).toBe(parameters.error)
    }),
  )
})

test('what is printable comes back as it was', () => {
  const ascii = fc.string({ unit: 'grapheme-ascii' })
  const scopeToken = fc.stringMatching(/^[\x21\x23-\x5B\x5D-\x7E]+$/)
  fc.assert(
    fc.property(ascii, ascii, fc.array(scopeToken, { minLength: 1 }), (realm, resourceMetadata, scopes) => {
      const parsed = parseChallenge(challenge({ realm, resourceMetadata, scopes }))
      const expected = { realm, resource_metadata: resourceMetadata, scope: scopes.join(' ') }
      expect(parsed).toMatchObject({ outcome: 'parsed', challenges: [{ scheme: 'Bearer' }] })
      const [first] = parsed.outcome === 'parsed' ? parsed.challenges : []
      expect(Object.fromEntries(first?.parameters ?? [])).toEqual(expected)
    }),
  )
})

test('the parser of challenges takes any text without failing', () => {
  const pieces = fc.constantFrom('Bearer', ' ', ',', '=', '"', '\\', 'a', 'error', 'x=y', '\t', 'é', '"q"')
  fc.assert(
    fc.property(
      fc.oneof(
        anyText,
        fc.array(pieces).map((all) => all.join('')),
      ),
      (header) => {
        expect(['parsed', 'malformed']).toContain(parseChallenge(header).outcome)
      },
    ),
  )
})

test('a token is read from the header exactly as it was sent, and nothing else is read as one', () => {
  const b64token = fc.stringMatching(/^[A-Za-z0-9\-._~+/]+=*$/)
  fc.assert(
    fc.property(b64token, fc.integer({ min: 1, max: 4 }), (token, spaces) => {
      expect(parseAuthorization(`bearer${' '.repeat(spaces)}${token}`)).toEqual({ outcome: 'token', token })
    }),
  )
  fc.assert(
    fc.property(anyText, (text) => {
      const parsed = parseAuthorization(`Bearer ${text}`)
      expect(parsed.outcome === 'token').toBe(/^ *[A-Za-z0-9\-._~+/]+=*$/.test(text))
    }),
  )
})

test('two lines are two credentials, whatever is in them, and so are two that were joined', () => {
  const token = fc.stringMatching(/^[A-Za-z0-9\-._~+/]+=*$/)
  fc.assert(
    fc.property(token, token, fc.constantFrom('Bearer', 'Basic', 'DPoP'), (one, other, scheme) => {
      const lines = [`Bearer ${one}`, `${scheme} ${other}`]
      expect(parseAuthorization(lines)).toEqual({ outcome: 'several' })
      const headers = new Headers(lines.map((line): [string, string] => ['authorization', line]))
      expect(parseAuthorization(headers.get('authorization'))).toEqual({ outcome: 'several' })
    }),
  )
})

test('a long header of spaces, commas and quotes is read at once', () => {
  const began = performance.now()
  for (const piece of [' ', ', ', '"', ', a', ', a ', '\\"', 'a=']) {
    const long = piece.repeat(100_000)
    expect(parseAuthorization(`Bearer ${long}`).outcome).not.toBe('token')
    expect(parseChallenge(`Bearer ${long}`).outcome).toBe('malformed')
  }
  expect(performance.now() - began).toBeLessThan(2000)
})
