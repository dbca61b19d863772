import { expect, onTestFinished, test } from 'vitest'
import { createGuardedFetch } from '../../src/lib/guarded-fetch.ts'
import { createAsk } from '../../src/tester/heard.ts'
import { testUrl } from '../../src/tester/test-url.ts'
import { startGoogle } from '../../standins/google.ts'
import { startOidc } from '../../standins/oidc.ts'
import { faultsIn } from '../support/tested-world.ts'

async function testAt(url: string) {
  const fetch = createGuardedFetch({ allowLoopback: true })
  const ask = createAsk({ fetch, deadline: 10, signal: new AbortController().signal })
  return await testUrl(url, { ask, now: 1_800_000_000, registering: 'leave' })
}

test('oidc-provider, a third party’s server, is fit, and could do better', async () => {
  const { issuer, stop } = await startOidc()
  onTestFinished(stop)
  const report = await testAt(issuer)
  expect(report).toMatchObject({ ok: true, tested: [{ kind: 'authorization_server', url: issuer }] })
  expect(faultsIn(report)).toEqual([
    'warning dynamic_registration_not_supported',
    'warning unknown_path',
    'warning metadata_caching',
    'warning removed_grants',
    'warning client_documents',
    'warning jwks_caching',
    'warning authorization_framing',
  ])
})

test('the stand-in for Google is what Google is: made for clients that are registered by hand', async () => {
  const { issuer, stop } = await startGoogle({ clients: [] })
  onTestFinished(stop)
  const report = await testAt(issuer)
  expect(report.ok).toBe(true)
  expect(faultsIn(report)).toEqual([
    'warning dynamic_registration_not_supported',
    'warning metadata_form',
    'warning unknown_path',
    'warning metadata_cors',
    'warning metadata_preflight',
    'warning pkce_plain',
    'warning public_clients',
    'warning client_documents',
    'warning jwks_cors',
    'warning authorization_framing',
    'warning token_cors',
  ])
})
