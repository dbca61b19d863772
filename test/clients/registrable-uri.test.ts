import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { knownAppSchemes, redirectUriFault, webUriFault } from '../../src/clients/registrable-uri.ts'

describe('a redirect URI may be registered', () => {
  test.each([
    'https://claude.ai/api/mcp/auth_callback',
    'https://c.test',
    'https://c.test:8443/cb?own=1',
    'https://xn--bcher-kva.test/cb',
    'http://127.0.0.1/cb',
    'http://127.0.0.1:33418/',
    'http://[::1]:1/cb',
    'http://localhost:3335/oauth/callback',
    'cursor://anysphere.cursor-mcp/oauth/callback',
    'vscode://vscode.github-authentication/did-authenticate',
    'jetbrains://gateway/mcp',
    'com.example.app:/oauth2redirect',
    'com.example.app://oauth',
  ])('%s', (uri) => {
    expect(redirectUriFault(uri)).toBeUndefined()
  })

  test('that a real client sends, all of them', () => {
    const cursor = [
      'cursor://anysphere.cursor-mcp/oauth/callback',
      'https://www.cursor.com/agents/mcp/oauth/callback',
      'http://localhost:8787/callback',
    ]
    expect(cursor.map((uri) => redirectUriFault(uri))).toEqual([undefined, undefined, undefined])
  })
})

describe('a redirect URI is refused', () => {
  test.each([
    // code, local content, and no navigation at all
    'javascript:alert(1)',
    'javascript://c.test/%0aalert(1)',
    'JaVaScRiPt:alert(1)',
    'java\nscript:alert(1)',
    'java\tscript:alert(1)',
    '\x01javascript:alert(1)',
    ' javascript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'data:/x',
    'vbscript:msgbox(1)',
    'vbscript:/x',
    'file:///etc/passwd',
    'blob:https://c.test/uuid',
    'blob:/x',
    'about:blank',
    'about:/blank',
    'view-source:/x',
    'filesystem:/x',
    'intent://scan/#Intent;scheme=x;end',
    'intent://scan/',
    'ws://127.0.0.1/cb',
    'wss://c.test/cb',
    'ftp://c.test/cb',
    'mailto:a@c.test',
    'urn:ietf:wg:oauth:2.0:oob',
    // no address of one place
    '',
    '/cb',
    'cb',
    '//c.test/cb',
    'c.test/cb',
    'https://c.test/*',
    'https://*.c.test/cb',
    '*',
    'https://c.test/cb#f',
    'https://c.test/cb#',
    'http://127.0.0.1/cb#',
    'cursor://a/cb#',
    'https://user@c.test/cb',
    'https://user:pass@c.test/cb',
    'https://@c.test/cb',
    'https://c.test@evil.test/cb',
    'cursor://user@a/cb',
    'http://c.test/cb',
    `https://c.test/${'a'.repeat(2_048)}`,
    // a scheme anybody may take
    'myapp:/cb',
    'myapp://cb',
    'cursor:anything',
    'cursor',
    // what only looks like this computer
    'http://localhost.evil.test/cb',
    'http://127.0.0.1.nip.io/cb',
    'http://testlocalhost/cb',
    'http://localhost./cb',
    'http://0.0.0.0/cb',
    'http://[::]/cb',
    'http://[::ffff:127.0.0.1]/cb',
    'http://2130706433/cb',
    'http://0x7f.1/cb',
    'http://127.1/cb',
    'http://127.0.0.2/cb',
    'http://LOCALHOST/cb',
    'https://2130706433/cb',
    'https://127.1/cb',
    // spelling
    'HTTPS://c.test/cb',
    'Cursor://a/cb',
    'https:/c.test/cb',
    'https:///c.test/cb',
    'https:c.test/cb',
    'https://',
    'https://c.test:99999/cb',
    'https://c.test:x/cb',
    'https://c.test\\@evil.test/cb',
    'https://c.test/cb ',
    ' https://c.test/cb',
    'https://c.test/c b',
    'https://c.test/cb\n',
    'https://c.test/cb\0',
    'https://c.test/\u202egpj.exe',
    'https://с.test/cb',
    'https://c.test/é',
    'https://c%2etest/cb',
    'https://c.test/%zz',
    'https://c.test/"onclick=',
    'https://c.test/<b>',
    'https://c.test/{id}',
    // an answer of its own
    'https://c.test/cb?iss=https://evil.test',
    'https://c.test/cb?code=x',
    'https://c.test/cb?a=1&state=x',
    'https://c.test/cb?error',
    'https://c.test/cb?%63ode=x',
    'https://c.test/cb?a=1?&iss=x',
    'cursor://a/cb?code=x',
    'http://127.0.0.1/cb?iss=x',
  ])('%j', (uri) => {
    expect(redirectUriFault(uri)).toBeTypeOf('string')
  })

  test('for a private-use scheme that is not on the list given, and never for one that is', () => {
    expect(redirectUriFault('myapp://cb', ['myapp'])).toBeUndefined()
    expect(redirectUriFault('cursor://cb', ['myapp'])).toBeTypeOf('string')
    expect(redirectUriFault('com.example.app:/cb', [])).toBeUndefined()
  })

  test('for a dangerous scheme whatever the list says', () => {
    const schemes = ['javascript', 'data', 'file', 'vbscript', 'blob', 'about', 'view-source']
    for (const scheme of schemes) expect(redirectUriFault(`${scheme}:/x`, schemes)).toBeTypeOf('string')
    expect(knownAppSchemes.filter((scheme) => redirectUriFault(`${scheme}://x`) !== undefined)).toEqual([])
  })

  test('with a reason a developer understands', () => {
    expect(redirectUriFault('https://c.test/cb#')).toBe('must not have a fragment')
    expect(redirectUriFault('myapp:/cb')).toBe('has a scheme that is not allowed here')
  })

  test('with a reason that repeats nothing of it', () => {
    for (const uri of [
      'javascript:alert(1)',
      'https://evil.test/*',
      'myapp://x',
      'https://user@evil.test/',
    ]) {
      expect(redirectUriFault(uri)).not.toMatch(/evil|alert|myapp|user@/)
    }
  })
})

