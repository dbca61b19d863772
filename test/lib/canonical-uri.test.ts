import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalUri, sameResource } from '../../src/lib/canonical-uri.ts'

describe('the canonical form of a resource URI', () => {
  test.each([
    ['https://mcp.test', 'https://mcp.test'],
    ['https://mcp.test/', 'https://mcp.test'],
    ['HTTPS://MCP.Test/Path', 'https://mcp.test/Path'],
    ['https://mcp.test:443/mcp', 'https://mcp.test/mcp'],
    ['http://mcp.test:80/mcp', 'http://mcp.test/mcp'],
    ['http://localhost:3000/mcp', 'http://localhost:3000/mcp'],
    ['https://mcp.test:80', 'https://mcp.test:80'],
    ['https://mcp.test:/mcp', 'https://mcp.test/mcp'],
    ['https://mcp.test/mcp/', 'https://mcp.test/mcp/'],
    ['https://mcp.test//', 'https://mcp.test//'],
    ['https://mcp.test/a%2Fb%2f', 'https://mcp.test/a%2Fb%2f'],
    ['https://mcp.test/?tenant=A', 'https://mcp.test?tenant=A'],
    ['https://mcp.test?tenant=A', 'https://mcp.test?tenant=A'],
    ['https://mcp.test/mcp?x=/../y', 'https://mcp.test/mcp?x=/../y'],
    ['http://[::1]:8000/mcp', 'http://[::1]:8000/mcp'],
    ['https://[2001:DB8::1]/mcp', 'https://[2001:db8::1]/mcp'],
    ['http://127.0.0.1/mcp', 'http://127.0.0.1/mcp'],
    ['https://my_host.test/...', 'https://my_host.test/...'],
  ])('of %j is %j', (uri, canonical) => {
    expect(canonicalUri(uri)).toBe(canonical)
  })

  test.each([
    ['nothing', ''],
    ['a relative URI', '/mcp'],
    ['no scheme', 'mcp.test/mcp'],
    ['a scheme-relative URI', '//mcp.test/mcp'],
    ['another scheme', 'urn:example:mcp'],
    ['ws', 'wss://mcp.test/mcp'],
    ['no authority', 'https:/mcp.test'],
    ['no host', 'https:///mcp'],
    ['a fragment', 'https://mcp.test/mcp#a'],
    ['a bare fragment', 'https://mcp.test/mcp#'],
    ['a user', 'https://user@mcp.test/mcp'],
    ['a user and a password', 'https://user:pass@mcp.test/mcp'],
    ['an empty user', 'https://@mcp.test/mcp'],
    ['a backslash', 'https://mcp.test\\mcp'],
    ['a dot segment', 'https://mcp.test/./mcp'],
    ['two dots', 'https://mcp.test/a/../mcp'],
    ['dots at the end', 'https://mcp.test/mcp/..'],
    ['encoded dots', 'https://mcp.test/a/%2E%2e/mcp'],
    ['half encoded dots', 'https://mcp.test/a/.%2e'],
    ['a space', 'https://mcp.test/m cp'],
    ['a space at the end', 'https://mcp.test/mcp '],
    ['a tab', 'https://mcp.test/\tmcp'],
    ['a line feed', 'https://mcp.test/mcp\n'],
    ['a stray percent sign', 'https://mcp.test/100%'],
    ['bad percent-encoding', 'https://mcp.test/%zz'],
    ['a percent-encoded host', 'https://mcp%2etest/mcp'],
    ['a letter outside ASCII in the host', 'https://mсp.test/mcp'],
    ['a letter outside ASCII in the path', 'https://mcp.test/é'],
    ['a short address', 'http://127.1/mcp'],
    ['a number as an address', 'http://2130706433/mcp'],
    ['a hexadecimal address', 'http://0x7f.1/mcp'],
    ['a padded address', 'http://127.000.000.001/mcp'],
    ['a long IPv6 address', 'http://[0:0:0:0:0:0:0:1]/mcp'],
    ['a port out of range', 'https://mcp.test:70000/mcp'],
    ['a port that is no number', 'https://mcp.test:x/mcp'],
    ['markup', 'https://mcp.test/<script>'],
    ['too many characters', `https://mcp.test/${'a'.repeat(2_048)}`],
  ])('does not exist for %s', (_, uri) => {
    expect(canonicalUri(uri)).toBeUndefined()
    expect(sameResource(uri, uri)).toBe(false)
  })

  test('tells what is the same resource', () => {
    expect(sameResource('https://mcp.test', 'HTTPS://mcp.TEST:443/')).toBe(true)
    expect(sameResource('https://mcp.test/mcp', 'https://mcp.test/MCP')).toBe(false)
    expect(sameResource('https://mcp.test/mcp', 'https://mcp.test/mcp/')).toBe(false)
    expect(sameResource('https://mcp.test/mcp', 'http://mcp.test/mcp')).toBe(false)
    expect(sameResource('https://mcp.test/a', 'https://mcp.test/a/b')).toBe(false)
  })

  const label = fc.stringMatching(/^[a-z]([a-z0-9-]{0,8}[a-z0-9])?$/)
  const path = fc.stringMatching(/^(\/[A-Za-z0-9_~%2F-]{0,8}){0,3}$/)
  const uri = fc
    .tuple(fc.constantFrom('http', 'https'), label, fc.option(fc.nat({ max: 65_535 })), path)
    .map(([scheme, host, port, rest]) => `${scheme}://${host}.test${port === null ? '' : `:${port}`}${rest}`)

  test('is its own canonical form', () => {
    fc.assert(
      fc.property(fc.oneof(uri, fc.webUrl({ withQueryParameters: true })), (text) => {
        const canonical = canonicalUri(text)
        if (canonical !== undefined) expect(canonicalUri(canonical)).toBe(canonical)
      }),
    )
  })

  test('means the same to a URL parser as what was given, path and query untouched', () => {
    fc.assert(
      fc.property(fc.oneof(uri, fc.webUrl({ withQueryParameters: true })), (text) => {
        const canonical = canonicalUri(text)
        if (canonical !== undefined) expect(new URL(canonical).href).toBe(new URL(text).href)
      }),
    )
  })

  test('does not depend on the case of scheme and host', () => {
    fc.assert(
      fc.property(uri, (text) => {
        const [origin = ''] = /^https?:\/\/[^/]*/.exec(text) ?? []
        const shouted = origin.toUpperCase() + text.slice(origin.length)
        expect(canonicalUri(shouted)).toBe(canonicalUri(text))
      }),
    )
  })

  test('has no slash where there is no path, with a query or without; any other slash counts', () => {
    const origin = uri.map((text) => /^https?:\/\/[^/]*/.exec(text)?.[0] ?? '')
    const query = fc.stringMatching(/^(\?[a-z=/&]{0,6})?$/)
    const segment = fc.stringMatching(/^[A-Za-z0-9_~-]{1,8}$/)
    fc.assert(
      fc.property(origin, query, segment, (bare, end, path) => {
        expect(canonicalUri(`${bare}/${end}`)).toBe(canonicalUri(`${bare}${end}`))
        expect(canonicalUri(`${bare}/${end}`)).not.toMatch(/^https?:\/\/[^/?]*\/($|\?)/)
        expect(sameResource(`${bare}/`, `${bare}//`)).toBe(false)
        expect(sameResource(`${bare}/${path}${end}`, `${bare}/${path}/${end}`)).toBe(false)
        expect(sameResource(`${bare}/${path}`, bare)).toBe(false)
      }),
    )
  })

  test('is the same for two spellings only where a URL parser takes them for one place', () => {
    const near = fc.stringMatching(/^[hH]ttps?:\/\/[abA.:@[\]%0-9]{0,6}(:(80|443|8080))?[/aA.%?=]{0,5}$/)
    const other = fc.tuple(near, fc.nat({ max: 30 }), fc.constantFrom('', '/', 'A', '.', '%61', ':80', '?'))
    fc.assert(
      fc.property(other, ([one, spot, text]) => {
        const two = one.slice(0, spot) + text + one.slice(spot)
        if (sameResource(one, two)) expect(new URL(one).href).toBe(new URL(two).href)
      }),
      { numRuns: 5_000 },
    )
  })

  test('is decided for any string without an exception', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^https?:\/\/[a.:[\]@%0-9/?#\\]*$/)),
        (text) => {
          expect(['string', 'undefined']).toContain(typeof canonicalUri(text))
        },
      ),
      { numRuns: 2_000 },
    )
  })
})
