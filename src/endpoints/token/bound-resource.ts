import { OAuthError } from '../../errors.ts'
import { sameResource } from '../../lib/canonical-uri.ts'
import type { Parameters } from '../../lib/parameters.ts'
import type { Grant } from '../../storage/grants.ts'

/** Refuses any `resource` but the one the grant is bound to (RFC 8707 section 2.2); absent means that one. */
export function requireBoundResource(form: Parameters, grant: Pick<Grant, 'audience'>): void {
  for (const resource of form.all.get('resource') ?? []) {
    if (!sameResource(resource, grant.audience)) {
      throw new OAuthError('invalid_target', 'This grant is for another resource')
    }
  }
}
