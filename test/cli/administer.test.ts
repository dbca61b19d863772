import { afterAll, beforeAll, expect, test } from 'vitest'
import { forge } from '../support/admin-rows.ts'
import { coatcheck, coatcheckAt } from '../support/cli.ts'
import { freePort, startTestGateway, type TestGateway } from '../support/gateway.ts'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startTestGateway()
})
afterAll(async () => await gateway.stop())

const cli = async (args: string[], options = {}) => await coatcheckAt(gateway)(args, options)
const secret = 'forge-secret-0123456789'

async function setForge() {
  const files = { 'forge.json': JSON.stringify({ descriptor: forge.descriptor }) }
  const said = [
    '--client-id',
    'coatcheck-at-forge',
    '--client-secret-file',
    '-',
    '--scope',
    'repo',
    '--admit',
    'anyone',
  ]
  return await cli(['provider', 'set', 'forge', '--file', 'forge.json', ...said], {
    files,
    input: `${secret}\n`,
  })
}

test('a provider is set with its secret from standard input, and the redirect URI is told', async () => {
  const { out, exitCode } = await setForge()
  expect(exitCode).toBe(0)
  expect(out).toContain(`\n  ${gateway.issuer}/oauth/callback/forge\n`)
  expect(out).toContain('coatcheck provider check forge')
  expect(out).not.toContain(secret)
  const provider = await gateway.admin('GET', '/providers/forge')
  expect(provider).toMatchObject({
    client_id: 'coatcheck-at-forge',
    scopes: ['repo'],
    admit: 'anyone',
    client_secret_stored: true,
  })
})

test('a built-in descriptor is the one the provider is called by', async () => {
  const args = [
    '--client-id',
    'x',
    '--client-secret-file',
    's',
    '--variable',
    'web=https://git.example',
    '--variable',
    'api=https://git.example/api',
  ]
  const { exitCode } = await cli(['provider', 'set', 'github', ...args], { files: { s: 'y' } })
  expect(exitCode).toBe(0)
  expect(await gateway.admin('GET', '/providers/github')).toMatchObject({
    descriptor: 'github',
    variables: { web: 'https://git.example', api: 'https://git.example/api' },
  })
  expect((await cli(['provider', 'delete', 'github'])).out).toContain('Deleted provider github')
})

test('a check that finds something wrong is exit code 1', async () => {
  const descriptor = { extends: 'oidc', name: 'Nobody' }
  const files = { body: JSON.stringify({ descriptor, variables: { issuer: 'http://127.0.0.1:1' } }) }
  await cli(['provider', 'set', 'nobody', '--file', 'body', '--client-id', 'x'], { files })
  const { out, exitCode } = await cli(['provider', 'check', 'nobody'])
  expect(exitCode).toBe(1)
  expect(out).toMatch(/^wrong +provider nobody: http:.* cannot be reached.*\n +→ /m)
  await cli(['provider', 'delete', 'nobody'])
})

test('an MCP server, its credential and a client are set up, listed and deleted', async () => {
  await setForge()
  const uri = 'https://notes.test/mcp'
  const scopes = ['--scope', 'notes.read=Read your notes = all', '--default-scope', 'notes.read']
  const set = await cli([
    'resource',
    'set',
    'notes',
    '--uri',
    uri,
    '--name',
    'Notes',
    ...scopes,
    '--provider',
    'forge:repo:optional',
  ])
  expect(set).toMatchObject({
    exitCode: 0,
    out: expect.stringContaining('coatcheck resource credential create notes'),
  })
  expect(await gateway.admin('GET', '/resources/notes')).toMatchObject({
    resource: uri,
    scopes: { 'notes.read': 'Read your notes = all' },
    default_scopes: ['notes.read'],
    providers: [{ provider: 'forge', scopes: ['repo'], required: false }],
  })

  const made = await cli(['resource', 'credential', 'create', 'notes', '--json'])
  const { client_id: id } = JSON.parse(made.out ?? '') as { client_id: string }
  expect((await cli(['resource', 'credential', 'list', 'notes'])).out).toContain(id)
  expect((await cli(['resource', 'credential', 'delete', 'notes', id])).exitCode).toBe(0)

  const created = await cli([
    'client',
    'create',
    '--name',
    'Editor',
    '--redirect-uri',
    'https://editor.test/cb',
  ])
  const [, clientId = ''] = /client id\s+(\S+)/.exec(created.out ?? '') ?? []
  expect(created.out).toMatch(/client secret {2}cc_secret_/)
  expect((await cli(['client', 'disable', clientId])).out).toBe(`Client ${clientId} is disabled.`)
  expect((await cli(['client', 'list', '--origin', 'admin'])).out).toMatch(/^CLIENT ID .*\n.*Editor/)
  expect((await cli(['client', 'delete', clientId])).out).toContain('Token sessions ended: 0')
  expect((await cli(['resource', 'delete', 'notes'])).exitCode).toBe(0)
})