describe('a page of a client', () => {
  test.each(['https://c.test', 'https://c.test/logo.png?v=1', 'http://localhost:3000/', 'http://[::1]/'])(
    'may be at %s',
    (uri) => {
      expect(webUriFault(uri)).toBeUndefined()
    },
  )

  test.each([
    'javascript:alert(1)',
    'data:image/svg+xml,x',
    'file:///logo.png',
    'blob:https://c.test/x',
    'vbscript:x',
    'about:blank',
    'cursor://logo',
    'com.example.app:/logo',
    'http://c.test/logo.png',
    'https://user@c.test/',
    'https://c.test/#x',
    '/logo.png',
    'https://c.test/"><script>',
    'https://2130706433/',
  ])('may not be at %j', (uri) => {
    expect(webUriFault(uri)).toBeTypeOf('string')
  })
})

describe('whatever text is registered', () => {
  test('a URL parser sees the host, the scheme and the path that were checked', () => {
    const near = fc.stringMatching(/^(https?|cursor|x\.y|javascript):\/{0,3}[a-z0-9.@:\\/?#%*[\]-]{0,20}$/)
    fc.assert(
      fc.property(fc.oneof(near, fc.webUrl(), fc.string({ unit: 'binary' })), (uri) => {
        if (redirectUriFault(uri) !== undefined) return
        const url = new URL(uri)
        expect(uri.startsWith(url.protocol)).toBe(true)
        expect([url.username, url.password, url.hash]).toEqual(['', '', ''])
        expect(['javascript:', 'data:', 'file:']).not.toContain(url.protocol)
        if (url.protocol === 'http:') expect(['localhost', '127.0.0.1', '[::1]']).toContain(url.hostname)
        if (/^https?:/.test(uri)) expect(uri.toLowerCase()).toContain(`//${url.hostname}`)
      }),
      { numRuns: 3_000 },
    )
  })
})
