import { BlockList } from 'node:net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addressScope, isLoopbackHost, literalAddress } from '../../src/lib/address.ts'

// The special-purpose registries of RFC 6890 and its successors, held by another implementation than the one tested.
const special = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const) {
  special.addSubnet(network, prefix, 'ipv4')
}
for (const [network, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  special.addSubnet(network, prefix, 'ipv6')
}

const group = (value: number) => value.toString(16)
const ipv4 = fc.ipV4()
const specialIpv4 = ipv4.filter((address) => special.check(address))

/** The IPv4 address as two groups of IPv6. */
function groupsOf(address: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number)
  return `${group(a * 256 + b)}:${group(c * 256 + d)}`
}

test('an IPv4 address is public only outside every special-purpose block', () => {
  fc.assert(
    fc.property(ipv4, (address) => {
      if (addressScope(address) === 'public') expect(special.check(address)).toBe(false)
    }),
    { numRuns: 2000 },
  )
  fc.assert(
    fc.property(specialIpv4, (address) => {
      expect(addressScope(address)).not.toBe('public')
    }),
  )
})

test('an IPv6 address is public only inside 2000::/3 and outside every special-purpose block', () => {
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      const isGlobal = /^[23][0-9a-f]{3}:/i.test(address) && !special.check(address, 'ipv6')
      if (!isGlobal) expect(addressScope(address)).not.toBe('public')
    }),
    { numRuns: 2000 },
  )
})

test.each([
  ['mapped', (groups: string) => `::ffff:${groups}`],
  ['compatible', (groups: string) => `::${groups}`],
  ['translated', (groups: string) => `::ffff:0:${groups}`],
  ['behind NAT64', (groups: string) => `64:ff9b::${groups}`],
  ['behind local NAT64', (groups: string) => `64:ff9b:1::${groups}`],
  ['behind 6to4', (groups: string) => `2002:${groups}::1`],
  ['behind Teredo', (groups: string) => `2001:0:${groups}::1`],
])('no IPv4 address becomes reachable when %s in IPv6', (_how, embed) => {
  fc.assert(
    fc.property(ipv4, (address) => {
      const embedded = embed(groupsOf(address))
      expect(addressScope(embedded)).toBe(embedded === '::0:1' ? 'loopback' : 'special')
    }),
  )
})

test.each([
  ['8.8.8.8', 'public'],
  ['140.82.121.3', 'public'],
  ['2606:4700::1111', 'public'],
  ['2a00:1450:4001::200e', 'public'],
  ['10.1.2.3', 'private'],
  ['172.31.255.255', 'private'],
  ['172.32.0.0', 'public'],
  ['192.168.0.1', 'private'],
  ['100.64.0.1', 'private'],
  ['fd00::1', 'private'],
  ['127.0.0.1', 'loopback'],
  ['127.255.255.254', 'loopback'],
  ['::1', 'loopback'],
  ['169.254.169.254', 'special'],
  ['fe80::1', 'special'],
  ['fe80::1%eth0', 'special'],
  ['fec0::1', 'special'],
  ['0.0.0.0', 'special'],
  ['::', 'special'],
  ['255.255.255.255', 'special'],
  ['224.0.0.1', 'special'],
  ['ff02::1', 'special'],
  ['::ffff:8.8.8.8', 'special'],
  ['::10.0.0.1', 'special'],
  ['not an address', 'special'],
  ['', 'special'],
])('%s is %s', (address, scope) => {
  expect(addressScope(address)).toBe(scope)
})

test.each([
  '127.1',
  '2130706433',
  '0x7f000001',
  '0177.0.0.1',
  '①②⑦.0.0.1',
  '127。0。0。1',
  '[::1]',
  'localhost',
  'a.localhost',
])('a URL that spells its host %s means this machine', (host) => {
  expect(isLoopbackHost(new URL(`https://${host}`).hostname)).toBe(true)
})

test('a name that merely begins or ends like one of this machine is another', () => {
  for (const host of ['localhost.acme.test', 'notlocalhost', '127.0.0.1.acme.test']) {
    expect(isLoopbackHost(new URL(`https://${host}`).hostname)).toBe(false)
  }
  expect(literalAddress('acme.test')).toBeUndefined()
  expect(literalAddress('[fd00::1]')).toBe('fd00::1')
})
