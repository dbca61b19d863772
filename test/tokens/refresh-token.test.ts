import { describe, expect, test } from 'vitest'
import { SealError } from '../../src/lib/seal.ts'
import {
  isRefreshToken,
  newRefreshToken,
  openSuccessor,
  sealSuccessor,
} from '../../src/tokens/refresh-token.ts'

describe('refresh tokens', () => {
  test('are 256 random bits behind their prefix, and never the same', () => {
    const tokens = Array.from({ length: 2_000 }, newRefreshToken)
    expect(new Set(tokens).size).toBe(2_000)
    for (const token of tokens) expect(isRefreshToken(token)).toBe(true)
    const bytes = Buffer.concat(tokens.map((token) => Buffer.from(token.slice('cc_rt_'.length), 'base64url')))
    expect(bytes.length).toBe(2_000 * 32)
  })

  test.each([
    ['truncated', (token: string) => token.slice(0, -1)],
    ['extended', (token: string) => `${token}A`],
    ['padded', (token: string) => `${token}=`],
    ['without its prefix', (token: string) => token.slice('cc_rt_'.length)],
    ['with another prefix', (token: string) => token.replace('cc_rt_', 'cc_code_')],
    ['with its prefix in capitals', (token: string) => token.replace('cc_rt_', 'CC_RT_')],
    ['with a space', (token: string) => ` ${token}`],
    ['with a line feed', (token: string) => `${token}\n`],
  ])('are not recognised %s', (_, damage) => {
    expect(isRefreshToken(damage(newRefreshToken()))).toBe(false)
  })
})

describe('a sealed successor', () => {
  const presented = newRefreshToken()
  const successor = newRefreshToken()

  test('is opened by the token it succeeds', () => {
    expect(openSuccessor(presented, sealSuccessor(presented, successor))).toBe(successor)
  })

  test('is opened by no other token, the successor included', () => {
    const sealed = sealSuccessor(presented, successor)
    for (const other of [successor, newRefreshToken(), `${presented}A`, '']) {
      expect(() => openSuccessor(other, sealed)).toThrow(SealError)
    }
  })

  test('does not open when it was changed', () => {
    const sealed = Buffer.from(sealSuccessor(presented, successor), 'base64url')
    sealed[20] = (sealed[20] ?? 0) ^ 1
    expect(() => openSuccessor(presented, sealed.toString('base64url'))).toThrow(SealError)
    expect(() => openSuccessor(presented, '')).toThrow(SealError)
  })

  test('shows neither token, and is another text each time', () => {
    const sealed = sealSuccessor(presented, successor)
    expect(sealed).not.toContain(successor)
    expect(sealSuccessor(presented, successor)).not.toBe(sealed)
  })
})
