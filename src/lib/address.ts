import ipaddr from 'ipaddr.js'

/** Who can be reached at an IP address: everybody's internet, a site's own network, this machine, or nobody we may talk to. */
export type AddressScope = 'public' | 'private' | 'loopback' | 'special'

const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3')

/**
 * Public is an allow-list: for IPv6 only what lies in 2000::/3 and carries no special meaning, so that every
 * spelling of an IPv4 address in IPv6 (mapped, compatible, NAT64, 6to4, Teredo) is special. Link-local
 * addresses are special too: cloud metadata services live there.
 */
export function addressScope(address: string): AddressScope {
  if (!ipaddr.isValid(address)) return 'special'
  const parsed = ipaddr.parse(address)
  const range = parsed.range()
  if (range === 'loopback') return 'loopback'
  if (range === 'private' || range === 'uniqueLocal' || range === 'carrierGradeNat') return 'private'
  if (range !== 'unicast') return 'special'
  return parsed instanceof ipaddr.IPv6 && !parsed.match(globalUnicast) ? 'special' : 'public'
}

/** The address a URL's host spells literally, without the brackets of IPv6; nothing where it is a name. */
export function literalAddress(hostname: string): string | undefined {
  const bare = hostname.replace(/^\[(.*)\]$/, '$1')
  return ipaddr.isValid(bare) ? bare : undefined
}

/** Whether a URL's host is this machine by name or by literal address (RFC 6761 section 6.3). */
export function isLoopbackHost(hostname: string): boolean {
  if (hostname === 'localhost' || hostname.endsWith('.localhost')) return true
  const address = literalAddress(hostname)
  return address !== undefined && addressScope(address) === 'loopback'
}

/**
 * Whose address this is, as far as limits go: of IPv6 the /64 every customer has at least, of everything else that is
 * no address one name for all.
 */
export function addressHolder(address: string): string {
  if (!ipaddr.isValid(address)) return 'unknown'
  const parsed = ipaddr.process(address)
  if (!(parsed instanceof ipaddr.IPv6)) return parsed.toString()
  return `${parsed.parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')}::/64`
}
