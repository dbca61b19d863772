import { afterEach, beforeEach, expect, test } from 'vitest'
import type { AuthorizationServer } from '../src/index.ts'
import { type Issuer, startIssuer } from './support/issuer.ts'
import { claims, now, said, verifierFor } from './support/tokens.ts'

let issuer: Issuer

beforeEach(async () => {
  issuer = await startIssuer('/tenant')
})
afterEach(() => issuer.stop())

const paths = {
  oauth: '/.well-known/oauth-authorization-server/tenant',
  inserted: '/.well-known/openid-configuration/tenant',
  appended: '/tenant/.well-known/openid-configuration',
}

/** Only one path has the document; the others are answered 404. */
function publishAt(path: string) {
  for (const each of Object.values(paths)) delete issuer.routes[each]
  issuer.routes[path] = () => ({ body: issuer.metadata })
}

const trusting = (server: Partial<AuthorizationServer>) =>
  verifierFor(issuer, { authorizationServers: [{ issuer: issuer.issuer, ...server }] })

test('the metadata are found wherever RFC 8414 and OpenID Connect put them, in the order of MCP clients', async () => {
  const looked = []
  for (const path of Object.values(paths)) {
    publishAt(path)
    issuer.requests.splice(0)
    expect(await said(verifierFor(issuer), await issuer.sign(claims))).toBe('allowed')
    looked.push(issuer.requests.filter((each) => each !== 'GET /jwks'))
  }
  const [oauth, inserted, appended] = Object.values(paths).map((path) => `GET ${path}`)
  expect(looked).toEqual([[oauth], [oauth, inserted], [oauth, inserted, appended]])
})

test('a page in the place of a document is passed by', async () => {
  publishAt(paths.appended)
  issuer.routes[paths.oauth] = () => ({
    headers: { 'content-type': 'text/html' },
    body: '<html>Hello</html>',
  })
  issuer.routes[paths.inserted] = () => ({ body: ['no', 'object'] })
  expect(await said(verifierFor(issuer), await issuer.sign(claims))).toBe('allowed')
})

test('a document of another issuer is not believed, be it only a slash that differs', async () => {
  for (const other of ['https://evil.example', `${issuer.issuer}/`, undefined, 7]) {
    issuer.routes[paths.oauth] = () => ({ body: { ...issuer.metadata, issuer: other } })
    const verdict = await said(verifierFor(issuer), await issuer.sign(claims))
    expect(verdict).toBe('policy_unavailable issuer_mismatch')
  }
  expect(issuer.asked('/jwks')).toBe(0)
})

test('what cannot be had or read lets nobody in', async () => {
  const answers = {
    metadata_not_found: { status: 404, body: {} },
    metadata_unreachable: { status: 503, body: {} },
    metadata_redirected: { status: 307, headers: { location: '/elsewhere' }, body: {} },
    metadata_too_large: { body: ' '.repeat(300_000) },
    metadata_invalid: { body: { ...issuer.metadata, jwks_uri: 'not a URL' } },
    jwks_uri_missing: { body: { issuer: issuer.issuer } },
  }
  for (const [reason, answer] of Object.entries(answers)) {
    issuer.routes[paths.oauth] = () => answer
    expect(await said(verifierFor(issuer), await issuer.sign(claims))).toBe(`policy_unavailable ${reason}`)
  }
  for (const jwks_uri of ['http://keys.example', 'file:///keys', null, ['https://keys.example']]) {
    issuer.routes[paths.oauth] = () => ({ body: { ...issuer.metadata, jwks_uri } })
    expect(await said(verifierFor(issuer), await issuer.sign(claims))).toBe(
      'policy_unavailable metadata_invalid',
    )
  }
  expect(issuer.asked('/elsewhere')).toBe(0)
})

test('a server that is slow is given up', async () => {
  const silent = verifierFor(issuer, {
    deadline: 0.05,
    fetch: (_url, init) =>
      new Promise((_, reject) => init?.signal?.addEventListener('abort', () => reject(init.signal?.reason))),
  })
  expect(await said(silent, await issuer.sign(claims))).toBe('policy_unavailable metadata_unreachable')
})

test('metadata are asked for once by many, again after an hour, and kept for a day of failures', async () => {
  let time = now
  const verifier = verifierFor(issuer, { clock: () => time })
  const token = await issuer.sign({ ...claims, exp: now + 10 ** 6 })
  const all = await Promise.all(Array.from({ length: 10 }, () => said(verifier, token)))
  expect(new Set(all)).toEqual(new Set(['allowed']))
  expect([issuer.asked(paths.oauth), issuer.asked('/jwks')]).toEqual([1, 1])

  time += 3599
  await said(verifier, token)
  expect(issuer.asked(paths.oauth)).toBe(1)
  time += 1
  await said(verifier, token)
  expect(issuer.asked(paths.oauth)).toBe(2)

  issuer.routes[paths.oauth] = () => ({ status: 500, body: {} })
  time += 3600
  expect(await said(verifier, token)).toBe('allowed')
  expect(await said(verifier, token)).toBe('allowed')
  expect(issuer.asked(paths.oauth)).toBe(3)
  time += 24 * 3600
  expect(await said(verifier, token)).toBe('policy_unavailable metadata_unreachable')
})

test('a failure is remembered for seconds', async () => {
  let time = now
  const verifier = verifierFor(issuer, { clock: () => time })
  const token = await issuer.sign(claims)
  issuer.routes[paths.oauth] = () => ({ status: 500, body: {} })
  for (let times = 0; times < 3; times++) {
    expect(await said(verifier, token)).toBe('policy_unavailable metadata_unreachable')
  }
  expect(issuer.asked(paths.oauth)).toBe(1)
  issuer.routes[paths.oauth] = () => ({ body: issuer.metadata })
  time += 5
  expect(await said(verifier, token)).toBe('allowed')
})

test('metadata are taken from where they are said to be, as they are put right, or as they are given', async () => {
  const odd = { ...issuer.metadata, issuer: 'https://internal.example' }
  for (const each of Object.values(paths)) delete issuer.routes[each]
  issuer.routes['/odd'] = () => ({ body: odd })
  const token = await issuer.sign(claims)
  const metadataUrl = `${issuer.origin}/odd`
  expect(await said(trusting({ metadataUrl }), token)).toBe('policy_unavailable issuer_mismatch')
  const transpileMetadata = (document: Readonly<Record<string, unknown>>) => ({
    ...document,
    issuer: issuer.issuer,
  })
  expect(await said(trusting({ metadataUrl, transpileMetadata }), token)).toBe('allowed')
  expect(await said(trusting({ metadata: issuer.metadata }), token)).toBe('allowed')
  expect(await said(trusting({ metadata: odd }), token)).toBe('policy_unavailable issuer_mismatch')
})
