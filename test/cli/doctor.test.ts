import { expect, onTestFinished, test } from 'vitest'
import { clockSkew, keyFindings, providerFindings } from '../../src/cli/doctor.ts'
import { notes } from '../support/admin-rows.ts'
import { coatcheck, coatcheckAt } from '../support/cli.ts'
import { freePort, startTestGateway } from '../support/gateway.ts'
import { oidcAt, openIssuer } from '../support/issuer.ts'

async function runningGateway(options = {}) {
  const gateway = await startTestGateway(options)
  onTestFinished(async () => await gateway.stop())
  return gateway
}

test('a gateway that is well is told to be, with the redirect URI to register', async () => {
  const gateway = await runningGateway()
  const { issuer } = await openIssuer()
  await gateway.admin('PUT', '/providers/forge', oidcAt(issuer))
  await gateway.admin('PUT', '/resources/notes', notes)
  const { out, exitCode } = await coatcheckAt(gateway)(['doctor'])
  expect(out).toMatch(/^ok +metadata +/m)
  expect(out).toMatch(/^ok +JWKS +one key/m)
  expect(out).toMatch(/^ok +database +takes writes/m)
  expect(out).toMatch(/^ok +signing keys +one signs; 0 pending/m)
  expect(out).toContain(`${gateway.issuer}/oauth/callback/forge`)
  expect(out).toContain('coatcheck resource credential create notes')
  expect(out).toContain('Nothing is wrong.')
  expect(exitCode).toBe(0)
})

test('a provider that cannot be reached is wrong, and exit code 1', async () => {
  const gateway = await runningGateway()
  const descriptor = { extends: 'oidc', name: 'Nobody' }
  await gateway.admin('PUT', '/providers/nobody', {
    descriptor,
    variables: { issuer: 'http://127.0.0.1:1' },
    client_id: 'x',
  })
  const { out, exitCode } = await coatcheckAt(gateway)(['doctor', '--json'])
  expect(exitCode).toBe(1)
  const { ok, findings } = JSON.parse(out ?? '') as { ok: boolean; findings: object[] }
  expect(ok).toBe(false)
  expect(findings).toContainEqual({
    about: 'provider nobody',
    state: 'wrong',
    message: expect.stringContaining('cannot be reached'),
  })
})

test('an issuer that is not the one clients are told is wrong, to the byte', async () => {
  const gateway = await runningGateway()
  const url = gateway.issuer.replace('localhost', '127.0.0.1')
  const { out, exitCode } = await coatcheckAt(gateway)(['doctor', '--url', url])
  expect(exitCode).toBe(1)
  expect(out).toContain(`names the issuer ${gateway.issuer}, which is not ${url} to the byte`)
})

test('an issuer with a path is looked up where RFC 8414 says', async () => {
  const gateway = await runningGateway({
    env: (port: number) => ({ COATCHECK_ISSUER: `http://localhost:${port}/gate` }),
  })
  const { out, exitCode } = await coatcheckAt(gateway)(['doctor'])
  expect(out).toContain('/.well-known/oauth-authorization-server/gate names this issuer')
  expect(exitCode).toBe(0)
})

test('without a gateway the configuration is checked, and what could not be is said', async () => {
  const env = {
    COATCHECK_ISSUER: `http://localhost:${await freePort()}`,
    COATCHECK_HOST: '0.0.0.0',
    COATCHECK_PORT: 'x',
  }
  const { out, exitCode } = await coatcheck(['doctor'], { env })
  expect(exitCode).toBe(1)
  expect(out).toMatch(/^wrong +configuration +COATCHECK_PORT: is not a port/m)
  expect(out).toMatch(/^wrong +configuration +COATCHECK_HOST: /m)
  expect(out).toMatch(/^wrong +metadata +no gateway listens/m)
  expect(out).toMatch(/^unchecked +providers /m)
  expect(out).toContain('Not everything could be checked.')
})

test('without a credential only what is public is checked', async () => {
  const gateway = await runningGateway()
  const { out } = await coatcheck(['doctor'], { env: { COATCHECK_ISSUER: gateway.issuer } })
  expect(out).toMatch(/^ok +metadata/m)
  expect(out).toMatch(/^unchecked +signing keys +there is no administrator’s token/m)
})

test.each([
  ['Fri, 15 Jan 2027 08:00:00 GMT', 1_800_000_010, 'ok'],
  ['Fri, 15 Jan 2027 08:00:00 GMT', 1_800_000_100, 'wrong'],
  ['Fri, 15 Jan 2027 08:00:00 GMT', 1_799_999_900, 'wrong'],
  [null, 1_800_000_000, 'unchecked'],
])('a gateway that says %s at %i is %s', (date, now, state) => {
  expect(clockSkew(date, now)).toMatchObject([{ state }])
})

test('one key signs, no more and no fewer', () => {
  expect(keyFindings([{ state: 'signing' }, { state: 'retiring' }])).toMatchObject([{ state: 'ok' }])
  expect(keyFindings([])).toMatchObject([{ state: 'wrong' }])
  expect(keyFindings([{ state: 'signing' }, { state: 'signing' }])).toMatchObject([{ state: 'wrong' }])
})

test('what is wrong with a disabled provider is only a note', () => {
  const checked = { ok: false, problems: [{ message: 'x' }], warnings: [], redirect_uri: 'https://a.test/cb' }
  const states = (use: 'enabled' | 'disabled') =>
    providerFindings('forge', use, checked).map(({ state }) => state)
  expect(states('disabled')).toEqual(['note', 'note'])
  expect(states('enabled')).toEqual(['wrong', 'note'])
})
