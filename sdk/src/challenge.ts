import { printable, quoted } from './http-grammar.ts'
import { isScopeToken } from './scope.ts'

/** RFC 6750 section 3.1, and RFC 9470 section 3 for the last one. */
export type ChallengeError =
  | 'invalid_request'
  | 'invalid_token'
  | 'insufficient_scope'
  | 'insufficient_user_authentication'

export type ChallengeParameters = {
  /** Left out where no token was sent (RFC 6750 section 3.1). */
  readonly error?: ChallengeError | undefined
  readonly description?: string | undefined
  readonly scopes?: readonly string[] | undefined
  /** RFC 9728 section 5.1. */
  readonly resourceMetadata?: string | undefined
  readonly acrValues?: readonly string[] | undefined
  readonly maxAge?: number | undefined
  readonly realm?: string | undefined
}

const longestText = 200

/**
 * The value of `WWW-Authenticate`. Whatever it is given, it is one well-formed challenge. Clients look for a
 * parameter by the first text that resembles it, so free text comes last.
 */
export function challenge(parameters: ChallengeParameters): string {
  const { error, description, scopes, resourceMetadata, acrValues, maxAge, realm } = parameters
  const values: [name: string, value: string | undefined][] = [
    ['error', error],
    ['scope', words(scopes)],
    ['resource_metadata', resourceMetadata],
    ['acr_values', words(acrValues)],
    ['max_age', maxAge === undefined ? undefined : String(Math.max(0, Math.floor(maxAge)))],
    ['realm', realm],
    ['error_description', description === undefined ? undefined : errorText(description)],
  ]
  const written = values.flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${quoted(value)}`]))
  return written.length === 0 ? 'Bearer' : `Bearer ${written.join(', ')}`
}

function words(values: readonly string[] | undefined): string | undefined {
  const fit = values?.filter(isScopeToken) ?? []
  return fit.length === 0 ? undefined : fit.join(' ')
}

/** `error_description` knows neither quotes nor backslashes (RFC 6750 section 3). */
function errorText(text: string): string {
  return printable(text).replace(/["\\]/g, "'").slice(0, longestText)
}