test.each([
  ['subject list', 'Nobody.'],
  ['session list --state any', 'No token session.'],
  ['connection list', 'No connection.'],
  ['connection list --ends-within 7d', 'No connection.'],
  ['client list --origin dynamic', 'No client is known here.'],
])('%s says that there is nothing', async (line, words) => {
  expect(await cli(line.split(' '))).toEqual({ out: words, exitCode: 0 })
})

test('keys are rotated over the API, and the record names it', async () => {
  expect((await cli(['key', 'rotate'])).out).toMatch(/^Key \S+ is published now; it signs from \d{4}-/)
  expect((await cli(['key', 'list'])).out).toMatch(/pending/)
  const { out } = await cli(['audit', 'list', '--event', 'signing_key.rotated', '--limit', '1'])
  expect(out).toContain('admin:token')
})

test('the description of the API is printed as it is', async () => {
  const { out, exitCode } = await cli(['openapi'])
  expect(exitCode).toBe(0)
  expect(JSON.parse(out ?? '')).toEqual(await gateway.admin('GET', '/openapi.json'))
})

test('what the API refuses is told with where in the body it stands', async () => {
  const { err, exitCode } = await cli(['resource', 'set', 'notes', '--uri', 'nothing', '--name', ''])
  expect(exitCode).toBe(1)
  expect(err).toContain('Coatcheck: The request is not acceptable\n  /name: ')
  const { out, exitCode: same } = await cli(['provider', 'show', 'nothing', '--json'])
  expect(same).toBe(1)
  expect(JSON.parse(out ?? '')).toMatchObject({ status: 404, code: 'not_found' })
})

test('a wrong token is told with what to do, and never repeated', async () => {
  const { err, exitCode } = await cli(['provider', 'list', '--token-file', 't'], {
    files: { t: 'wrong-token' },
  })
  expect(exitCode).toBe(1)
  expect(err).toContain('--token-file')
  expect(err).not.toContain('wrong-token')
})

test('a gateway that does not run is told with how to start it', async () => {
  const url = `http://127.0.0.1:${await freePort()}`
  const { err, exitCode } = await cli(['provider', 'list', '--url', url])
  expect(exitCode).toBe(1)
  expect(err).toContain(`no gateway listens at ${url}. Start it with \`npm start\``)
})

test('the token goes nowhere in the clear, and into no header it cannot stand in', async () => {
  expect((await cli(['provider', 'list', '--url', 'http://auth.example.com'])).err).toContain('must be https')
  const broken = await cli(['provider', 'list', '--token-file', 't'], { files: { t: 'two\nlines' } })
  expect(broken).toMatchObject({ exitCode: 2, err: expect.not.stringContaining('two') })
})

test('the token a gateway of this machine generated is found beside its database', async () => {
  const env = { COATCHECK_ISSUER: gateway.url, COATCHECK_DATABASE_URL: 'sqlite:vault/coatcheck.db' }
  const { exitCode } = await coatcheck(['provider', 'list'], {
    env,
    files: { 'vault/admin.token': `${gateway.adminToken}\n` },
  })
  expect(exitCode).toBe(0)
})
