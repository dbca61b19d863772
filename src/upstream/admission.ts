import type { UpstreamIdentity } from './identity.ts'
import type { Provider } from './provider.ts'

/**
 * Whether a person may sign in: by any one of the provider's rules. A hosted domain or tenant counts only by the
 * claim that says it, an e-mail's domain only where the address is verified.
 */
export function admitted({ admit }: Provider, identity: UpstreamIdentity): boolean {
  if (admit === 'anyone') return true
  const emailDomain = identity.emailVerified ? identity.email?.split('@').at(-1) : undefined
  return (
    hasDomain(admit.hosted_domains, identity.hostedDomain) ||
    hasDomain(admit.email_domains, emailDomain) ||
    has(admit.tenants, identity.tenant) ||
    has(admit.subjects, identity.subject)
  )
}

function has(allowed: readonly string[] | undefined, value: string | undefined): boolean {
  return value !== undefined && (allowed?.includes(value) ?? false)
}

/** Domains are compared whole, without regard to case; one does not stand for those below it. */
function hasDomain(allowed: readonly string[] | undefined, domain: string | undefined): boolean {
  return has(
    allowed?.map((each) => each.toLowerCase()),
    domain?.toLowerCase(),
  )
}
