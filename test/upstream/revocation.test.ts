import { describe, expect, test } from 'vitest'
import { revokeTokens } from '../../src/upstream/revocation.ts'
import type { Server } from '../../src/upstream/server.ts'
import type { DoomedTokens } from '../../src/upstream/tokens.ts'
import { testProvider } from '../support/upstream.ts'

// One attempt at one provider: which tokens are shown to it, in which order, and what its answers mean.

const lasting: DoomedTokens = {
  accessToken: 'access',
  tokenEndpoint: 'https://forge.test/token',
  upstreamClientId: 'client',
  extent: 'token',
}
const doomed: DoomedTokens = { ...lasting, refreshToken: 'refresh' }

/** Tells a provider with such a `revocation`, which answers in turn, about tokens; and what it was told. */
async function tell(
  revocation: Record<string, unknown>,
  answers: [status: number, body?: unknown][],
  tokens: DoomedTokens = doomed,
) {
  const source = {
    extends: 'oidc',
    kind: 'oauth2',
    client_authentication: 'client_secret_post',
    server: {
      issuer: 'https://forge.test',
      discovery: 'none',
      authorization_endpoint: 'https://forge.test/authorize',
      token_endpoint: 'https://forge.test/token',
      userinfo_endpoint: 'https://forge.test/me',
      revocation_endpoint: 'https://forge.test/revoke',
    },
    identity: { sources: ['userinfo'] },
    revocation,
  }
  const provider = testProvider(source, { issuer: 'https://forge.test' }, { clientId: 'client' })
  const told: string[] = []
  const server: Server = {
    metadata: provider.descriptor.server as Server['metadata'],
    async fetch(url, { body } = {}) {
      const form = typeof body === 'string' ? new URLSearchParams(JSON.parse(body)) : body
      told.push(`${new URL(url).pathname} ${form?.get('token') ?? ''}`.trim())
      const [status, answer] = answers[told.length - 1] ?? [599]
      return new Response(answer === undefined ? null : JSON.stringify(answer), { status })
    },
  }
  const outcome = await revokeTokens(provider, server, () => 1_900_000_000, tokens)
  return { outcome, told }
}

const gone = { error: 'invalid_token' }

describe('RFC 7009', () => {
  test('each token is told where each ends alone, and the refresh token first', async () => {
    expect(await tell({ style: 'rfc7009', ends: 'token' }, [[200], [200]])).toEqual({
      outcome: { outcome: 'revoked' },
      told: ['/revoke refresh', '/revoke access'],
    })
  })

  test('the refresh token speaks for all where all ends, and the access token where that is gone', async () => {
    const revocation = { style: 'rfc7009', ends: 'grant' }
    expect((await tell(revocation, [[200]])).told).toEqual(['/revoke refresh'])
    expect(await tell(revocation, [[400, gone], [200]])).toEqual({
      outcome: { outcome: 'revoked' },
      told: ['/revoke refresh', '/revoke access'],
    })
    expect(
      (
        await tell(revocation, [
          [400, gone],
          [400, gone],
        ])
      ).outcome,
    ).toEqual({ outcome: 'already_gone' })
  })

  test('a kind of token that it cannot revoke takes nothing back from the other', async () => {
    const unsupported = { error: 'unsupported_token_type' }
    const revocation = { style: 'rfc7009', ends: 'token' }
    expect((await tell(revocation, [[200], [400, unsupported]])).outcome).toEqual({ outcome: 'revoked' })
    expect(
      (
        await tell(revocation, [
          [400, unsupported],
          [400, unsupported],
        ])
      ).outcome,
    ).toEqual({
      outcome: 'impossible',
      reason: 'unsupported',
    })
  })

  test('what it refuses for our own sake is tried again', async () => {
    const answer = await tell({ style: 'rfc7009', ends: 'token' }, [[401, { error: 'invalid_client' }]])
    expect(answer.outcome).toMatchObject({ outcome: 'failed', failure: { code: 'api_status_401' } })
  })
})

describe('a call of the provider’s own', () => {
  const request = {
    style: 'request',
    method: 'POST',
    url: 'https://forge.test/api/end',
    grant_url: 'https://forge.test/api/end-all',
    authentication: 'client_secret_basic',
    format: 'json',
    parameter: 'token',
    gone: [404],
    ends: 'token',
  }

  test('knows the access token alone unless said, and one that ended says nothing of the refresh token', async () => {
    expect(await tell(request, [[204]])).toEqual({
      outcome: { outcome: 'revoked' },
      told: ['/api/end access'],
    })
    const ended = await tell(request, [[404], [401]])
    expect(ended).toEqual({ outcome: { outcome: 'access_ended' }, told: ['/api/end access', '/me'] })
    const alone = await tell(request, [[404], [401]], lasting)
    expect(alone.outcome).toEqual({ outcome: 'already_gone' })
  })

  test('takes refresh tokens where its descriptor says so', async () => {
    const both = { ...request, takes: ['refresh_token', 'access_token'] }
    expect((await tell(both, [[204], [204]])).told).toEqual(['/api/end refresh', '/api/end access'])
    expect((await tell(both, [[404], [404], [401]])).outcome).toEqual({ outcome: 'already_gone' })
    const refresh = { ...request, takes: ['refresh_token'] }
    expect(await tell(refresh, [[404]])).toEqual({
      outcome: { outcome: 'already_gone' },
      told: ['/api/end refresh'],
    })
  })

  test('that ends everything a person gave is made once', async () => {
    const both = { ...request, takes: ['refresh_token', 'access_token'] }
    expect((await tell(both, [[204]], { ...doomed, extent: 'grant' })).told).toEqual(['/api/end-all refresh'])
  })

  test.each([
    ['still accepts', 200, 'config'],
    ['says nothing of', 503, 'transient'],
  ])('is not believed that a token is gone which the identity endpoint %s', async (_, status, kind) => {
    const { outcome } = await tell(request, [[404], [status]])
    expect(outcome).toEqual({ outcome: 'failed', failure: { kind, code: 'not_believed_gone' } })
  })
})

test('tokens of another client or host are shown to nobody', async () => {
  for (const more of [{ upstreamClientId: 'other' }, { tokenEndpoint: 'https://elsewhere.test/token' }]) {
    expect(await tell({ style: 'rfc7009', ends: 'token' }, [], { ...doomed, ...more })).toEqual({
      outcome: { outcome: 'impossible', reason: 'provider_changed' },
      told: [],
    })
  }
})
