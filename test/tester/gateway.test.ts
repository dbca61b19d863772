import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { protect } from '@coatcheck/mcp'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { runMcpServer } from '../../examples/demo/mcp-server.ts'
import { startServer } from '../../sdk/test/support/servers.ts'
import type { TestReport } from '../../src/tester/test-url.ts'
import { mcpServerRules, serverRules } from '../../src/tester/test-url.ts'
import { openAdminGateway } from '../support/admin-gateway.ts'
import { coatcheck } from '../support/cli.ts'
import { freePort, startTestGateway, type TestGateway } from '../support/gateway.ts'
import { openIssuer } from '../support/issuer.ts'
import { faultsIn } from '../support/tested-world.ts'
import { createCredential } from '../support/world.ts'

let root: TestGateway
let below: TestGateway
beforeAll(async () => {
  root = await startTestGateway()
  below = await startTestGateway({
    env: (port) => ({ COATCHECK_ISSUER: `http://localhost:${port}/gate` }),
  })
})
afterAll(async () => {
  await Promise.all([root.stop(), below.stop()])
})

async function cli(...args: string[]): Promise<{ report: TestReport; exitCode: number }> {
  const { out, exitCode } = await coatcheck(['test', ...args, '--json'])
  return { report: JSON.parse(out ?? ''), exitCode }
}

const codesIn = ({ tested }: TestReport) => tested.flatMap(({ checks }) => checks.map(({ code }) => code))

describe.each(['', '/gate'])('a gateway with the issuer path "%s"', (path) => {
  const gateway = () => (path === '' ? root : below)

  test('has no error and no warning, and every success of mcp-auth', async () => {
    const { report, exitCode } = await cli(gateway().issuer)
    expect([faultsIn(report), exitCode]).toEqual([[], 0])
    expect(codesIn(report)).toEqual(
      expect.arrayContaining([
        'server_metadata_valid',
        'code_response_type_supported',
        'authorization_code_grant_supported',
        'pkce_supported',
        's256_code_challenge_method_supported',
        'dynamic_registration_supported',
      ]),
    )
    expect(report.tested.flatMap(({ unchecked }) => unchecked.map(({ code }) => code))).toEqual([
      'resource_indicators',
    ])
  })

  test('is as well to a client that registers, and keeps nothing of it', async () => {
    const { report, exitCode } = await cli(gateway().issuer, '--register')
    expect([faultsIn(report), exitCode]).toEqual([[], 0])
    expect(report.tested).toMatchObject([{ kind: 'authorization_server', unchecked: [] }])
    expect(codesIn(report).toSorted()).toEqual(serverRules.map(({ code }) => code).toSorted())
    expect(await gateway().admin('GET', '/clients')).toEqual({ items: [] })
  })

  test('is found by the URL of its metadata, and with a slash too many', async () => {
    const { issuer } = gateway()
    const { origin, pathname } = new URL(issuer)
    const bare = pathname.replace(/\/$/, '')
    for (const url of [
      `${issuer}/`,
      `${origin}/.well-known/oauth-authorization-server${bare}`,
      `${issuer}/.well-known/openid-configuration`,
    ]) {
      const { report } = await cli(url)
      expect(report.tested).toMatchObject([{ kind: 'authorization_server', url: issuer }])
      expect(faultsIn(report)).toEqual([])
    }
  })
})

/** A server of the official SDK behind the guard of `@coatcheck/mcp`. */
async function startGuarded(issuer: string, options: object = { scopes: ['notes.read'] }) {
  const port = await freePort()
  const resource = `http://127.0.0.1:${port}/mcp`
  const guard = protect({ resource, issuer, ...options })
  const server = await startServer('Express, SDK 1.x, stateless', guard, port)
  onTestFinished(server.stop)
  return resource
}

test('an MCP server behind @coatcheck/mcp is fit, and so is the gateway it names, and refuses its other tokens', async () => {
  const resource = await startGuarded(below.issuer)
  const report = await below.admin<TestReport>('POST', '/tests', { url: resource, register: true })
  expect(faultsIn(report)).toEqual([])
  expect(report.tested.map(({ url, unchecked }) => [url, unchecked])).toEqual([
    [resource, []],
    [below.issuer, []],
  ])
  expect(codesIn(report).toSorted()).toEqual(
    [...mcpServerRules, ...serverRules].map(({ code }) => code).toSorted(),
  )
  expect(await below.admin('GET', '/clients')).toEqual({ items: [] })
})

test('the example MCP server is fit, as it stands there', async () => {
  const mcpUrl = `http://localhost:${await freePort()}/mcp`
  const definition = { resource: mcpUrl, name: 'Example', scopes: {}, default_scopes: [] }
  await root.admin('PUT', '/resources/example', definition)
  const { id, secret } = await createCredential(root, 'example')
  const example = await runMcpServer({
    COATCHECK_ISSUER: root.issuer,
    MCP_URL: mcpUrl,
    PORT: new URL(mcpUrl).port,
    RESOURCE_CLIENT_ID: id,
    RESOURCE_CLIENT_SECRET: secret,
  })
  onTestFinished(example.stop)
  const report = await root.admin<TestReport>('POST', '/tests', { url: mcpUrl })
  expect(faultsIn(report)).toEqual([])
  expect(report.tested[0]).toMatchObject({ kind: 'mcp_server', url: mcpUrl, unchecked: [] })
})

