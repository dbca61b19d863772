/** One word of what travels as a list separated by spaces: a scope (RFC 6749 section 3.3), an `acr` value. */
export const scopeTokenPattern = /^[\x21\x23-\x5B\x5D-\x7E]{1,255}$/
