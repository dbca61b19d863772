import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { forge } from '../support/admin-rows.ts'
import { coatcheck, coatcheckAt } from '../support/cli.ts'
import { freePort, startTestGateway, type TestGateway } from '../support/gateway.ts'
import {
  claimsOf,
  furnish,
  introspect,
  kidOf,
  refresh,
  resourceUri,
  retrieve,
  signIn,
  type Tokens,
  type World,
} from '../support/world.ts'

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

describe('where somebody is signed in', () => {
  let world: World
  let subject: string
  let tokens: Tokens
  beforeAll(async () => {
    world = await furnish(gateway)
  })
  afterAll(async () => await world.upstream.stop())
  const enter = async () => {
    ;({ tokens } = await signIn(world))
    subject = String(claimsOf(tokens.access_token).sub)
  }
  beforeEach(enter)

  const isActive = async () => (await introspect(world, tokens.access_token)).active

  test('MCP servers and clients are shown with what was registered', async () => {
    expect((await cli(['resource', 'list'])).out).toMatch(
      /^notes +Notes +yes +admin +https:\/\/notes\.test\/mcp$/m,
    )
    const { out: resource } = await cli(['resource', 'show', 'notes'])
    expect(resource).toMatch(/^default scopes +notes\.read$/m)
    expect(resource).toContain(resourceUri)
    const { out: client } = await cli(['client', 'show', world.clientId])
    expect(client).toMatch(/^client name +A test client$/m)
    expect(client).toMatch(/^origin +dynamic$/m)
  })

  test('a client that is disabled is let in again', async () => {
    await cli(['client', 'disable', world.clientId])
    expect((await refresh(world, tokens.refresh_token)).status).toBe(401)
    const { out } = await cli(['client', 'enable', world.clientId])
    expect(out).toBe(`Client ${world.clientId} is enabled.`)
    expect((await refresh(world, tokens.refresh_token)).status).toBe(200)
  })

  test('somebody who is disabled is signed out everywhere, and comes again once they are enabled', async () => {
    expect(await isActive()).toBe(true)
    expect((await cli(['subject', 'disable', subject])).out).toBe(`${subject} is disabled.`)
    expect(await isActive()).toBe(false)
    await expect(enter()).rejects.toThrow('access_denied')
    expect((await cli(['subject', 'enable', subject])).out).toBe(`${subject} is enabled.`)
    await enter()
    expect(await isActive()).toBe(true)
  })

  test('a signing key that is removed is published no more, and what it signed is good for nothing', async () => {
    const published = async () => await (await fetch(`${gateway.url}/.well-known/jwks.json`)).text()
    const kid = kidOf(tokens)
    expect(await published()).toContain(kid)
    const { out } = await cli(['key', 'remove', kid])
    expect(out).toMatch(new RegExp(`^Nothing that ${kid} signed counts any more\\.`))
    world.clock.advance(1)
    expect(await isActive()).toBe(false)
    expect(await published()).not.toContain(kid)
  })

  test('a connection is deleted at once, and what its provider has yet to be told is listed', async () => {
    const tsid = String(claimsOf(tokens.access_token).tsid)
    expect((await retrieve(world, tsid)).status).toBe(200)
    const { items } = await gateway.admin<{ items: { id: string }[] }>(
      'GET',
      `/connections?subject_id=${subject}`,
    )
    const [{ id } = { id: '' }] = items
    world.upstream.script({ on: 'DELETE *', times: 'always', effect: { kind: 'respond', status: 503 } })
    const { out } = await cli(['connection', 'delete', id])
    expect(out).toContain(`Deleted connection ${id}. Token sessions ended: `)
    expect(out).toMatch(/^github .* has yet to be told of 1; it is tried for three days/m)
    expect((await retrieve(world, tsid)).status).not.toBe(200)
    expect(await isActive()).toBe(false)
    const list = async (...args: string[]) => (await cli(['revocation', 'list', ...args])).out
    expect(await list('--subject', subject)).toMatch(
      new RegExp(`^\\S+ +github +${subject} +1 +api_status_503 +\\d{4}-`, 'm'),
    )
    expect(await list('--provider', 'forge')).toBe('Nothing waits.')
  })

  test('somebody who is deleted is gone with all of theirs', async () => {
    const { out } = await cli(['subject', 'delete', subject])
    expect(out).toContain(`Deleted subject ${subject}. Token sessions ended: `)
    expect(await isActive()).toBe(false)
    expect((await cli(['subject', 'list'])).out).toBe('Nobody.')
  })
})
