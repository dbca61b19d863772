/** The rules of RFC 9110 section 5.6 that headers are read and written by. */

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

export const isToken = (text: string): boolean => token.test(text)

/** A quoted-string of printable ASCII: what a header cannot carry becomes a question mark. */
export function quoted(text: string): string {
  return `"${text.replace(/[^\x20-\x7E]/g, '?').replace(/["\\]/g, '\\$&')}"`
}
