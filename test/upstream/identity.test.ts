import { expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { parseJson } from '../../src/upstream/claims.ts'
import type { IdentityOutcome } from '../../src/upstream/identity.ts'
import type { Provider } from '../../src/upstream/provider.ts'
import type { Github } from '../../standins/github.ts'
import { connect, testUpstream, tokensOf } from '../support/upstream.ts'
import { atlassianWith, githubWith, googleWith, octocat, oidcWith } from '../support/upstream-standins.ts'

async function identityAt(provider: Provider): Promise<IdentityOutcome> {
  const upstream = testUpstream()
  return await upstream.identify(provider, tokensOf(await connect(upstream, provider)))
}

type Email = { email: string; primary?: boolean; verified?: boolean }

async function githubIdentityWith(emails: Email[]): Promise<IdentityOutcome> {
  const { standin, provider } = await githubWith()
  standin.control.addUser({ ...octocat, emails })
  return await identityAt(provider)
}

const failed = (kind: string, code: string) => ({ outcome: 'failed', failure: { kind, code } })
const someone = { outcome: 'identity', identity: { subject: '583231', label: 'octocat' } }

test('an unverified primary address is none, and the verified second one is not taken for it', async () => {
  const outcome = await githubIdentityWith([
    { email: 'victim@acme.test', primary: true, verified: false },
    { email: 'mine@octo.test', verified: true },
  ])
  expect(outcome).toMatchObject({ ...someone, identity: { emailVerified: false } })
  expect(outcome).not.toHaveProperty('identity.email')
})

test('an account without addresses is an account', async () => {
  expect(await githubIdentityWith([])).not.toHaveProperty('identity.email')
})

test('a verified primary address is found among forty', async () => {
  const others = Array.from({ length: 40 }, (_, index) => ({ email: `n${index}@octo.test` }))
  const outcome = await githubIdentityWith([...others, { email: 'mona@octo.test', primary: true }])
  expect(outcome).toMatchObject({ identity: { email: 'mona@octo.test', emailVerified: true } })
})

test('addresses that may not be read cost nothing but the address', async () => {
  const { standin, provider } = await githubWith()
  const effect = { kind: 'respond', status: 403, body: { message: 'Resource not accessible' } } as const
  standin.control.script({ on: 'GET /user/emails', effect })
  expect(await identityAt(provider)).toMatchObject({ ...someone, identity: { emailVerified: false } })
})

test('a login that was renamed is the same account, a newcomer under the old login is another', async () => {
  const { standin, provider } = await githubWith()
  standin.control.addUser({ ...octocat, login: 'hubber' })
  expect(await identityAt(provider)).toMatchObject({ identity: { subject: '583231', label: 'hubber' } })
  standin.control.addUser({ ...octocat, id: 7 })
  standin.control.autoApprove('7')
  expect(await identityAt(provider)).toMatchObject({ identity: { subject: '7', label: 'octocat' } })
})

test.each([
  ['9007199254740993', '9007199254740993'],
  ['12345678901234567890', '12345678901234567890'],
  ['7', '7'],
])('the id %s keeps every digit', async (id, subject) => {
  const { standin, provider } = await githubWith()
  const headers = { 'content-type': 'application/json' }
  const body = `{"id": ${id}, "login": "octocat"}`
  standin.control.script({ on: 'GET /user', effect: { kind: 'respond', status: 200, headers, body } })
  expect(await identityAt(provider)).toMatchObject({ identity: { subject } })
})

test('JSON is read as ever, but for whole numbers that would be rounded', () => {
  const text = '{"a": [1, 2.5, -9007199254740993, 1e3, "9007199254740993"], "b": null, "c": 1e400}'
  expect(parseJson(text)).toEqual({
    a: [1, 2.5, '-9007199254740993', 1000, '9007199254740993'],
    b: null,
    c: Number.POSITIVE_INFINITY,
  })
})

test.each([
  ['no id', '{"login": "octocat"}'],
  ['an empty id', '{"id": "", "login": "octocat"}'],
  ['half an id', '{"id": 7.5, "login": "octocat"}'],
  ['a boolean for an id', '{"id": true, "login": "octocat"}'],
  ['an object for an id', '{"id": {"value": 7}, "login": "octocat"}'],
  ['an id with a line break', '{"id": "7\\n8", "login": "octocat"}'],
  ['an id of 300 characters', `{"id": "${'7'.repeat(300)}", "login": "octocat"}`],
])('an account with %s is nobody', async (_what, body) => {
  const { standin, provider } = await githubWith()
  standin.control.script({ on: 'GET /user', effect: { kind: 'respond', status: 200, body } })
  expect(await identityAt(provider)).toEqual(failed('config', 'subject_missing'))
})

test.each([
  [401, '{"message": "Bad credentials"}', 'restart', 'api_status_401'],
  [403, '{"message": "Suspended"}', 'config', 'api_status_403'],
  [500, '<h1>Unicorn!</h1>', 'transient', 'api_status_500'],
  [302, '', 'transient', 'api_status_302'],
  [200, '<h1>Sign in</h1>', 'transient', 'malformed_answer'],
  [200, '[]', 'transient', 'malformed_answer'],
])('an identity endpoint that answers %i %s signs nobody in', async (status, body, kind, code) => {
  const { standin, provider } = await githubWith()
  standin.control.script({ on: 'GET /user', effect: { kind: 'respond', status, body } })
  expect(await identityAt(provider)).toEqual(failed(kind, code))
})

test.each(['primary', 'secondary'] as const)(
  'GitHub’s %s rate limit is told from a refusal',
  async (kind) => {
    const { standin, provider } = await githubWith()
    standin.control.rateLimit({ kind, seconds: 90, times: 1 })
    const outcome = await identityAt(provider)
    const { failure } = outcome as Extract<IdentityOutcome, { outcome: 'failed' }>
    expect(failure).toMatchObject({ kind: 'limited', code: 'api_status_403' })
    expect(failure.retryAfter).toBeGreaterThanOrEqual(89)
    expect(failure.retryAfter).toBeLessThanOrEqual(90)
  },
)

test.each(['false', 'true', false])('a verified claim of %j is not verified', async (emailVerified) => {
  const { standin, provider } = await googleWith()
  standin.control.addUser({ sub: '1042', email: 'ada@acme.test', emailVerified })
  expect(await identityAt(provider)).toMatchObject({
    identity: { email: 'ada@acme.test', emailVerified: false },
  })
})

test('Google’s hosted domain is what the claim says, not what the address looks like', async () => {
  const { standin, provider } = await googleWith()
  standin.control.addUser({ sub: '1042', email: 'ada@acme.test' })
  expect(await identityAt(provider)).not.toHaveProperty('identity.hostedDomain')
})

test('an Atlassian account that hides its address is known by its name', async () => {
  const { standin, provider } = await atlassianWith()
  standin.control.addUser({ accountId: '5b10:ac8d', email: null, name: 'Lin', sites: ['site'] })
  standin.control.autoApprove('5b10:ac8d')
  expect(await identityAt(provider)).toEqual({
    outcome: 'identity',
    identity: { issuer: standin.auth, subject: '5b10:ac8d', label: 'Lin', emailVerified: false, groups: [] },
  })
})

test('userinfo is asked only for what the ID token left out', async () => {
  const complete = await oidcWith({ claims: 'id_token' })
  expect(await identityAt(complete.provider)).toMatchObject({ identity: { email: 'grace@id.test' } })
  expect(complete.standin.calls('GET /me')).toHaveLength(0)
  const sparse = await oidcWith({ claims: 'userinfo' })
  expect(await identityAt(sparse.provider)).toMatchObject({ identity: { email: 'grace@id.test' } })
  expect(sparse.standin.calls('GET /me')).toHaveLength(1)
})

test.each([{ sub: 'u-2' }, { sub: '' }, { sub: null }])(
  'userinfo that speaks of %j is not about the person who signed in',
  async (json) => {
    const { standin, provider } = await oidcWith({ claims: 'userinfo' })
    standin.control.script({ on: 'GET /me', effect: { kind: 'patch', json } })
    expect(await identityAt(provider)).toEqual(failed('config', 'subject_mismatch'))
  },
)

test('userinfo out of reach fails the sign-in', async () => {
  const { standin, provider } = await oidcWith({ claims: 'userinfo' })
  standin.control.script({ on: 'GET /me', effect: { kind: 'drop', when: 'before' } })
  expect(await identityAt(provider)).toEqual(failed('transient', 'unreachable'))
})

test('one source’s address is not verified by another’s word', async () => {
  const { standin, provider } = await oidcWith({ claims: 'userinfo' })
  const upstream = testUpstream()
  const tokens = tokensOf(await connect(upstream, provider))
  const idTokenClaims = { ...tokens.idTokenClaims, email: 'victim@acme.test' }
  expect(await upstream.identify(provider, { ...tokens, idTokenClaims })).toMatchObject({
    identity: { email: 'victim@acme.test', emailVerified: false },
  })
  expect(standin.calls('POST /token')).toHaveLength(1)
})

test('a label is one line of visible text', async () => {
  const { standin, provider } = await githubWith()
  standin.control.addUser({ ...octocat, login: `oc\u202eto\ncat${'t'.repeat(500)}` })
  standin.control.autoApprove('583231')
  const outcome = await identityAt(provider)
  const { identity } = outcome as Extract<IdentityOutcome, { outcome: 'identity' }>
  expect(identity.label).toMatch(/^octo cat+…$/)
  expect(identity.label.length).toBeLessThanOrEqual(120)
})

test('nested claims and claims with dots in their names are both found', async () => {
  const overlay = {
    identity: { subject: 'data.user.id', label: ['https://acme.test/name'], email: { claim: 'mail' } },
  }
  const { standin, provider } = await githubWith({ overlay })
  const body = { data: { user: { id: 'u7' } }, 'https://acme.test/name': 'Mona', mail: 'mona@octo.test' }
  standin.control.script({ on: 'GET /user', effect: { kind: 'respond', status: 200, body } })
  expect(await identityAt(provider)).toMatchObject({
    identity: { subject: 'u7', label: 'Mona', email: 'mona@octo.test', emailVerified: false },
  })
})

type Verdict = 'accepted' | 'rejected' | 'unknown'

test.each<[string, Parameters<Github['control']['script']>[0]['effect'] | undefined, Verdict]>([
  ['accepts', undefined, 'accepted'],
  [
    'rejects',
    { kind: 'respond', status: 401, headers: { 'www-authenticate': 'Bearer' }, body: '' },
    'rejected',
  ],
  ['forbids', { kind: 'respond', status: 403, body: '' }, 'unknown'],
  ['breaks', { kind: 'respond', status: 502, body: '' }, 'unknown'],
  ['limits', { kind: 'respond', status: 429, body: '' }, 'unknown'],
  ['drops', { kind: 'drop', when: 'before' }, 'unknown'],
  ['hangs on', { kind: 'hold' }, 'unknown'],
])('a token that the identity endpoint %s is probed for what that says', async (_how, effect, verdict) => {
  const { standin, provider } = await githubWith()
  const upstream = testUpstream(systemClock, { deadline: 0.2 })
  const { accessToken } = tokensOf(await connect(upstream, provider))
  if (effect) standin.control.script({ on: 'GET /user', effect })
  expect(await upstream.probe(provider, accessToken)).toBe(verdict)
  standin.control.release()
})
