import { type Claims, claimAt, isClaims, textAt } from './claims.ts'
import type { Descriptor } from './descriptor.ts'

type EmailRule = NonNullable<Descriptor['identity']['email']>

export type EmailAddress = { email: string; emailVerified: boolean }

/**
 * The address and whether it is verified, always by the same source: one source's address is not verified by
 * another's word for it. Only `true` is verified; `"false"` is a string like any other.
 */
export function emailIn(
  sources: readonly Claims[],
  rule: Exclude<EmailRule, { list: string }>,
): EmailAddress | undefined {
  for (const claims of sources) {
    const email = asAddress(claimAt(claims, rule.claim))
    const verified = rule.verified_claim && claimAt(claims, rule.verified_claim)
    if (email) return { email, emailVerified: verified === true }
  }
  return undefined
}

/** The address of the first entry that says all the rule wants, `primary` and `verified` say, which makes it verified. */
export function emailInList(
  list: unknown,
  rule: Extract<EmailRule, { list: string }>,
): EmailAddress | undefined {
  if (!Array.isArray(list)) return undefined
  const wanted = Object.entries(rule.where)
  const entry = list
    .filter(isClaims)
    .find((each) => wanted.every(([name, value]) => claimAt(each, name) === value))
  const email = entry && asAddress(textAt(entry, rule.claim))
  return email ? { email, emailVerified: true } : undefined
}

function asAddress(value: unknown): string | undefined {
  return typeof value === 'string' && /^[^\s@\p{C}]{1,64}@[^\s@\p{C}]{1,253}$/u.test(value)
    ? value
    : undefined
}