test('the command line tests the same, with a token for another server where there is one', async () => {
  const resource = await startGuarded(root.issuer, {})
  const first = await coatcheck(['test', resource])
  expect([first.exitCode, first.out]).toEqual([
    0,
    expect.stringMatching(
      /^MCP server http[\s\S]*^note +challenge_scope: [\s\S]*^unchecked +foreign_token: /m,
    ),
  ])
  expect(first.out).toMatch(/^Authorization server http/m)
  expect(first.out).toMatch(/\n\nFit for MCP\. Nothing is wrong; one note; 2 not checked\.$/)
  const files = { token: 'a-token-of-another\n' }
  const second = await coatcheck(['test', resource, '--foreign-token-file', 'token'], { files })
  expect(second.out).toMatch(/^ok +foreign_token: A good token for another server is refused \(401\)\.$/m)
})

test('what is not fit is told with where it is written, and exit code 1', async () => {
  const { issuer, answer } = await openIssuer()
  answer.document = { ...answer.document, code_challenge_methods_supported: ['plain'] }
  const screen = { columns: 80, isColored: true }
  const { out = '', exitCode } = await coatcheck(['test', issuer], { screen })
  expect(exitCode).toBe(1)
  expect(out).toContain('\x1b[31mwrong      \x1b[39m\x1b[1minvalid_server_metadata\x1b[22m: ')
  expect(out).toContain('\n           → https://www.rfc-editor.org/rfc/rfc8414#section-2\n')
  expect(out).toMatch(/\n\nNot fit for MCP\. 3 things are wrong; \d+ notes; 1 not checked\.$/)
})

test.each([['ftp://auth.example'], ['auth.example'], ['http://auth.example'], ['https://a:b@auth.example']])(
  '%s is nothing to test',
  async (url) => {
    const { exitCode, err } = await coatcheck(['test', url])
    expect([exitCode, err]).toEqual([2, expect.stringContaining('what is to be tested ')])
  },
)

test('a token with a line break in it is none to send', async () => {
  const args = ['test', 'http://localhost:1', '--foreign-token-file', 'token']
  const { exitCode, err } = await coatcheck(args, { files: { token: 'a\nb' } })
  expect([exitCode, err]).toEqual([2, expect.stringContaining('holds no token')])
})

test('a server that names hosts of a private network is not followed there', async () => {
  const { issuer, answer } = await openIssuer()
  answer.document = {
    ...answer.document,
    jwks_uri: 'https://10.0.0.1/jwks',
    token_endpoint: 'https://[fd00::1]/',
  }
  const { report } = await cli(issuer)
  const messages = report.tested.flatMap(({ checks }) => checks.map(({ message }) => message))
  expect(messages).toContain(
    'There are no keys at jwks_uri: 10.0.0.1 is not at an address this gateway talks to.',
  )
  expect(messages.filter((message) => message.includes('[fd00::1] is not at an address'))).toHaveLength(1)
})

test('the admin API tests what is on the public internet, and nothing else', async () => {
  const { admin } = await openAdminGateway({ issuer: 'https://gateway.test' })
  for (const url of ['http://localhost:8080', 'http://auth.example', 'file:///etc/passwd', 'x', '']) {
    const { status, json } = await admin('POST', '/tests', { url })
    expect([status, json.errors?.[0].pointer]).toEqual([400, '/url'])
  }
  for (const host of ['localhost', '127.0.0.1', '10.0.0.1', '169.254.169.254', '[::1]', '[fd00::1]']) {
    const { status, json } = await admin('POST', '/tests', { url: `https://${host}/mcp` })
    expect([status, json.ok]).toEqual([200, false])
    expect(json.tested[0].checks[0].message).toContain('is not at an address this gateway talks to')
  }
})

test('an administrator who may only read tests nothing', async () => {
  const { send, admin } = await openAdminGateway()
  const password = 'correct horse battery'
  await admin('POST', '/administrators', { name: 'ada', role: 'read', password })
  const authorization = `Basic ${Buffer.from(`ada:${password}`).toString('base64')}`
  const body = { url: 'http://localhost:1' }
  const { statusCode } = await send('POST', '/admin/v1/tests', { headers: { authorization }, body })
  expect(statusCode).toBe(403)
})

test('nothing a server names reaches a terminal that obeys it, in JSON neither', async () => {
  const named = 'http://127.0.0.1:1/\u009b2J\u202e\u{e0041}'
  const server = createServer((request, response) => {
    const isMetadata = request.url?.startsWith('/.well-known/oauth-protected-resource') ?? false
    const document = { resource: `http://${request.headers.host}/mcp`, authorization_servers: [named] }
    response.writeHead(isMetadata ? 200 : 401, { 'content-type': 'application/json' })
    response.end(isMetadata ? JSON.stringify(document) : '{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`
  for (const more of [[], ['--json']]) {
    const { out = '' } = await coatcheck(['test', url, ...more])
    expect(out).toMatch(/^[\n\x20-\x7E\p{L}\p{M}\p{N}\p{P}\p{S}]+$/u)
    if (more.length > 0) expect(JSON.parse(out).tested).toMatchObject([{}, { url: named }])
  }
})
