/** What an ID token or a userinfo answer says; nothing in it is trusted to have any shape. */
export type Claims = Readonly<Record<string, unknown>>

/**
 * JSON whose whole numbers keep every digit: one too large to be exact becomes the text it was written as, so that
 * two accounts never share a rounded id.
 */
export function parseJson(text: string): unknown {
  const keepDigits: Reviver = (_key, value, { source }) =>
    typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(source ?? '') ? source : value
  return JSON.parse(text, keepDigits as (key: string, value: unknown) => unknown)
}

/** ECMAScript's source text access, which TypeScript's ES2024 does not know. */
type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown

export function isClaims(value: unknown): value is Claims {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The claim of that name; or, where there is none, the one its dots lead to. */
export function claimAt(claims: Claims, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path]
  return path
    .split('.')
    .reduce<unknown>(
      (value, name) => (isClaims(value) && Object.hasOwn(value, name) ? value[name] : undefined),
      claims,
    )
}

/** A claim as text: a string, or a whole number in digits; nothing where it is anything else or empty. */
export function textAt(claims: Claims, path: string): string | undefined {
  const value = claimAt(claims, path)
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : undefined
  return typeof value === 'string' && value !== '' ? value : undefined
}
