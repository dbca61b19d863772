import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkCallback } from '../../src/upstream/callback.ts'
import { testProvider, testUpstream, visit } from '../support/upstream.ts'
import { githubWith, googleWith } from '../support/upstream-standins.ts'

const github = testProvider('github')
const query = (text: string) => new URLSearchParams(text)
const invalid = (reason: string) => ({ outcome: 'invalid', reason })

const ours = 'iss=https://github.com/login/oauth'

test.each([
  ['with its issuer', `code=c&state=s&${ours}`],
  ['without an issuer', 'code=c&state=s'],
  ['with members nobody knows', `code=c&state=s&${ours}&scope=email&authuser=0&prompt=none&hd=acme.test`],
])('a callback %s is taken', (_how, text) => {
  expect(checkCallback(github, query(text))).toEqual({ outcome: 'code' })
})

test.each([
  ['https://github.com'],
  ['https://github.com/login/oauth/'],
  ['https://accounts.google.com'],
  ['https://GITHUB.com/login/oauth'],
  [''],
])('the issuer %j is another’s', (iss) => {
  expect(checkCallback(github, new URLSearchParams({ code: 'c', state: 's', iss }))).toEqual(
    invalid('issuer_mismatch'),
  )
})

test.each(['iss', 'state', 'code', 'error'])(
  'a callback that repeats %s is refused, whatever else it says',
  (name) => {
    const repeated = query(`code=c&state=s&${ours}&error=access_denied&${name}=other`)
    expect(checkCallback(github, repeated)).toEqual(invalid('repeated'))
  },
)

test('a descriptor may demand the issuer, or have it ignored', () => {
  const strict = testProvider({ extends: 'github', callback: { iss: 'required' } })
  expect(checkCallback(strict, query('code=c&state=s'))).toEqual(invalid('issuer_missing'))
  expect(checkCallback(strict, query(`code=c&state=s&${ours}`))).toEqual({ outcome: 'code' })
  const lax = testProvider({ extends: 'github', callback: { iss: 'ignore' } })
  expect(checkCallback(lax, query('code=c&state=s&iss=https://wrong.test'))).toEqual({ outcome: 'code' })
})

test('a discovered issuer may have the slash its administrator left out', () => {
  const provider = testProvider('oidc', { issuer: 'https://tenant.auth.test' })
  expect(checkCallback(provider, query('code=c&iss=https://tenant.auth.test/'))).toEqual({ outcome: 'code' })
  expect(checkCallback(provider, query('code=c&iss=https://tenant.auth.test/x'))).toEqual(
    invalid('issuer_mismatch'),
  )
})

test.each([
  ['no code', 'state=s'],
  ['an empty code', 'code=&state=s'],
  ['a code with a line break', 'code=a%0Ab&state=s'],
  ['a code of a megabyte', `code=${'x'.repeat(1_000_000)}&state=s`],
])('a callback with %s is refused', (_what, text) => {
  expect(checkCallback(github, query(text))).toEqual(invalid('malformed'))
})

test.each([
  ['access_denied', 'denied', 'access_denied'],
  ['application_suspended', 'config', 'application_suspended'],
  ['redirect_uri_mismatch', 'config', 'redirect_uri_mismatch'],
  ['invalid_scope', 'config', 'invalid_scope'],
  ['server_error', 'transient', 'server_error'],
  ['temporarily_unavailable', 'transient', 'temporarily_unavailable'],
  ['login_required', 'restart', 'login_required'],
  ['<img src=x onerror=alert(1)>', 'transient', 'unknown_error'],
  ['a\nb', 'transient', 'unknown_error'],
  ['', 'transient', 'unknown_error'],
])('the error %j becomes %s', (error, kind, code) => {
  const callback = new URLSearchParams({
    error,
    state: 's',
    error_description: '<script>',
    error_uri: 'javascript:x',
  })
  expect(checkCallback(github, callback)).toEqual({ outcome: 'error', failure: { kind, code } })
})

test('an error from the wrong issuer is not even an error', () => {
  expect(checkCallback(github, query('error=access_denied&iss=https://evil.test'))).toEqual(
    invalid('issuer_mismatch'),
  )
})

test('whatever comes back, the answer is one of three', () => {
  const names = fc.constantFrom('code', 'state', 'iss', 'error', 'error_description', 'response', 'x')
  fc.assert(
    fc.property(fc.array(fc.tuple(names, fc.string())), (members) => {
      const { outcome } = checkCallback(github, new URLSearchParams(members))
      expect(['code', 'error', 'invalid']).toContain(outcome)
    }),
  )
})

test.each(['always', 'never'] as const)('GitHub sends its issuer %s, and either is fine', async (mode) => {
  const { standin, provider } = await githubWith()
  standin.control.iss(mode)
  expect(checkCallback(provider, await visit(testUpstream(), provider))).toEqual({ outcome: 'code' })
})

test.each([
  ['wrong', 'issuer_mismatch'],
  ['duplicate', 'repeated'],
] as const)('a %s issuer is seen before any token call', async (mode, reason) => {
  const { standin, provider } = await githubWith()
  standin.control.iss(mode)
  expect(checkCallback(provider, await visit(testUpstream(), provider))).toEqual(invalid(reason))
  expect(standin.calls('POST /login/oauth/access_token')).toEqual([])
})

test('Google promises an issuer and sends none: the descriptor decides', async () => {
  const { standin, provider } = await googleWith()
  standin.control.set({ advertiseIss: true })
  standin.control.iss('never')
  const callback = await visit(testUpstream(), provider)
  expect(checkCallback(provider, callback)).toEqual({ outcome: 'code' })
  const strict = testProvider(
    { extends: 'google', callback: { iss: 'required' } },
    { issuer: standin.issuer },
  )
  expect(checkCallback(strict, callback)).toEqual(invalid('issuer_missing'))
})

test('somebody who says no has said no', async () => {
  const { standin, provider } = await githubWith()
  standin.control.deny()
  expect(checkCallback(provider, await visit(testUpstream(), provider))).toEqual({
    outcome: 'error',
    failure: { kind: 'denied', code: 'access_denied' },
  })
})

test('a suspended app is the administrator’s', async () => {
  const { provider } = await githubWith({ app: { suspended: true } })
  expect(checkCallback(provider, await visit(testUpstream(), provider))).toEqual({
    outcome: 'error',
    failure: { kind: 'config', code: 'application_suspended' },
  })
})
