/** The rules of RFC 9110 section 5.6 that our headers are read and written by. */

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

export const isToken = (text: string): boolean => token.test(text)

/** A quoted-string of printable ASCII: what a header cannot carry becomes a question mark. */
export const quoted = (text: string): string => `"${printable(text).replace(/["\\]/g, '\\$&')}"`

export const printable = (text: string): string => text.replace(/[^\x20-\x7E]/g, '?')
