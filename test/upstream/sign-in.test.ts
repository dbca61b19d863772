import { expect, test } from 'vitest'
import { checkCallback } from '../../src/upstream/callback.ts'
import type { UpstreamIdentity } from '../../src/upstream/identity.ts'
import type { Provider } from '../../src/upstream/provider.ts'
import type { UpstreamTokens } from '../../src/upstream/tokens.ts'
import { exchange, redirectUri, refresh, testUpstream, tokensOf, visit } from '../support/upstream.ts'
import { atlassianWith, githubWith, googleWith, oidcWith } from '../support/upstream-standins.ts'

type Case = {
  provider: Provider
  scopes: string[]
  identity: UpstreamIdentity
  tokens: Partial<UpstreamTokens>
  /** What the identity endpoint says of the access token that was refreshed. */
  oldAccessToken: 'accepted' | 'rejected'
}

const calendar = 'https://www.googleapis.com/auth/calendar.readonly'

const mona = { subject: '583231', label: 'octocat', email: 'mona@octo.test', emailVerified: true, groups: [] }

const cases: Record<string, () => Promise<Case>> = {
  async github() {
    const { standin, provider } = await githubWith()
    return {
      provider,
      scopes: ['repo'],
      identity: { issuer: standin.issuer, ...mona },
      tokens: {
        expiresIn: 28_800,
        refreshExpiresIn: 15_897_600,
        scopes: ['read:user', 'repo', 'user:email'],
      },
      oldAccessToken: 'rejected',
    }
  },
  async 'github-app'() {
    const { standin, provider } = await githubWith({ app: { kind: 'github-app', expiringTokens: true } })
    return {
      provider,
      scopes: ['contents:read'],
      identity: { issuer: standin.issuer, ...mona },
      tokens: { expiresIn: 28_800, scopes: ['contents:read'] },
      oldAccessToken: 'rejected',
    }
  },
  async google() {
    const { standin, provider } = await googleWith()
    return {
      provider,
      scopes: [calendar],
      identity: {
        issuer: standin.issuer,
        subject: '1042',
        label: 'ada@acme.test',
        email: 'ada@acme.test',
        emailVerified: true,
        groups: [],
        hostedDomain: 'acme.test',
      },
      tokens: { expiresIn: 3599, scopes: ['email', calendar, 'openid', 'profile'] },
      oldAccessToken: 'accepted',
    }
  },
  async atlassian() {
    const { standin, provider } = await atlassianWith()
    return {
      provider,
      scopes: ['read:jira-work'],
      identity: {
        issuer: standin.auth,
        subject: '5b10:ac8d',
        label: 'lin@acme.test',
        email: 'lin@acme.test',
        emailVerified: true,
        groups: [],
      },
      tokens: { expiresIn: 3600, scopes: ['read:jira-work', 'read:me'] },
      oldAccessToken: 'accepted',
    }
  },
  async oidc() {
    const { standin, provider } = await oidcWith({ claims: 'userinfo' })
    return {
      provider,
      scopes: [],
      identity: {
        issuer: standin.issuer,
        subject: 'u-1',
        label: 'grace@id.test',
        email: 'grace@id.test',
        emailVerified: true,
        groups: [],
      },
      tokens: { expiresIn: 3600, scopes: ['email', 'openid', 'profile'] },
      oldAccessToken: 'accepted',
    }
  },
}

test.each(Object.entries(cases))(
  '%s: there, back, tokens, identity, refresh, by the descriptor alone',
  async (_id, start) => {
    const { provider, scopes, identity, tokens: expected, oldAccessToken } = await start()
    const upstream = testUpstream()

    const query = await visit(upstream, provider, { scopes })
    expect(checkCallback(provider, query)).toEqual({ outcome: 'code' })
    const tokens = tokensOf(await exchange(upstream, provider, query, { scopes }))
    expect(tokens).toMatchObject({ ...expected, tokenType: 'bearer', refreshToken: expect.any(String) })
    expect(await upstream.identify(provider, tokens)).toEqual({ outcome: 'identity', identity })
    expect(await upstream.probe(provider, tokens.accessToken)).toBe('accepted')

    const refreshed = tokensOf(await refresh(upstream, provider, tokens, identity.subject))
    expect(refreshed.accessToken).not.toBe(tokens.accessToken)
    expect(refreshed.scopes).toEqual(tokens.scopes)
    expect(await upstream.probe(provider, refreshed.accessToken)).toBe('accepted')
    expect(await upstream.probe(provider, tokens.accessToken)).toBe(oldAccessToken)
    expect(await upstream.probe(provider, 'nobody-ever-issued-this')).toBe('rejected')
  },
)

test('a code works once, and the second attempt only ends that attempt', async () => {
  const { provider } = await githubWith()
  const upstream = testUpstream()
  const query = await visit(upstream, provider)
  tokensOf(await exchange(upstream, provider, query))
  expect(await exchange(upstream, provider, query)).toEqual({
    outcome: 'failed',
    failure: { kind: 'restart', code: 'bad_verification_code' },
  })
})

test('a code that comes back under another state is not redeemed', async () => {
  const { standin, provider } = await githubWith()
  const upstream = testUpstream()
  const query = await visit(upstream, provider, { state: 'the state of somebody else' })
  expect(await exchange(upstream, provider, query)).toMatchObject({
    failure: { kind: 'restart', code: 'state_mismatch' },
  })
  expect(standin.calls('POST /login/oauth/access_token')).toEqual([])
})

test('the client secret goes over as the descriptor says, and the verifier and redirect URI with it', async () => {
  const { standin, provider } = await githubWith()
  const upstream = testUpstream()
  tokensOf(await exchange(upstream, provider, await visit(upstream, provider)))
  expect(standin.calls('POST /login/oauth/access_token')).toMatchObject([
    {
      body: {
        client_id: provider.clientId,
        client_secret: provider.clientSecret,
        redirect_uri: 'https://gateway.test/oauth/callback/provider',
        code_verifier: expect.any(String),
      },
    },
  ])
  expect(standin.calls('POST /login/oauth/access_token')[0]?.headers).not.toHaveProperty('authorization')
})

test('a discovered server that takes Basic gets it, with nothing escaped that a form may hold', async () => {
  const clientSecret = 'a-s3cret.of_us*+/= ~%'
  const { standin, provider } = await oidcWith({
    clients: [{ clientId: 'coat-check.1', clientSecret, redirectUris: [redirectUri] }],
  })
  const ours = { ...provider, clientId: 'coat-check.1', clientSecret }
  const upstream = testUpstream()
  tokensOf(await exchange(upstream, ours, await visit(upstream, ours)))
  const { authorization = '' } = standin.calls('POST /token')[0]?.headers ?? {}
  expect(Buffer.from(String(authorization).replace(/^Basic /, ''), 'base64').toString()).toBe(
    'coat-check.1:a-s3cret.of_us*%2B%2F%3D+%7E%25',
  )
})

test('Atlassian is sent JSON, as it documents', async () => {
  const { standin, provider } = await atlassianWith()
  const upstream = testUpstream()
  tokensOf(await exchange(upstream, provider, await visit(upstream, provider)))
  expect(standin.calls('POST /oauth/token')[0]?.headers).toMatchObject({ 'content-type': 'application/json' })
})
