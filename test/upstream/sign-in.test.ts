import { afterEach, expect, test } from 'vitest'
import { checkCallback } from '../../src/upstream/callback.ts'
import type { UpstreamIdentity } from '../../src/upstream/identity.ts'
import type { Provider } from '../../src/upstream/provider.ts'
import type { UpstreamTokens } from '../../src/upstream/tokens.ts'
import { startAtlassian } from '../../standins/atlassian.ts'
import { startGithub } from '../../standins/github.ts'
import { startGoogle } from '../../standins/google.ts'
import { startOidc } from '../../standins/oidc.ts'
import {
  client,
  exchange,
  redirectUri,
  refresh,
  testProvider,
  testUpstream,
  tokensOf,
  visit,
} from '../support/upstream.ts'

type Case = {
  provider: Provider
  scopes: string[]
  identity: UpstreamIdentity
  tokens: Partial<UpstreamTokens>
  /** Whether the access token that was refreshed is still good. */
  oldAccessToken: 'accepted' | 'rejected'
}

const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

const registered = { ...client, redirectUris: [redirectUri] }
const octocat = {
  id: 583231,
  login: 'octocat',
  name: 'Mona',
  emails: [{ email: 'mona@octo.test', primary: true }],
}
const mona = {
  subject: '583231',
  label: 'octocat',
  email: 'mona@octo.test',
  emailVerified: true,
}

const cases: Record<string, () => Promise<Case>> = {
  async github() {
    const github = await startGithub({ clients: [registered], users: [octocat] })
    stops.push(github.stop)
    github.control.autoApprove('octocat')
    return {
      provider: testProvider('github', { web: github.web, api: github.api }),
      scopes: ['repo'],
      identity: { issuer: github.issuer, ...mona },
      tokens: {
        expiresIn: 28_800,
        refreshExpiresIn: 15_897_600,
        scopes: ['read:user', 'repo', 'user:email'],
      },
      oldAccessToken: 'rejected',
    }
  },
  async 'github-app'() {
    const app = { ...registered, kind: 'github-app' as const, expiringTokens: true }
    const github = await startGithub({ clients: [app], users: [octocat] })
    stops.push(github.stop)
    github.control.autoApprove('octocat')
    return {
      provider: testProvider('github-app', { web: github.web, api: github.api }),
      scopes: ['contents:read'],
      identity: { issuer: github.issuer, ...mona },
      tokens: { expiresIn: 28_800, scopes: ['contents:read'] },
      oldAccessToken: 'rejected',
    }
  },
  async google() {
    const user = { sub: '1042', email: 'ada@acme.test', name: 'Ada', hd: 'acme.test' }
    const google = await startGoogle({ clients: [registered], users: [user] })
    stops.push(google.stop)
    google.control.autoApprove('ada@acme.test')
    const calendar = 'https://www.googleapis.com/auth/calendar.readonly'
    return {
      provider: testProvider('google', { issuer: google.issuer }),
      scopes: [calendar],
      identity: {
        issuer: google.issuer,
        subject: '1042',
        label: 'ada@acme.test',
        email: 'ada@acme.test',
        emailVerified: true,
        hostedDomain: 'acme.test',
      },
      tokens: { expiresIn: 3599, scopes: ['email', calendar, 'openid', 'profile'] },
      oldAccessToken: 'accepted',
    }
  },
  async atlassian() {
    const app = { ...client, redirectUri, scopes: ['read:me', 'read:jira-work'] }
    const user = { accountId: '5b10:ac8d', email: 'lin@acme.test', name: 'Lin', sites: ['site'] }
    const sites = [{ id: 'site', name: 'Acme' }]
    const atlassian = await startAtlassian({ clients: [app], users: [user], sites })
    stops.push(atlassian.stop)
    atlassian.control.autoApprove('lin@acme.test')
    return {
      provider: testProvider('atlassian', { auth: atlassian.auth, api: atlassian.api }),
      scopes: ['read:jira-work'],
      identity: {
        issuer: atlassian.auth,
        subject: '5b10:ac8d',
        label: 'lin@acme.test',
        email: 'lin@acme.test',
        emailVerified: true,
      },
      tokens: { expiresIn: 3600, scopes: ['read:jira-work', 'read:me'] },
      oldAccessToken: 'accepted',
    }
  },
  async oidc() {
    const user = { sub: 'u-1', name: 'Grace', email: 'grace@id.test' }
    const oidc = await startOidc({ clients: [registered], users: [user], claims: 'userinfo' })
    stops.push(oidc.stop)
    oidc.control.autoApprove('grace@id.test')
    return {
      provider: testProvider('oidc', { issuer: oidc.issuer }),
      scopes: [],
      identity: {
        issuer: oidc.issuer,
        subject: 'u-1',
        label: 'grace@id.test',
        email: 'grace@id.test',
        emailVerified: true,
      },
      tokens: { expiresIn: 3600, scopes: ['email', 'openid', 'profile'] },
      oldAccessToken: 'accepted',
    }
  },
}

test.each(Object.entries(cases))(
  '%s: there, back, tokens, identity, refresh, by the descriptor alone',
  async (_name, start) => {
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
