import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isCodeChallenge, isCodeVerifier, verifies } from '../../src/tokens/pkce.ts'

// RFC 7636 appendix B.
const verifier = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
const challenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'

describe('PKCE', () => {
  test('verifies the example of RFC 7636', () => {
    expect(verifies(verifier, challenge)).toBe(true)
  })

  test.each([
    ['another verifier', verifier.replace('d', 'e'), challenge],
    ['an empty verifier', '', challenge],
    ['the challenge itself, as plain would', challenge, challenge],
    ['a padded challenge', verifier, `${challenge}=`],
    ['a challenge in another case', verifier, challenge.toLowerCase()],
    ['a shortened challenge', verifier, challenge.slice(0, -1)],
  ])('refuses %s', (_, presented, stored) => {
    expect(verifies(presented, stored)).toBe(false)
  })

  test.each(['', ' ', 'undefined', 'null', '47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU'])(
    'a row whose challenge is %j is met by no verifier',
    (stored) => {
      for (const presented of ['', verifier, stored]) expect(verifies(presented, stored)).toBe(false)
    },
  )

  test.each([
    [42, false],
    [43, true],
    [128, true],
    [129, false],
  ])('a verifier of %i characters is well-formed: %s', (length, valid) => {
    const text = 'a'.repeat(length)
    expect(isCodeVerifier(text)).toBe(valid)
    expect(verifies(text, createHash('sha256').update(text).digest('base64url'))).toBe(valid)
  })

  test.each(['+', '/', '=', ' ', '%', 'é', '\n', '\0'])('a verifier may not contain %j', (character) => {
    const text = `${'a'.repeat(50)}${character}`
    expect(isCodeVerifier(text)).toBe(false)
    expect(verifies(text, createHash('sha256').update(text).digest('base64url'))).toBe(false)
  })

  test.each([
    'a'.repeat(42),
    'a'.repeat(44),
    'a'.repeat(129),
    `${'a'.repeat(42)}+`,
    `${'a'.repeat(42)}=`,
    `${'a'.repeat(42)}.`,
    `${'a'.repeat(43)}\n`,
    '',
  ])('%j is not a challenge', (text) => {
    expect(isCodeChallenge(text)).toBe(false)
  })

  test('every verifier meets its own challenge and no other', () => {
    const any = fc.stringMatching(/^[A-Za-z0-9._~-]{43,128}$/)
    fc.assert(
      fc.property(any, any, (one, other) => {
        const own = createHash('sha256').update(one).digest('base64url')
        expect(isCodeChallenge(own)).toBe(true)
        expect(verifies(one, own)).toBe(true)
        expect(verifies(other, own)).toBe(one === other)
      }),
    )
  })
})
