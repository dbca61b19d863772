import { expect, test } from 'vitest'
import { type AdminGateway, openAdminGateway, start } from '../support/admin-gateway.ts'
import { forge, notes } from '../support/admin-rows.ts'
import { httpDate, oidcAt, openIssuer } from '../support/issuer.ts'

/** A gateway, and an issuer whose clock says the same. */
async function openBoth() {
  const served = await openIssuer()
  served.answer.headers.date = httpDate(start)
  return { ...served, ...(await openAdminGateway()) }
}

const check = async ({ admin }: Pick<AdminGateway, 'admin'>, id = 'work') =>
  (await admin('POST', `/providers/${id}/check`)).json

const codes = (findings: { code: string }[]) => findings.map(({ code }) => code)

test('a provider that can be used is found so, with what to register there', async () => {
  const { issuer, admin } = await openBoth()
  await admin('PUT', '/providers/work', oidcAt(issuer))
  const { status, json } = await admin('POST', '/providers/work/check')
  expect(status).toBe(200)
  expect(json).toEqual({
    ok: true,
    redirect_uri: 'http://localhost:8080/oauth/callback/work',
    authorization_endpoint: `${issuer}/authorize`,
    problems: [],
    warnings: [],
  })
})

test.each([
  ['of another issuer', { issuer: 'https://evil.test' }],
  ['without a token endpoint', { token_endpoint: undefined }],
  ['with an endpoint that is not https', { token_endpoint: 'http://evil.test/token' }],
])('a metadata document %s is a problem, and looked at anew each time', async (_, difference) => {
  const { issuer, answer, admin } = await openBoth()
  await admin('PUT', '/providers/work', oidcAt(issuer))
  const good = answer.document
  answer.document = { ...good, ...difference }
  const json = await check({ admin })
  expect(json.ok).toBe(false)
  expect(json.problems).toMatchObject([{ code: 'metadata_invalid', pointer: '/descriptor/server/issuer' }])
  answer.document = good
  expect((await check({ admin })).ok).toBe(true)
})

test('an issuer nobody answers for is a problem in words, with what to do', async () => {
  const { admin } = await openAdminGateway()
  await admin('PUT', '/providers/work', oidcAt('http://127.0.0.1:1'))
  const { problems } = await check({ admin })
  expect(problems).toMatchObject([{ code: 'unreachable', advice: expect.stringContaining('curl') }])
  expect(problems[0].message).toContain('http://127.0.0.1:1 cannot be reached')
})

test('an issuer that is out of order, without keys or a token endpoint, is told from one that is not there', async () => {
  const { issuer, answer, admin } = await openBoth()
  await admin('PUT', '/providers/work', oidcAt(issuer))
  answer.keys = { keys: [] }
  answer.document.token_endpoint = 'http://127.0.0.1:1/token'
  expect((await check({ admin })).problems).toMatchObject([
    { code: 'keys_invalid', pointer: '/descriptor/server/jwks_uri' },
    { code: 'unreachable', pointer: '/descriptor/server/token_endpoint' },
  ])
  answer.status = 503
  const { problems } = await check({ admin })
  expect(problems).toMatchObject([{ code: 'status_503' }])
  expect(problems[0].message).toBe(`${issuer} answers with status 503`)
})

test.each([
  ['ahead of', 31],
  ['behind', -31],
])(
  'a clock %s ours by more than is tolerated is a problem where ID tokens tell the time',
  async (words, skew) => {
    const { issuer, answer, admin } = await openBoth()
    answer.headers.date = httpDate(start + skew)
    await admin('PUT', '/providers/work', oidcAt(issuer))
    const descriptor = {
      ...forge.descriptor,
      variables: { web: { label: 'Web address', default: issuer } },
    }
    await admin('PUT', '/providers/forge', { ...forge, descriptor })
    const { problems, warnings } = await check({ admin })
    expect(codes(warnings)).toEqual([])
    expect(problems).toMatchObject([
      {
        code: 'clock_skew',
        message: `its clock is 31 s ${words} this gateway’s`,
        advice: expect.stringContaining('NTP'),
      },
    ])
    const plain = await check({ admin }, 'forge')
    expect(plain.ok).toBe(true)
    expect(codes(plain.warnings)).toEqual(['clock_skew'])
    answer.headers.date = httpDate(start + skew - Math.sign(skew))
    expect(await check({ admin })).toMatchObject({ ok: true, warnings: [] })
  },
)

test('scopes that nobody offers, and such that MCP servers ask for in vain, are warnings', async () => {
  const { issuer, answer, admin } = await openBoth()
  answer.document.scopes_supported = ['openid', 'email', 'profile', 'mail.read']
  await admin('PUT', '/providers/work', oidcAt(issuer))
  const asking = (id: string, scopes: string[]) => ({
    ...notes,
    resource: `https://${id}.test/mcp`,
    providers: [{ provider: 'work', scopes }],
  })
  await admin('PUT', '/resources/notes', asking('notes', ['mail.read', 'mail.send']))
  await admin('PUT', '/resources/post', asking('post', ['mail.send']))
  expect((await check({ admin })).warnings).toMatchObject([
    {
      code: 'scope_not_offered',
      message: 'mail.send is not among the scopes it says it offers; asked for by notes, post',
    },
  ])
  await admin('PUT', '/providers/work', { ...oidcAt(issuer), scopes: ['mail.read', 'mail.raed'] })
  const { ok, warnings } = await check({ admin })
  expect(ok).toBe(true)
  expect(warnings).toMatchObject([
    { code: 'scope_without_words', pointer: '/scopes/0' },
    { code: 'scope_without_words', pointer: '/scopes/1' },
    { code: 'scope_not_offered', pointer: '/scopes/1', message: expect.stringMatching(/^mail\.raed is not/) },
    { code: 'scope_not_allowed', message: expect.stringMatching(/^mail\.send is not .*by notes, post$/) },
  ])
  answer.document.scopes_supported = undefined
  expect(codes((await check({ admin })).warnings)).not.toContain('scope_not_offered')
})

test('what an administrator may have forgotten is a warning', async () => {
  const { admin } = await openAdminGateway()
  const { client_secret: _, ...withoutSecret } = forge
  await admin('PUT', '/providers/forge', { ...withoutSecret, enabled: false, scopes: ['repo', 'gist'] })
  const { warnings } = await check({ admin }, 'forge')
  expect(codes(warnings)).toEqual(['disabled', 'no_client_secret', 'scope_without_words'])
})

test('a provider that no longer resolves says why, here and where it is read', async () => {
  const gateway = await openAdminGateway()
  await gateway.admin('PUT', '/providers/forge', forge)
  const { database } = gateway
  const { providers } = database.tables
  const document = { descriptor: 'gone', variables: {}, admit: 'anyone' as const }
  await database.db.update(providers).set({ document }).returning()
  const json = await check(gateway, 'forge')
  expect(json).toMatchObject({
    ok: false,
    problems: [{ code: 'broken', message: 'is not a built-in descriptor', advice: expect.any(String) }],
  })
  expect((await gateway.admin('GET', '/providers/forge')).json.broken).toHaveLength(1)
  expect((await gateway.admin('GET', '/providers')).json.items[0].broken).toHaveLength(1)
  expect((await gateway.admin('POST', '/providers/nothing/check')).status).toBe(404)
})
