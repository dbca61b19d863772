import { AuthorizationError } from '../../errors.ts'
import type { ClientInteraction } from '../../storage/interactions.ts'

/** An error for the client of an interaction; for a connect link, which has none waiting, a page. */
export function refusalOf(
  { request, consent }: ClientInteraction,
  code: AuthorizationError['code'],
  description: string,
): AuthorizationError {
  if (request.kind === 'connect') return new AuthorizationError(code, description)
  const state = request.state === undefined ? {} : { state: request.state }
  // After a yes the client is one that this person approved, on a page that named where the answer goes.
  const follow = consent === null ? request.follow : 'at once'
  return new AuthorizationError(code, description, {
    redirect: { uri: request.redirectUri, follow, ...state },
  })
}
